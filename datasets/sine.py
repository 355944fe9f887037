"""Sine-wave regression: every task is one wave ``y = A sin(x + φ)``.

Source: Finn et al., 2017, section 5.1, https://arxiv.org/abs/1703.03400. Nothing is downloaded.
"""

from __future__ import annotations

import math

import torch

from mlbench.contract import Batch, Dataset, Stream, TaskBatch
from mlbench.errors import MisuseError


class Sine(Dataset):
    """A ~ U(0.1, 5), φ ~ U(0, π), x ~ U(-5, 5); a new wave for every episode of every split."""

    name = "sine"
    source = "Finn et al., 2017, section 5.1, https://arxiv.org/abs/1703.03400"
    kind = "regression"
    default_queries = 50

    @property
    def fingerprint(self) -> str:
        """Return the definition's own name: there are no data."""
        return "sine: A~U(0.1,5) phase~U(0,pi) x~U(-5,5)"

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Return ``(1,)``."""
        return (1,)

    def check(self, stream: Stream) -> None:
        """Refuse ways: a wave has no classes."""
        if stream.ways is not None:
            raise MisuseError("sine is regression and has no classes; leave --ways out")

    def draw(
        self, stream: Stream, start: int, stop: int, *, device: torch.device, dtype: torch.dtype
    ) -> TaskBatch:
        """Return waves; ``x`` and ``y`` are ``(tasks, examples, 1)``."""
        examples = stream.shots + stream.queries
        uniforms = torch.from_numpy(stream.uniforms(start, stop, 2 + examples))[..., None]
        amplitude = 0.1 + 4.9 * uniforms[:, 0:1]
        phase = math.pi * uniforms[:, 1:2]
        x = 10.0 * uniforms[:, 2:] - 5.0
        waves = Batch(x, amplitude * torch.sin(x + phase))
        x, y = (tensor.to(device, dtype) for tensor in waves)
        support, query = slice(stream.shots), slice(stream.shots, None)
        return TaskBatch(Batch(x[:, support], y[:, support]), Batch(x[:, query], y[:, query]))
