"""What a chart's Vega-Lite says: its data, titles and encodings, wherever they are."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from mlbench.report.figures import FIGURES, Options
from mlbench.report.material import Material
from mlbench.report.save import spec_of

Spec = dict[str, Any]


@cache
def spec(name: str, material: Material, **options: Any) -> Spec:
    """Return a figure as Vega-Lite; drawn once for each material, and not to be changed."""
    return spec_of(FIGURES[name].draw(material, Options(**options)))


def parts(value: Any) -> Iterator[Spec]:
    """Yield every object of a specification but for the data."""
    if isinstance(value, dict):
        yield value
        for name, each in value.items():
            if name != "datasets":
                yield from parts(each)
    elif isinstance(value, list):
        for each in value:
            yield from parts(each)


def rows(whole: Spec, *having: str) -> list[Spec]:
    """Return the data of all panels, in order: rows with these columns."""
    return [row for data in whole["datasets"].values() for row in data if set(having) <= row.keys()]


def blocks(whole: Spec) -> list[Spec]:
    found: list[Spec] = whole["vconcat"]
    return found


def subtitle(block: Spec) -> str:
    return " ".join(block["title"]["subtitle"])


def panel_titles(whole: Spec) -> list[str]:
    return [
        part["title"]["text"]
        for part in parts(whole)
        if isinstance(part.get("title"), dict) and part["title"].get("frame") == "group"
    ]


def axis_titles(whole: Spec, channel: str) -> set[str]:
    return {
        str(part[channel]["title"])
        for part in parts(whole)
        if isinstance(part.get(channel), dict) and part[channel].get("title")
    }


def scale(whole: Spec, channel: str) -> Spec:
    """Return the first scale of a channel, its values by what they stand for."""
    found = next(
        part[channel]["scale"]
        for part in parts(whole)
        if isinstance(part.get(channel), dict) and "domain" in (part[channel].get("scale") or {})
    )
    return dict(zip(found["domain"], found["range"], strict=True))
