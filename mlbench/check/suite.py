"""The suite over one plugin: a finding per check."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from mlbench.check.algorithm import ALGORITHM_CHECKS
from mlbench.check.dataset import DATASET_CHECKS
from mlbench.check.drawing import Data
from mlbench.check.finding import Check, Finding, Judgement, Verdict
from mlbench.check.problems import CPU, Technique
from mlbench.contract import Algorithm, Dataset
from mlbench.errors import PluginError
from mlbench.plugins import Kind
from mlbench.registry import Plugin, load_plugin, plugin_hashes

LOADS = "can be imported, and defines one class of its name"


def examine(plugin: Plugin) -> Iterator[Finding]:
    """Yield what each check finds, one after the other: the whole takes seconds."""
    try:
        cls = load_plugin(plugin)
    except PluginError as error:
        *reason, remedy = str(error).split("; ")
        yield Finding(
            plugin=plugin.name,
            kind=plugin.kind,
            check="loads",
            promise=LOADS,
            verdict="failed",
            reason="; ".join(reason),
            remedy=remedy,
        )
        return
    yield Finding(
        plugin=plugin.name, kind=plugin.kind, check="loads", promise=LOADS, verdict="passed"
    )
    CPU.apply()
    subjects = subjects_of(cls)
    found: dict[str, Verdict] = {}
    for check in checks_of(plugin.kind):
        missing = [name for name in check.needs if found.get(name) == "failed"]
        if missing:
            judgement = Judgement("skipped", f"'{missing[0]}' failed, and goes first")
        else:
            judgement = judge(check, subjects)
        found[check.name] = judgement.verdict
        yield Finding(
            plugin=plugin.name,
            kind=plugin.kind,
            check=check.name,
            promise=check.promise,
            **vars(judgement),
        )


def checks_of(kind: Kind) -> tuple[Check[Any], ...]:
    """Return the checks that a kind of plugin undergoes."""
    return ALGORITHM_CHECKS if kind == "algorithms" else DATASET_CHECKS


def subjects_of(cls: type[Algorithm] | type[Dataset]) -> list[Technique] | list[Data]:
    """Return what is checked of a plugin: a technique on every kind of problem that it is for."""
    if issubclass(cls, Dataset):
        return [Data(cls)]
    return [Technique(cls, kind) for kind in cls.kinds]


def judge(check: Check[Any], subjects: Sequence[Technique] | Sequence[Data]) -> Judgement:
    """Return what a check finds on all subjects, leaving the global generator as it is."""
    with torch.random.fork_rng(devices=[]):
        judgements = {
            str(subject): check.judge(subject, plugin_hashes(subject.cls)) for subject in subjects
        }
    return merged(judgements)


def merged(judgements: dict[str, Judgement]) -> Judgement:
    """Return one verdict of several: the worst; skipped only where none is due."""
    verdicts: tuple[Verdict, ...] = ("failed", "passed", "skipped")
    worst = min((each.verdict for each in judgements.values()), key=verdicts.index)
    bad = {where: each for where, each in judgements.items() if each.verdict == worst}
    reasons = {each.reason for each in bad.values()}
    first = next(iter(bad.values()))
    if worst == "passed" or (len(reasons) == 1 and len(bad) == len(judgements)):
        return first
    text = "; ".join(f"on {where}, {each.reason}" for where, each in bad.items())
    return Judgement(worst, text, first.remedy)
