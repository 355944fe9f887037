"""The frame of a page: head, contents, sections, boxes, and the scripts that draw its charts."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files

import polars as pl

from mlbench import __version__
from mlbench.report.page.markup import Html, raw, tag
from mlbench.report.page.study import Section, Study, plural

FOLDER = files(__name__.rpartition(".")[0])
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data: blob:;"
    " script-src 'unsafe-eval' {hashes}; base-uri 'none'; form-action 'none'"
)
"""Nothing is fetched, and no script runs but the page's own. Vega compiles expressions: eval."""


def document(study: Study, title: str, sections: Sequence[Section], troubles: Sequence[str]) -> str:
    """Return the text of a page."""
    charts = any("data-chart" in section.body for section in sections)
    scripts = [*([vega()] if charts else []), resource("page.js")]
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy(scripts)),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("meta", name="generator", content=f"mlbench {__version__}"),
        tag("title", title),
        raw("style", resource("page.css")),
    )
    body = tag(
        "body",
        tag("a", "To the content", href="#content", class_="skip"),
        tag("header", tag("h1", title), subtitle(study)),
        contents(sections),
        tag("main", alarms(study, troubles), [written(each) for each in sections], id="content"),
        tag("footer", tag("p", f"Made by mlbench {__version__}.")),
        tag("aside", study.popups.html(), aria_label="Boxes behind the buttons of this page"),
        [raw("script", script) for script in scripts],
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def subtitle(study: Study) -> Html:
    """Return what the page is about, and as of when."""
    runs = study.material.runs
    newest = runs.select(pl.max_horizontal("started", "finished").max()).item()
    return tag(
        "p",
        f"{plural(len(runs), 'run')} in ",
        tag("code", str(study.material.paths.database)),
        ", the newest of ",
        tag("time", f"{newest:%-d %B %Y, %H:%M}", datetime=f"{newest:%Y-%m-%dT%H:%M:%SZ}"),
        " (UTC)",
    )


def contents(sections: Sequence[Section]) -> Html:
    """Return the table of contents."""
    items = [tag("li", tag("a", each.heading, href=f"#{each.anchor}")) for each in sections]
    return tag("nav", tag("ol", items), aria_label="Contents")


def written(section: Section) -> Html:
    """Return a section."""
    name = f"{section.anchor}-heading"
    heading = tag("h2", section.heading, id=name)
    return tag("section", heading, section.body, id=section.anchor, aria_labelledby=name)


def alarms(study: Study, troubles: Sequence[str]) -> Html | None:
    """Return what must be known before any number is believed."""
    runs = study.material.runs
    found = [f"This page may lack what was recorded last: {trouble}." for trouble in troubles]
    lacking = runs.filter(pl.col("incomplete").is_not_null())
    for lack in lacking["incomplete"].unique().sort():
        count = plural(len(lacking.filter(incomplete=lack)), "run")
        found.append(
            f"Incomplete data in {count}: {lack}. Their numbers are not comparable with"
            " published ones."
        )
    dirty = len(runs.filter(pl.col("git_dirty").fill_null(value=False)))
    if dirty:
        found.append(f"{plural(dirty, 'run')} came of code with changes that no commit has.")
    if not found:
        return None
    items = tag("ul", [tag("li", text) for text in found])
    return tag("div", tag("h2", "Warnings"), items, class_="alarms", role="note")


def policy(scripts: Sequence[str]) -> str:
    """Return what the browser may load and run: these scripts."""
    digests = [b64encode(sha256(script.encode()).digest()).decode() for script in scripts]
    return POLICY.format(hashes=" ".join(f"'sha256-{digest}'" for digest in digests))


def resource(name: str) -> str:
    """Return a file of this package."""
    return FOLDER.joinpath(name).read_text(encoding="utf-8")


@cache
def vega() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script, of the version that figures are for."""
    import altair as alt
    import vl_convert

    version = ".".join(alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2])
    bundle: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", version)
    return bundle.replace("</script", "<\\/script")
