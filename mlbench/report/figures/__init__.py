"""The figures: each a function of a :class:`.Material`, one a file; this index loads none."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from mlbench.report.material import Material

Measure = Literal["test", "validation", "seconds"]
"""What is drawn of a run: its test score, its best validation score, or its running time."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """What a figure may be told; each takes some of these and no figure all.

    Args:
        baseline: A technique that the others are compared with.
        over: What runs along the axis: ``shots``, ``ways`` or the name of a hyperparameter.
        measure: What is drawn of each run; ``None`` for what is usual in the figure.
    """

    baseline: str | None = None
    over: str | None = None
    measure: Measure | None = None


@dataclass(frozen=True)
class Figure:
    """A figure by name.

    Args:
        name: As ``mlbench plot`` takes it.
        summary: What it shows, in a line.
        module: Where ``draw`` is, in this package.
        takes: The options that it heeds; ``statistic`` is that of its material.
        measures: The values that it takes for ``measure``, the usual one first.
    """

    name: str
    summary: str
    module: str
    takes: tuple[str, ...] = ()
    measures: tuple[Measure, ...] = field(default=())

    def draw(self, material: Material, options: Options | None = None) -> Any:
        """Return the figure as an Altair chart, made for :func:`mlbench.report.save.save`.

        Raises:
            NothingToDrawError: The chosen runs do not hold what it shows.
            MisuseError: An option makes no sense, or there is more than one figure can show.
        """
        module = importlib.import_module(f"{__name__}.{self.module}")
        return module.draw(material, options or Options())


FIGURES: dict[str, Figure] = {
    figure.name: figure
    for figure in (
        Figure(
            "learning-curves",
            "validation score and training loss along the training",
            "learning_curves",
            ("statistic",),
        ),
        Figure(
            "figure-3.2",
            "TURTLE on sine by hidden layers, T and order, MAML beside it",
            "hidden_layers",
            ("statistic", "measure"),
            ("validation", "test"),
        ),
        Figure(
            "figure-3.3",
            "test error on sine, technique by technique",
            "sine_scores",
            ("statistic",),
        ),
        Figure("figure-3.4", "running time against score", "time_score", ("statistic",)),
        Figure("cross-domain", "what is lost on another data set", "cross_domain", ("statistic",)),
        Figure(
            "paired",
            "differences on identical episodes, with intervals and Holm's p",
            "paired",
            ("baseline",),
        ),
        Figure("episodes", "how test scores spread over episodes", "episodes"),
        Figure(
            "scaling",
            "score or time against T, shots, ways or any hyperparameter",
            "scaling",
            ("statistic", "over", "measure"),
            ("test", "seconds"),
        ),
    )
}
"""The figures by name, in the order in which they are listed."""
