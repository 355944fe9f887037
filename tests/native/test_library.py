"""Where machine code is made, where it is not, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mlbench import native
from mlbench.errors import CompilationError
from mlbench.native.library import build
from mlbench.run.device import Execution
from mlbench.run.machine import engine_name
from mlbench.run.setup import Request, prepare
from mlbench.run.together import with_native_rules

CPU = Execution(device="cpu", threads=1, engine="auto")
SMOKE = Request(algorithm="turtle", train="sine", budget="smoke")
LONG = replace(SMOKE, train_tasks=70_000)


@pytest.fixture
def afresh() -> Iterator[None]:
    build.cache_clear()
    yield
    build.cache_clear()


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, afresh: None) -> Path:
    """Return a script that stands for the compiler, to be written."""
    script = tmp_path / "c++"
    monkeypatch.setenv("CXX", f"{script} --and an option")
    return script


def write(script: Path, text: str) -> None:
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)


def test_without_a_compiler_torch_computes_and_that_is_told(compiler: Path) -> None:
    execution, remark = with_native_rules(prepare(LONG), CPU, 1)
    assert not execution.native
    assert str(remark).startswith("Slower than it could be: the C++ compiler")
    assert "install one" in str(remark)
    with pytest.raises(CompilationError, match="is not here; install one"):
        with_native_rules(prepare(LONG), replace(CPU, compile="on"), 1)


def test_a_compiler_that_fails_is_quoted(compiler: Path) -> None:
    write(compiler, "echo 'networks.cpp:1: fatal error: no such thing' >&2; exit 3")
    with pytest.raises(
        CompilationError, match=r"networks\.cpp:1: fatal error: no such thing; mend"
    ):
        native.use(wanted=True)
    assert not native.in_use()


def test_what_is_no_library_is_not_taken_for_one(compiler: Path) -> None:
    write(compiler, 'while [ "$1" != -o ]; do shift; done; echo nothing > "$2"')
    with pytest.raises(CompilationError, match=r"networks\.cpp could not be compiled"):
        native.use(wanted=True)


def test_the_compiler_is_called_once_with_its_options(compiler: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    write(compiler, f'echo "$@" >> {log}; shift 3; exec g++ "$@"')
    native.use(wanted=True)
    native.use(wanted=False)
    native.use(wanted=True)
    native.use(wanted=False)
    (line,) = log.read_text().splitlines()
    assert line.startswith("--and an option ")
    made = Path(line.split()[-1])
    assert not made.exists()  # what is loaded is in nobody else's reach


@pytest.mark.parametrize(
    ("request_", "execution", "runs", "expected"),
    [
        (LONG, CPU, 1, True),
        (SMOKE, CPU, 1, False),
        (SMOKE, CPU, 500_000, True),
        (SMOKE, replace(CPU, compile="on"), 1, True),
        (LONG, replace(CPU, compile="off"), 1, False),
        (replace(LONG, algorithm="maml"), CPU, 1, False),
        (replace(LONG, algorithm="maml"), replace(CPU, compile="on"), 1, False),
        (replace(LONG, algorithm="finetuning", train="shapes"), CPU, 1, False),
    ],
)
def test_it_is_made_where_a_rule_has_such_a_network_and_it_pays(
    request_: Request, execution: Execution, runs: int, expected: bool
) -> None:
    experiment = prepare(request_)
    found, remark = with_native_rules(experiment, execution, runs)
    assert (found.native, remark) == (expected, None)
    name = engine_name(experiment, found, program=False)
    assert name.endswith(", native") == expected


def test_a_run_sets_the_process_up() -> None:
    before = torch.get_num_threads()
    try:
        replace(CPU, native=True).apply()
        assert native.in_use()
        CPU.apply()
        assert not native.in_use()
    finally:
        torch.set_num_threads(before)
