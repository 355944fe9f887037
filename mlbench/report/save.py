"""Charts as files: self-contained HTML, SVG, PNG, PDF, or their Vega-Lite text."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from mlbench.errors import MisuseError
from mlbench.report.figures.harmless import harmless
from mlbench.report.file import write

SCALE = 2  # px of a PNG per px of the chart: sharp on dense screens and in print
VERSION = ".".join(alt.SCHEMA_VERSION.split(".")[:2])  # vl-convert knows v6.4, not v6.4.1
EMBED = {
    "renderer": "svg",
    "actions": {"export": True, "source": False, "compiled": False, "editor": False},
}
"""How a page shows a chart: its menu saves pictures, and offers nothing that needs a network."""

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval';"
    " img-src data: blob:; base-uri 'none'; form-action 'none'"
)
"""Nothing is fetched. Vega compiles expressions: eval."""
EXPORT = "window.vegaEmbed = vegaEmbed;"
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>body {{ margin: 0; background: white; }} #figure {{ padding: 4px 40px 4px 4px; }}</style>
<script>{libraries}</script>
</head>
<body>
<div id="figure"></div>
<script>
vegaEmbed("#figure", {spec}, {options}).catch((error) => {{
  document.getElementById("figure").textContent = String(error);
}});
</script>
</body>
</html>
"""


def save(chart: alt.TopLevelMixin, path: Path) -> None:
    """Write a chart in the form that its file's suffix names.

    Whoever reads the file meanwhile sees the old one or the new one, never half of one.

    Raises:
        MisuseError: No form has that suffix.
        MlbenchError: Nothing can be written there.
    """
    write(path, form_of(path)(spec_of(chart)))


def form_of(path: Path) -> Callable[[dict[str, Any]], bytes]:
    """Return what makes the content of a file of this name.

    Raises:
        MisuseError: No form has its suffix.
    """
    suffix = path.suffix.lower()
    if suffix not in FORMS:
        had = f"{suffix!r} of {path.name}" if suffix else f"no suffix in {path.name}"
        raise MisuseError(f"{had} names no form of figure; there are {', '.join(FORMS)}")
    return FORMS[suffix]


def spec_of(chart: alt.TopLevelMixin) -> dict[str, Any]:
    """Return a chart in Vega-Lite, whatever theme is set in this process and whatever its names."""
    with alt.theme.enable("none"):
        spec: dict[str, Any] = harmless(chart.to_dict())
    return spec


def as_html(spec: dict[str, Any]) -> bytes:
    """Return a page that needs no network: the libraries that draw it are within."""
    return PAGE.format(
        policy=POLICY,
        title=html.escape(title_of(spec)),
        libraries=vl_convert.javascript_bundle(EXPORT, vl_version=VERSION),
        spec=script_safe(spec),
        options=json.dumps(EMBED),
    ).encode()


def script_safe(value: Any) -> str:
    """Return JSON that cannot end the script that it stands in."""
    return json.dumps(value, ensure_ascii=False).replace("</", "<\\/").replace("<!--", "<\\!--")


def title_of(spec: dict[str, Any]) -> str:
    """Return the title of a chart, or of the first part of it that has one."""
    title = spec.get("title")
    if isinstance(title, dict):
        title = title.get("text")
    if title:
        return str(title)
    parts = spec.get("vconcat", spec.get("concat", spec.get("hconcat", ())))
    return next((title_of(part) for part in parts), "mlbench")


def as_json(spec: dict[str, Any]) -> bytes:
    """Return the Vega-Lite itself."""
    return (json.dumps(spec, indent=2, ensure_ascii=False) + "\n").encode()


def as_png(spec: dict[str, Any]) -> bytes:
    """Return a picture of pixels."""
    return bytes(vl_convert.vegalite_to_png(spec, vl_version=VERSION, scale=SCALE))


def as_svg(spec: dict[str, Any]) -> bytes:
    """Return a drawing for the web or an editor."""
    return str(vl_convert.vegalite_to_svg(spec, vl_version=VERSION)).encode()


def as_pdf(spec: dict[str, Any]) -> bytes:
    """Return a drawing for LaTeX, its text as text."""
    return bytes(vl_convert.vegalite_to_pdf(spec, vl_version=VERSION))


FORMS: dict[str, Callable[[dict[str, Any]], bytes]] = {
    ".html": as_html,
    ".svg": as_svg,
    ".png": as_png,
    ".pdf": as_pdf,
    ".json": as_json,
}
"""By suffix, what turns a specification into the content of a file."""
