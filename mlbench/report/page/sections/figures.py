"""Figures: each that has something to draw; of the others, why they have not."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from typing import Any

from mlbench.errors import MisuseError, NothingToDrawError
from mlbench.report.figures import FIGURES, Figure
from mlbench.report.figures.harmless import harmless
from mlbench.report.material import Material
from mlbench.report.page.grid import boxed
from mlbench.report.page.markup import Html, joined, raw, tag
from mlbench.report.page.paint import painted
from mlbench.report.page.sql import frames
from mlbench.report.page.study import Section, Study

SOURCES: dict[str, tuple[str, ...]] = {
    "learning-curves": ("curves", "results", "hyperparameters"),
    "figure-3.2": ("curves", "results", "hyperparameters"),
    "figure-3.3": ("results", "hyperparameters"),
    "figure-3.4": ("times", "results", "hyperparameters"),
    "cross-domain": ("results", "test_episodes", "hyperparameters"),
    "paired": ("results", "test_episodes", "hyperparameters"),
    "episodes": ("results", "test_episodes", "hyperparameters"),
    "scaling": ("results", "times", "hyperparameters"),
}
"""The frames of a :class:`.Material` that each figure is drawn of."""

Drawing = dict[str, Any] | str
"""The specification of a chart, or why there is none."""


def section(study: Study) -> Section:
    """Return the section."""
    drawn: list[Html] = []
    missing: list[Html] = []
    for figure in FIGURES.values():
        for kind, material, drawing in drawings(study, figure):
            name = f"{figure.name} of {kind}" if kind else figure.name
            if isinstance(drawing, str):
                reason = f"{figure.summary}: {drawing}"
                missing.append(joined([tag("dt", name), tag("dd", reason)]))
            else:
                drawn.append(one(study, figure, name, material, drawing))
    parts: list[Html] = [tag("noscript", tag("p", "Charts are drawn by JavaScript, which is off."))]
    parts.extend(drawn)
    if missing:
        parts.extend([tag("h3", "Not drawn"), tag("dl", missing, class_="missing")])
    return Section("figures", "Figures", joined(parts))


def drawings(study: Study, figure: Figure) -> Iterator[tuple[str, Material, Drawing]]:
    """Yield a figure of all runs, or if that is too much for one, of each kind of problem."""
    material = study.material
    drawing, too_much = drawn_of(figure, material)
    if too_much and len(study.by_kind) > 1:
        for kind, part in study.by_kind.items():
            yield kind, part, drawn_of(figure, part)[0]
    else:
        yield "", material, drawing


def drawn_of(figure: Figure, material: Material) -> tuple[Drawing, bool]:
    """Return a figure of some runs, and whether they are more than it can show."""
    try:
        return harmless(figure.draw(material).to_dict()), False
    except (NothingToDrawError, MisuseError) as err:
        return " ".join(str(err).split()), isinstance(err, MisuseError)


def one(study: Study, figure: Figure, name: str, material: Material, spec: dict[str, Any]) -> Html:
    """Return a figure: its specification, which the page's script draws, and its queries."""
    chart = boxed(tag("div", class_="chart", role="img", aria_label=figure.summary))
    caption = tag(
        "figcaption",
        tag("strong", name),
        f": {figure.summary}. Drawn of ",
        sources(study, figure, material),
        "; also by ",
        tag("code", command(figure, material)),
        ".",
    )
    anchor = f"figure-{name.removeprefix('figure-').replace(' ', '-')}"
    return tag("figure", chart, caption, data_spec(painted(spec)), id=anchor, data_chart=True)


def command(figure: Figure, material: Material) -> str:
    """Return what draws a figure of the same runs."""
    where = "" if material.where is None else f" --where {shlex.quote(material.where)}"
    statistic = "" if material.statistic is None else f" --statistic {material.statistic}"
    options = f"{where}{statistic}{material.paths.option}"
    return f"mlbench plot {figure.name} -o {figure.name}.svg{options}"


def sources(study: Study, figure: Figure, material: Material) -> Html:
    """Return the frames that a figure is drawn of, each with its query."""
    queries = frames(material)
    buttons = [
        study.popups.query(name, queries[name], about="Gives one of its frames.", class_="more")
        for name in SOURCES.get(figure.name, tuple(queries))
    ]
    return joined([[", " if place else "", button] for place, button in enumerate(buttons)])


def data_spec(spec: dict[str, Any]) -> Html:
    """Return a specification as data, in which nothing can end the element."""
    text = json.dumps(spec, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return raw("script", text.replace("<", "\\u003c"), type="application/json")
