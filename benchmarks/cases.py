"""What is measured: one meta-step, described so that every contestant takes the same one."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from mlbench.contract import TaskBatch
from mlbench.run.setup import Experiment, Request, prepare
from mlbench.run.spec import Precision


@dataclass(frozen=True, kw_only=True)
class Case:
    """A second-order meta-step: on waves, or on generated images.

    Args:
        algorithm: The technique; peers know MAML alone.
        side: Pixels a side of the images; ``None`` for waves.
        ways: Classes of a task.
        shots: Support examples, per class where there are classes.
        queries: Query examples likewise.
        steps: Updates T per task.
        tasks: Tasks of the meta-step.
        runs: Runs that are one program.
        channels: Filters of each convolution of Conv4.
        clip: Whether gradients are clipped as a run of ours clips them. Peers do not clip.
    """

    algorithm: str = "maml"
    side: int | None = None
    ways: int = 5
    shots: int = 5
    queries: int = 16
    steps: int = 5
    tasks: int = 1
    runs: int = 1
    channels: int = 64
    clip: bool = False
    precision: Precision = "float32"

    @property
    def label(self) -> str:
        """Return the task in a few words."""
        if self.side is None:
            return f"sine {self.shots}-shot"
        return f"{self.side}x{self.side} {self.ways}-way {self.shots}-shot"

    def experiment(self) -> Experiment:
        """Return the experiment, as ``mlbench run`` would set it up."""
        settings = {
            "order": "2",
            "train_steps": str(self.steps),
            "meta_batch": str(self.tasks),
            **({} if self.clip else {"clip": "none", "meta_clip": "none"}),
        }
        if self.side is not None:
            classes = dict.fromkeys(("train", "validation", "test"), str(self.ways))
            settings |= {f"shapes.{split}_classes": count for split, count in classes.items()}
            settings |= {
                "shapes.image_size": str(self.side),
                "shapes.images_per_class": str(self.shots + self.queries),
                "learner.channels": str(self.channels),
            }
        return prepare(
            Request(
                algorithm=self.algorithm,
                train="sine" if self.side is None else "shapes",
                ways=None if self.side is None else self.ways,
                shots=self.shots,
                queries=self.queries,
                settings=settings,
                precision=self.precision,
            )
        )


def draw(case: Case, experiment: Experiment) -> TaskBatch:
    """Return the tasks of the meta-step."""
    spec = experiment.spec
    stream = experiment.stream(spec.train_dataset, "train")
    source = experiment.datasets[spec.train_dataset]
    where = torch.device("cpu")
    return source.draw(stream, 0, case.tasks, device=where, dtype=experiment.dtype)
