"""Charts in the colours of their page, so that they are light, dark or printed as it is."""

from __future__ import annotations

from typing import Any

from mlbench.report.figures.theme import BAND, FAINT, FRAME, GRID, INK

COLOURS = {
    INK: "var(--ink)",
    FAINT: "var(--faint)",
    GRID: "var(--line)",
    BAND: "var(--line)",
    FRAME: "var(--line)",
    "black": "var(--ink)",
    "white": "var(--paper)",
}
"""What figures use that means something on white paper alone; colours of techniques stay."""
DATA = frozenset({"data", "datasets", "domain", "sort", "values"})
"""What holds words of the data, of which one may be called as a colour is."""


def painted(spec: dict[str, Any]) -> dict[str, Any]:
    """Return a Vega-Lite specification in the variables of the page's style sheet."""
    found: dict[str, Any] = repaint(spec)
    config = found.setdefault("config", {})
    config["background"] = "transparent"
    for part, colours in (("text", ("color",)), ("header", ("labelColor", "titleColor"))):
        defaults = dict.fromkeys(colours, COLOURS[INK])
        config[part] = defaults | config.get(part, {})
    return found


def repaint(part: Any) -> Any:
    """Return a part of a specification with its colours replaced."""
    match part:
        case str():
            return COLOURS.get(part, part)
        case list():
            return [repaint(each) for each in part]
        case dict():
            return {k: v if k in DATA else repaint(v) for k, v in part.items()}
    return part
