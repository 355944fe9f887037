"""What a technique hands back: whether it fits, and how well it answers."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mlbench.contract import MetaStep, Parameters, Problem
from mlbench.errors import PluginError


@torch.no_grad()
def assess(problem: Problem, predictions: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Return losses and scores, ``(tasks,)`` each; where a loss is not finite, the score is NaN."""
    losses = problem.losses(predictions, target)
    scores = problem.scores(predictions, target)
    return losses, scores.where(torch.isfinite(losses), torch.nan)


def judge(problem: Problem, predictions: Tensor, target: Tensor) -> tuple[list[float], list[float]]:
    """Return what :func:`assess` does, as plain numbers."""
    losses, scores = assess(problem, predictions, target)
    of_losses, of_scores = torch.stack((losses, scores)).tolist()  # one wait for a GPU, not two
    return of_losses, of_scores


def check_predictions(predictions: object, expected: tuple[int, int, int], who: str) -> Tensor:
    """Return the predictions if they are of the shape expected.

    Args:
        predictions: What a technique returned.
        expected: Tasks, queries and outputs.
        who: The technique's name.

    Raises:
        PluginError: They are not.
    """
    if isinstance(predictions, Tensor) and tuple(predictions.shape) == expected:
        return predictions
    what = type(predictions).__name__
    if isinstance(predictions, Tensor):
        what = f"a tensor of shape {tuple(predictions.shape)}"
    raise PluginError(
        f"{who} predicts {what} where (tasks, queries, outputs) = {expected} is due;"
        " mend the plugin"
    )


def check_step(taught: MetaStep, meta: Parameters) -> None:
    """Refuse meta-gradients and averages that do not fit the meta-parameters.

    Raises:
        TypeError: One is no tensor, or of another type.
        ValueError: There are none, or one has an unknown name or another shape.
    """
    if not taught.gradients:
        raise ValueError("meta_step returns no gradients")
    parts: dict[str, Mapping[str, object]] = {
        "gradient": taught.gradients,
        "average": taught.averages,
    }
    if both := sorted(taught.gradients.keys() & taught.averages.keys()):
        raise ValueError(f"{', '.join(both)} has both a gradient and an average")
    for what, found in parts.items():
        for name, value in found.items():
            if name not in meta:
                raise ValueError(f"a {what} of {name!r}, but the parameters are {', '.join(meta)}")
            if not isinstance(value, Tensor) or value.dtype != meta[name].dtype:
                kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
                raise TypeError(
                    f"the {what} of {name} is {kind}, not a tensor of {meta[name].dtype}"
                )
            if value.shape != meta[name].shape:
                raise ValueError(
                    f"the {what} of {name} has shape {tuple(value.shape)},"
                    f" not {tuple(meta[name].shape)}"
                )
