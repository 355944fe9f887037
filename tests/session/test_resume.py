"""What a run goes on with is what it began on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlbench.engines.branched import Branched
from mlbench.engines.captured import Captured
from mlbench.engines.loop import Loop
from mlbench.engines.stacked import Mixed
from mlbench.errors import MisuseError
from mlbench.run.device import Execution
from mlbench.session.resume import execution_of, resume
from tests.session.test_stacked import Watcher, launched, seeds, stop, store

ORIGIN: dict[str, Any] = {
    "device": "cpu",
    "threads": 2,
    "engine": "mixed",
    "stacked": 1,
    "compiled": False,
    "tf32": None,
    "deterministic": None,
}
GPU = {"device": "cuda", "tf32": False, "deterministic": False}


@pytest.mark.parametrize(
    ("origin", "engine", "again"),
    [
        ({}, "mixed", "off"),
        ({"engine": None}, "auto", "off"),
        ({"engine": "stacked"}, "stacked", "off"),  # by itself, with meta-batches
        ({"engine": "stacked", "compiled": True}, "stacked", "on"),
        ({"engine": "stacked", "stacked": 30}, "auto", "off"),
        ({"engine": "stacked", "stacked": 30, "compiled": True}, "auto", "auto"),
        ({"engine": Branched.name, **GPU}, "auto", "off"),
        ({"engine": Captured(Branched()).name, **GPU}, "auto", "auto"),
        ({"engine": Captured(Mixed()).name, **GPU}, "mixed", "auto"),
        ({"engine": Captured(Loop()).name, **GPU}, "loop", "auto"),
        ({"engine": "stacked", "stacked": 30, **GPU}, "auto", "auto"),
    ],
)
def test_a_run_goes_on_with_the_engine_that_it_began_with(
    origin: Any, engine: Any, again: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlbench.run.device.check_device", lambda _: None)
    origin = ORIGIN | origin
    expected = Execution(device=origin["device"], threads=2, engine=engine, compile=again)
    assert execution_of("regression", origin, None, None) == expected


def test_a_run_goes_on_with_the_arithmetic_that_it_began_with(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("mlbench.run.device.check_device", lambda _: None)
    origin: Any = ORIGIN | GPU | {"tf32": True, "deterministic": True}
    found = execution_of("regression", origin, None, 3)
    assert (found.tf32, found.deterministic, found.threads) == (True, True, 3)
    elsewhere = execution_of("regression", origin, "cpu", None)
    assert elsewhere == Execution(device="cpu", threads=2, engine="auto")


@pytest.mark.slow
def test_a_compiled_run_does_not_go_on_without_a_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = store(tmp_path)
    (stopped,) = launched(paths, seeds(1), watcher=Watcher(3, stop))
    assert stopped.exit_code == 143
    origin: Any = ORIGIN | {"engine": "stacked", "compiled": True}

    def of_compiled(kind: Any, _: object, *where: Any) -> Execution:
        return execution_of(kind, origin, *where)

    monkeypatch.setattr("mlbench.session.resume.execution_of", of_compiled)
    monkeypatch.setenv("CXX", "no-such-compiler -O3")
    with pytest.raises(MisuseError, match=r"no-such-compiler is not here; .* say --device cpu"):
        resume(paths, stopped.run_id, Watcher(), print)
    again = resume(paths, stopped.run_id, Watcher(), print, device="cpu")
    assert again.outcome is not None
