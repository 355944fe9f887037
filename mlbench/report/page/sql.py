"""Queries as a reader can run them: parameters filled in, the condition on runs written out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from mlbench.report.material import Material
from mlbench.store import queries

PARAMETER = re.compile(r"\$(\w+)")


LIST = "(SELECT list(run_id) FROM {runs})"
COUNTED = "(SELECT list(DISTINCT run_id) FROM results WHERE run_id IN (SELECT run_id FROM {runs}))"
AMONG = "SELECT * FROM ({text})\nWHERE run_id IN (SELECT run_id FROM {runs})"


class Expression(str):
    """SQL that stands for a value."""

    __slots__ = ()


def filled(text: str, **parameters: Expression | str | int | Sequence[str]) -> str:
    """Return a query with its parameters as literals."""
    return PARAMETER.sub(lambda match: literal(parameters[match[1]]), text)


def literal(value: Expression | str | int | Sequence[str] | None) -> str:
    """Return a value as SQL has it."""
    match value:
        case None:
            return "NULL"
        case Expression() | int():
            return str(value)
        case str():
            return "'" + value.replace("'", "''") + "'"
    items = ", ".join(map(literal, value))
    return f"[{items}]" if items else "[]::VARCHAR[]"


def matching(**values: str | int | None) -> str:
    """Return a condition that columns have these values, missing ones included."""
    parts = [
        f"{name} IS NULL" if value is None else f"{name} = {literal(value)}"
        for name, value in values.items()
    ]
    return " AND ".join(parts)


def listed(run_ids: Iterable[str]) -> str:
    """Return runs as what follows ``IN``, in order."""
    return f"({', '.join(map(literal, sorted(set(run_ids))))})"


def chosen(material: Material) -> Expression:
    """Return the list of the runs that a page is about."""
    return Expression(LIST.format(runs=runs_of(material)))


def counted(material: Material) -> Expression | list[str]:
    """Return the list of the runs that count; by name where some of them do not."""
    runs = material.counted_runs
    if len(runs) < material.results["run_id"].n_unique():
        return runs
    return Expression(COUNTED.format(runs=runs_of(material)))


def runs_of(material: Material) -> str:
    """Return what follows ``FROM`` for the runs that a page is about."""
    return "runs" if material.where is None else f"(FROM runs WHERE {bracketed(material.where)})"


def bracketed(condition: str) -> str:
    """Return a condition in brackets, which a comment at its end leaves open."""
    return f"({condition}\n)" if "--" in condition else f"({condition})"


def among_chosen(material: Material, text: str) -> str:
    """Return a query over all runs, narrowed to those that a page is about."""
    if material.where is None:
        return text
    return AMONG.format(text=text, runs=runs_of(material))


def frames(material: Material) -> dict[str, str]:
    """Return the query of every frame of a material, by the name that it has there."""
    return {
        "runs": among_chosen(material, queries.RUNS),
        "results": among_chosen(material, queries.RESULTS),
        "hyperparameters": among_chosen(material, queries.HYPERPARAMETERS),
        "curves": filled(queries.CURVES, runs=chosen(material)),
        "times": filled(queries.TIMES, runs=counted(material)),
        "test_episodes": filled(queries.TEST_EPISODES, runs=counted(material)),
    }
