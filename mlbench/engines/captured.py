"""What another engine does on a GPU, recorded once for each function and shape, then replayed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from mlbench.engines.base import Clip, Engine, Lesson, Objective, Predict
from mlbench.engines.graphs import Function, Graph
from mlbench.errors import first_line

if TYPE_CHECKING:
    from mlbench.contract import Batch, Parameters, TaskBatch

KEPT = 8  # recordings; each holds the memory of all that its function computes


class Captured(Engine):
    """Another engine's work as CUDA graphs: no kernel waits for Python.

    A function that is met again, on tensors of the shapes that it was met on, is recorded and from
    then on replayed; the first time it simply runs, so that what is met once costs no recording.
    Functions are told apart as ``==`` does. So only those are recorded that are equal call after
    call: methods, which depend on nothing that changes but their arguments, and functions and
    classes of a module. Others run as they are, and so does what cannot be recorded since it waits
    for the device.

    It is not for function transforms: a stack of runs is recorded whole, around a plain engine.

    Args:
        base: The engine that runs a batch of tasks.
        record: From a function and its arguments to what is called in its place.

    Attributes:
        refused: Why what could not be recorded was not; whoever tells of it empties the list.
    """

    def __init__(self, base: Engine, record: Callable[..., Function] = Graph) -> None:
        self.base = base
        self.record = record
        self.met: OrderedDict[Any, Function | None] = OrderedDict()
        self.refused: list[str] = []

    @property
    def name(self) -> str:  # type: ignore[override]
        """Return the name of the engine that is recorded, and that it is."""
        return f"{self.base.name}, captured"

    def total(
        self, lesson: Lesson, meta: Parameters, tasks: TaskBatch
    ) -> tuple[Parameters, Tensor]:
        """Replay the sum over tasks."""

        def work(meta: Parameters, tasks: TaskBatch) -> tuple[Parameters, Tensor]:
            return self.base.total(lesson, meta, tasks)

        found: tuple[Parameters, Tensor] = self.run("total", (lesson,), work, meta, tasks)
        return found

    def meta_gradients(
        self, objective: Objective, meta: Parameters, tasks: TaskBatch, clip: Clip
    ) -> tuple[Parameters, Tensor]:
        """Replay the sum of the meta-gradients."""

        def work(meta: Parameters, tasks: TaskBatch) -> tuple[Parameters, Tensor]:
            return self.base.meta_gradients(objective, meta, tasks, clip)

        found: tuple[Parameters, Tensor] = self.run(
            "meta_gradients", (objective, clip), work, meta, tasks
        )
        return found

    def predictions(
        self, predict: Predict, meta: Parameters, support: Batch, query_x: Tensor
    ) -> Tensor:
        """Replay the predictions."""

        def work(meta: Parameters, support: Batch, query_x: Tensor) -> Tensor:
            return self.base.predictions(predict, meta, support, query_x)

        found: Tensor = self.run("predictions", (predict,), work, meta, support, query_x)
        return found

    def run(
        self, what: str, functions: tuple[Function, ...], work: Function, *arguments: Any
    ) -> Any:
        """Return what ``work`` gives for its arguments, by a recording of it where there is one.

        Args:
            what: The engine's method.
            functions: What decides, beside the arguments, what ``work`` does.
            work: The engine's method on those functions.
            arguments: Θ, then the tasks.
        """
        if not all(map(lasting, functions)):
            return work(*arguments)
        key = what, functions, shapes(arguments)
        if key not in self.met:
            self.remember(key, None)
            return work(*arguments)
        self.met.move_to_end(key)
        if self.met[key] is None:
            self.met[key] = self.recording(work, arguments)
        found = self.met[key]
        # a recording writes over what it returned before
        return pytree.tree_map(torch.clone, found(*arguments)) if found else work(*arguments)

    def recording(self, work: Function, arguments: tuple[Any, ...]) -> Function:
        """Return a recording over copies of the arguments, or ``work`` where none can be made."""
        try:
            return self.record(work, *pytree.tree_map(torch.clone, arguments))
        except RuntimeError as error:
            # it ran before: it waits for the device, or there is no memory to keep it in
            self.refused.append(first_line(error))
            return work

    def remember(self, key: Any, found: Function | None) -> None:
        """Keep what was met, and drop what was not met for longest."""
        self.met[key] = found
        if len(self.met) > KEPT:
            self.met.popitem(last=False)


def lasting(function: object) -> bool:
    """Return whether a function is the same object, or an equal one, call after call."""
    if isinstance(function, MethodType):
        return True
    if isinstance(function, FunctionType):
        return "<" not in function.__qualname__  # neither a lambda nor made inside another
    return isinstance(function, type | BuiltinFunctionType)


def shapes(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return what a recording is bound to, beside its function: names, shapes, types, places."""
    meta, *_ = arguments
    leaves = pytree.tree_leaves(arguments)
    return tuple(meta), *((t.shape, t.stride(), t.dtype, t.device) for t in leaves)
