"""What the form that starts a run offers: plugins, protocols, budgets, and numbers to fill in."""

from __future__ import annotations

from mlbench.plugins import Kind
from mlbench.registry import find_plugins
from mlbench.tui.form import Numbers, Values
from mlbench.tui.form_rows import TextRow

PREFERRED = {"algorithm": "turtle", "train": "shapes"}
PROTOCOLS = (
    ("corrected  follows the paper's text", "corrected"),
    ("released  what the authors' code does", "released"),
)
BUDGETS = (
    ("smoke  a moment, to see that it works; no result", "smoke"),
    ("quick  minutes, to see whether it learns; no result", "quick"),
    ("paper  the paper's; hours", "paper"),
)
LABELS = {
    "ways": "Ways",
    "shots": "Shots",
    "queries": "Queries",
    "seeds": "Seeds",
    "train_tasks": "Training tasks",
    "validation_tasks": "Validation tasks",
    "validate_every": "Validate every",
    "test_tasks": "Test tasks",
    "threads": "Threads",
}
OF_TASK = ("ways", "shots", "queries", "seeds")


def number_row(name: str, preset: Values) -> TextRow:
    """Return the row of one number."""
    help_ = {each.name: each.help for each in Numbers.describe()}[name]
    return TextRow(name, LABELS[name], help_, preset.numbers.get(name, ""))


def offered(kind: Kind) -> list[tuple[str, str]]:
    """Return the plugins of a kind, with a line on each; nothing is imported."""
    plugins = find_plugins(kind)
    width = max(map(len, plugins), default=0)
    return [
        (f"{name:<{width}}  {plugin.fault or plugin.summary}", name)
        for name, plugin in plugins.items()
    ]


def first(kind: Kind, preferred: str) -> str:
    """Return a plugin's name to begin with."""
    names = find_plugins(kind)
    return preferred if preferred in names else next(iter(names), preferred)
