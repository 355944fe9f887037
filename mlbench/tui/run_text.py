"""What the screen of one run says in words and numbers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl
from textual.content import Content

from mlbench.report.palette import look
from mlbench.report.tables.words import stack
from mlbench.store.records import Kind
from mlbench.store.snapshot import RunRow
from mlbench.tui import amounts
from mlbench.tui.histogram import columns
from mlbench.tui.marks import glyph
from mlbench.tui.run_details import RunDetails
from mlbench.tui.runs_columns import data_text
from mlbench.tui.status import STYLES, SYMBOLS

FAINT = "$secondary"
HEIGHT = 3  # lines of a histogram
PARTS = {"algorithm": "technique", "learner": "learner", "protocol": "protocol"}


def titled(title: str, lines: Iterable[Content], note: str = "") -> Content:
    """Return a section: its title, a note on it, and its lines."""
    head = Content.assemble((title, "bold"), (f"  {note}" if note else "", FAINT))
    return Content("\n").join([head, *lines])


def rows(cells: Sequence[tuple[str, str]]) -> list[Content]:
    """Return names and values as two columns."""
    width = max((len(name) for name, _ in cells), default=0)
    return [Content.assemble((f"{name:<{width}}  ", FAINT), value) for name, value in cells]


def table(heading: Sequence[str], body: Sequence[Sequence[str]], left: int = 1) -> list[Content]:
    """Return aligned columns under their headings, all but the first few at the right."""
    lines = [heading, *body]
    widths = [max(len(line[i]) for line in lines) for i in range(len(heading))]
    texts = [
        "  ".join(
            f"{cell:<{width}}" if i < left else f"{cell:>{width}}"
            for i, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]
    return [Content.styled(texts[0], FAINT), *map(Content, texts[1:])]


def head(run: RunRow, now: datetime) -> Content:
    """Return what a run is and how it stands, in two lines; a third says why it ended."""
    ways = "" if run.ways is None else f"{run.ways}-way "
    seen = look(run.algorithm)
    first = Content.assemble(
        (f"{glyph(run.algorithm)} ", seen.colour),
        (seen.label, "bold"),
        f"  {data_text(run)}  {ways}{run.shots}-shot, {run.queries} queries, seed {run.seed}",
        (f"  {run.protocol}, {run.budget}", FAINT),
    )
    done, rest = amounts.bar(run.done, 16)
    parts: list[Any] = [
        (f"{SYMBOLS[run.status]} {run.status}  ", STYLES[run.status]),
        (done, STYLES[run.status]),
        (rest, FAINT),
        f" {amounts.percent(run.done)}  {run.tasks_trained:,} of {run.train_tasks:,} tasks",
    ]
    if run.status == "running":
        if run.tasks_per_second is not None:
            parts.append(f"  {amounts.rate(run.tasks_per_second)} tasks/s")
        if run.seconds_left is not None:
            parts.append(f"  {amounts.duration(run.seconds_left)} left")
        if run.phase is not None:
            parts.append((f"  {run.phase} {run.phase_done:,}/{run.phase_tasks:,}", FAINT))
    else:
        ago = amounts.duration((now - run.started).total_seconds())
        parts.append((f"  begun {ago} ago", FAINT))
    if run.attempts > 1:
        parts.append((f"  attempt {run.attempts}", FAINT))
    lines = [first, Content.assemble(*parts)]
    if run.error:
        style = "$text-error" if run.status == "failed" else "$text-warning"
        lines.append(Content.styled(run.error, style))
    return Content("\n").join(lines)


def results(details: RunDetails, run: RunRow) -> Content:
    """Return how a run did on its tests."""
    title = f"test {amounts.score_name(run.kind)}"
    found = details.results
    if found.is_empty():
        return titled(title, [nothing(run)])
    body = [
        [
            row["eval_dataset"],
            with_interval(row["score"], row["half_width"], run.kind),
            f"{row['episodes']:,}",
            amounts.number(row["loss"]),
        ]
        for row in found.iter_rows(named=True)
    ]
    lines = table(["tested on", "mean ± 95 %", "episodes", "loss"], body)
    for row in found.iter_rows(named=True):
        if row["nan_episodes"]:
            lines.append(warning(f"{row['eval_dataset']}: {row['nan_episodes']} episodes are NaN"))
        if row["incomplete"]:
            lines.append(warning(f"{row['eval_dataset']}: incomplete data, {row['incomplete']}"))
    return titled(title, lines, "mean ± 1.96 standard errors over episodes")


def nothing(run: RunRow) -> Content:
    """Return what stands in the place of test results that are not there."""
    later = run.status in {"running", "interrupted"}
    return Content.styled("(when it has finished)" if later else "(none)", FAINT)


def with_interval(score: float | None, half: float | None, kind: Kind) -> str:
    """Return a score and half of its interval, in the same unit."""
    if score is None:
        return ""
    if kind == "regression":
        return amounts.number(score) + (f" ± {amounts.number(half)}" if half is not None else "")
    return f"{100 * score:.1f}" + (f" ± {100 * half:.1f} %" if half is not None else " %")


def warning(text: str) -> Content:
    """Return a line that warns."""
    return Content.styled(f"! {text}", "$text-warning")


def phases(details: RunDetails) -> Content:
    """Return where the time of a run went."""
    found = details.phases
    if found.is_empty():
        return titled("time by phase", [Content.styled("(when a phase has ended)", FAINT)])
    total = float(found["seconds"].sum())
    body = []
    for phase, dataset, seconds in found.select("phase", "eval_dataset", "seconds").iter_rows():
        name = phase if phase == "train" else f"{phase} on {dataset}"
        share = f"{100 * seconds / total:.0f} %" if total else ""
        body.append([name, amounts.exact_duration(seconds), share])
    body.append(["all", amounts.exact_duration(total), ""])
    return titled("time by phase", table(["", "", ""], body)[1:])


def histograms(details: RunDetails, run: RunRow, width: int) -> Content:
    """Return how the scores of the test episodes are spread, data sets above one another."""
    found = details.histogram
    title = "test episodes"
    if found.is_empty():
        return titled(title, [nothing(run)])
    bins = int(found["bin"].max()) + 1  # type: ignore[arg-type]
    size = bin_width(found)
    least = float(found["low"][0]) - size * int(found["bin"][0])
    wide = max(1, min(3, (width - 2) // bins))
    most = int(found["episodes"].max())  # type: ignore[arg-type]
    lines: list[Content] = []
    for dataset in details.results["eval_dataset"].to_list() or found["eval_dataset"].unique():
        of = found.filter(pl.col("eval_dataset") == dataset)
        counted = dict(of.select("bin", "episodes").iter_rows())
        drawn = columns([counted.get(i, 0) for i in range(bins)], HEIGHT, most=most, width=wide)
        lines += [Content.styled(dataset, FAINT)]
        lines += [Content.styled(line, look(run.algorithm).colour) for line in drawn]
    low = amounts.score(max(0.0, least), run.kind)
    open_ended = found["high"].null_count() > 0
    high = amounts.score(least + size * (bins - 1 if open_ended else bins), run.kind)
    high = f"over {high}" if open_ended else high
    room = max(len(low) + len(high) + 1, bins * wide)
    lines.append(Content.styled(f"{low}{high:>{room - len(low)}}", FAINT))
    note = f"by {amounts.score_name(run.kind)}; the highest column is {most:,} episodes"
    return titled(title, lines, note)


def bin_width(found: pl.DataFrame) -> float:
    """Return how wide the bins of a histogram are."""
    closed = found.filter(pl.col("high").is_not_null())
    frame = closed if len(closed) else found
    return float((frame["high"] - frame["low"])[0] or 0.0)


def worst(details: RunDetails, run: RunRow) -> Content:
    """Return the test episodes that a run did worst on."""
    found = details.worst
    if found.is_empty():
        return Content("")
    body = [
        [
            row["eval_dataset"],
            str(row["episode"]),
            f"{row['episode_key']:016x}",
            amounts.score(row["score"], run.kind),
            amounts.number(row["loss"]),
        ]
        for row in found.iter_rows(named=True)
    ]
    score = "accuracy" if run.kind == "classification" else "MSE"
    lines = table(["data", "episode", "key (hex)", score, "loss"], body)
    return titled("worst episodes", lines, "equal keys, equal episodes")


def hyperparameters(details: RunDetails) -> Content:
    """Return all settings, the technique's own first."""
    cells = [
        (f"{'' if part == 'algorithm' else f'{part}.'}{name}", value_text(value))
        for part, name, value in details.hyperparameters.iter_rows()
    ]
    return titled("settings", rows(cells) or [Content.styled("(not known yet)", FAINT)])


