"""The meta-step of a stack of runs as what the device runs fastest: traced, compiled, recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import torch
from torch.utils._pytree import tree_leaves

from mlbench.contract import TaskBatch
from mlbench.engines.graphs import Graph
from mlbench.errors import first_line
from mlbench.run.compiling import machine_code
from mlbench.run.metastep import Condition, Met
from mlbench.run.tracing import traced

MetaStepOfRuns = Callable[[Condition, TaskBatch], tuple[Condition, Met]]
"""From the conditions of all runs and their tasks to those afterwards, and what was met."""


TRACED_AFTER = 200  # meta-steps; tracing takes as long as it saves in about as many


class Programs:
    """A meta-step of all runs; the first on tasks of some shape makes the program for that shape.

    On a CPU, what is not compiled is traced when it has been taken often enough, with the same
    results to the last bit. On a GPU it is recorded, and the condition that goes in is changed in
    place and comes out again; what cannot be recorded, since it waits for the device or there is
    no memory for it, is launched operation by operation.

    Args:
        function: The meta-step.
        device: Where it is taken.
        compiled: Whether to make machine code of it.
    """

    def __init__(self, function: MetaStepOfRuns, device: torch.device, *, compiled: bool) -> None:
        self.function = function
        self.device = device
        self.compiled = compiled
        self.traced_after = TRACED_AFTER
        self.refused: list[str] = []  # why what could not be recorded was not
        self.made: dict[torch.Size, MetaStepOfRuns] = {}
        self.taken: Counter[torch.Size] = Counter()

    def __call__(self, condition: Condition, tasks: TaskBatch) -> tuple[Condition, Met]:
        """Take the meta-step."""
        shape = tasks.query.x.shape
        if shape not in self.made:
            self.made[shape] = self.make(condition, tasks)
        plain = self.made[shape] is self.function
        if plain and self.taken[shape] == self.traced_after:
            self.made[shape] = traced(self.function, condition, tasks)
        self.taken[shape] += 1
        after, met = self.made[shape](condition, tasks)
        return Condition(*after), Met(*met)

    def make(self, condition: Condition, tasks: TaskBatch) -> MetaStepOfRuns:
        """Return the program for tasks of these shapes."""
        function = self.function
        if self.compiled:
            function = machine_code(function, condition, tasks)
        if self.device.type != "cuda":
            return function
        try:
            return recorded(function, condition, tasks)
        except RuntimeError as error:  # what is wrong with the function itself, it says again
            self.refused.append(first_line(error))
            return function


def recorded(function: MetaStepOfRuns, condition: Condition, tasks: TaskBatch) -> MetaStepOfRuns:
    """Return a meta-step that is launched whole; it changes ``condition`` in place."""

    def in_place(condition: Condition, tasks: TaskBatch) -> Met:
        after, met = function(condition, tasks)
        for old, new in zip(tree_leaves(condition), tree_leaves(after), strict=True):
            old.copy_(new)
        return Met(*met)

    graph = Graph(in_place, condition, tasks)

    def step(condition: Condition, tasks: TaskBatch) -> tuple[Condition, Met]:
        return condition, Met(*(part.clone() for part in graph(condition, tasks)))

    return step
