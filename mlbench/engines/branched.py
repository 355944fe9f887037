"""The loop for a GPU: every task on a stream of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

from mlbench.engines.base import Lesson, Predict
from mlbench.engines.loop import Loop

if TYPE_CHECKING:
    from mlbench.contract import Batch, Parameters, TaskBatch

Found = TypeVar("Found")
WIDTH = 8  # streams; a ninth task follows the first


class Branched(Loop):
    """One task beside another: the kernels of a support set leave most of a GPU idle.

    Within a CUDA graph the streams become branches that run at the same time. Off the GPU this is
    the loop. Rules are not cut: a GPU has the memory, and wants few and large kernels.

    Args:
        width: How many streams.
    """

    name = "branched"

    def __init__(self, width: int = WIDTH) -> None:
        super().__init__(rows=None)
        self.width = width
        self.streams: list[torch.cuda.Stream] = []

    def total(
        self, lesson: Lesson, meta: Parameters, tasks: TaskBatch
    ) -> tuple[Parameters, Tensor]:
        """Teach by tasks side by side, then add up in their order."""

        def taught(index: int) -> tuple[Parameters, Tensor]:
            return lesson(meta, tasks.task(index), self.inner)

        with torch.no_grad():
            found = self.side_by_side(taught, tasks.task_count, tasks.query.x.device)
            total, _ = found[0]
            for gradients, _ in found[1:]:
                total = {name: total[name] + value for name, value in gradients.items()}
            return total, torch.stack([prediction for _, prediction in found])

    def predictions(
        self, predict: Predict, meta: Parameters, support: Batch, query_x: Tensor
    ) -> Tensor:
        """Call tasks side by side."""

        def predicted(index: int) -> Tensor:
            task = type(support)(support.x[index], support.y[index])
            return predict(meta, task, query_x[index], self.inner)

        with torch.no_grad():
            return torch.stack(self.side_by_side(predicted, len(query_x), query_x.device))

    def side_by_side(
        self, function: Callable[[int], Found], count: int, device: torch.device
    ) -> list[Found]:
        """Return what a function gives for each of ``count`` tasks, in order.

        All results are held until the streams meet again: memory that one of them gave back could
        be taken by the next task of its stream before the others have read it.
        """
        if device.type != "cuda" or count == 1:
            return [function(index) for index in range(count)]
        while len(self.streams) < self.width:
            self.streams.append(torch.cuda.Stream(device))
        current, used = torch.cuda.current_stream(device), self.streams[:count]
        for stream in used:
            stream.wait_stream(current)
        found = []
        for index in range(count):
            with torch.cuda.stream(used[index % len(used)]):
                found.append(function(index))
        for stream in used:
            current.wait_stream(stream)
        return found