def counted(number: int | None, noun: str) -> str | None:
    """Return a number of things, ``None`` where it is not known."""
    return None if number is None else f"{number:,} {noun}{'' if number == 1 else 's'}"


def listed(*parts: str | None) -> str:
    """Return what is known of several things, in one line."""
    return ", ".join(part for part in parts if part) or "unknown"


def computing(attempt: Mapping[str, Any]) -> list[str | None]:
    """Return on what an attempt was computed, and how."""
    return [
        attempt["device"],
        counted(attempt["threads"], "thread"),
        attempt["engine"],
        "compiled" if attempt["compiled"] else None,
        stack(attempt["stacked"]),
    ]


def value_text(value: str) -> str:
    """Return a value that is kept as JSON as it is typed after ``--set``."""
    found = json.loads(value)
    if isinstance(found, list):
        return "(" + ", ".join(map(str, found)) + ")"
    return str(found).lower() if isinstance(found, bool) else str(found)


def provenance(details: RunDetails, run: RunRow, *, packages: bool) -> Content:
    """Return where a run came from."""
    found = details.provenance
    if found.is_empty():
        return titled("provenance", [Content.styled("(not known yet)", FAINT)])
    *earlier, last = found.iter_rows(named=True)
    commit = last["git_commit"] or "no checkout"
    dirty = " with changes" if last["git_dirty"] else ""
    memory = None if last["memory_bytes"] is None else f"{last['memory_bytes'] / 1e9:.0f} GB"
    cells = [
        ("run", run.run_id),
        ("command", last["command"]),
        ("commit", f"{commit[:12]}{dirty}"),
        ("machine", f"{last['host']}, {last['os']}, process {last['pid']}"),
        ("cpu", listed(last["cpu"], counted(last["cores"], "core"), memory)),
        ("gpu", last["gpu"] or "none"),
        ("device", listed(*computing(last))),
        ("python", last["python"]),
    ]
    for attempt in earlier:
        ended = attempt["status"] or "ended"
        cells.append((f"attempt {attempt['attempt']}", f"{ended} on {attempt['host']}"))
    known = details.data.select("dataset", "fingerprint", "incomplete").unique(maintain_order=True)
    for name, fingerprint, missing in known.iter_rows():
        lacks = f", incomplete: {missing}" if missing else ""
        cells.append(("data", f"{name} {fingerprint}{lacks}"))
    if packages:
        cells += [(name, version) for name, version in details.packages.iter_rows()]
        cells += [(path, sha256[:16]) for path, sha256 in details.plugin_files.iter_rows()]
    note = "" if packages else f"p shows {len(details.packages)} packages and plugin files"
    return titled("provenance", rows(cells), note)
