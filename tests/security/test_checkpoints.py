"""A checkpoint from elsewhere runs no code, and goes on with no run that it does not fit."""

from __future__ import annotations

import copy
import io
import pickle
import zipfile
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbench.errors import CheckpointError
from mlbench.run import checkpoint
from mlbench.run.device import Execution
from mlbench.run.loop import Run
from mlbench.run.progress import Progress, progress_of
from mlbench.run.setup import Experiment, Request, prepare
from mlbench.run.stack import Stack

pytestmark = pytest.mark.slow

CPU = Execution(device="cpu", threads=1, engine="auto")
SINE = Request(
    algorithm="maml",
    train="sine",
    queries=6,
    train_tasks=4,
    validation_tasks=2,
    validate_every=2,
    test_tasks=2,
    settings={"train_steps": "1", "test_steps": "1", "meta_batch": "2", "learner.hidden": "4"},
)
HUGE = torch.zeros(1).expand(10**12)  # a few bytes in a file, four terabytes in memory


def saved(content: Any) -> bytes:
    target = io.BytesIO()
    torch.save(content, target)
    return target.getvalue()


def packed(code: bytes) -> bytes:
    """Return what torch takes for a checkpoint, with a pickle of one's own."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as file:
        for name, content in (("data.pkl", code), ("version", b"3"), ("byteorder", b"little")):
            file.writestr(f"archive/{name}", content)
    return target.getvalue()


def longer(content: bytes) -> bytes:
    """Return a checkpoint whose tensor of 5 numbers says that it has 2 ** 33."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            text = old.read(name)
            new.writestr(name, text.replace(b"K\x05", b"\x8a\x05\x00\x00\x00\x00\x02"))
    return target.getvalue()


BODIES = {
    "nothing": b"",
    "text": b"hello",
    "half a zip file": b"PK\x03\x04junk",
    "an empty pickle": packed(b""),
    "a pickle cut short": packed(b"\x80\x02}q\x00"),
    "a pickle of junk": packed(b"junk"),
    "a memory that is empty": packed(b"\x80\x02h\x05."),
    "a stack that is empty": packed(b"\x80\x020."),
    "many lists in each other": packed(b"\x80\x02" + b"]" * 100_000 + b"a" * 99_999 + b"."),
    "a pickle alone": pickle.dumps({"spec_hash": "hash", "state": {}}),
    "os.system": packed(b"\x80\x02cos\nsystem\nX\x05\x00\x00\x00false\x85R."),
    "eval": packed(b"\x80\x02cbuiltins\neval\nX\x06\x00\x00\x00exit()\x85R."),
    "getattr": packed(b"\x80\x02cbuiltins\ngetattr\nctorch\nhub\nX\x04\x00\x00\x00load\x86R."),
    "four petabytes": packed(b"\x80\x02cbuiltins\nbytearray\n\x8a\x07\0\0\0\0\0\0\x10\x85R."),
    "a tensor of a length that it has not": longer(
        saved({"spec_hash": "hash", "state": {"x": torch.arange(5.0)}})
    ),
    "a list": saved([1, 2]),
    "none": saved(None),
    "a tensor": saved(torch.ones(2)),
    "no hash": saved({"state": {}}),
    "no state": saved({"spec_hash": "hash"}),
    "a hash that is none": saved({"spec_hash": torch.ones(3), "state": {}}),
    "a state that is none": saved({"spec_hash": "hash", "state": [1]}),
}  # fmt: skip


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_file_with_the_right_hash_and_anything_in_it_is_refused(
    body: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "run.ckpt"
    path.write_bytes(checkpoint.MAGIC + sha256(body).hexdigest().encode() + b"\n" + body)
    with pytest.raises(CheckpointError, match="something other than a state; delete it") as caught:
        checkpoint.load(path, "hash")
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return prepare(SINE)


@pytest.fixture(scope="module")
def state(experiment: Experiment) -> dict[str, Any]:
    """Return the state of a run in the middle of its training."""
    run = Run(experiment, CPU)
    list(islice(run.events(), 3))
    return run.state()


def replaced(state: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    """Return a state with another value at a place such as ``meta.theta``."""
    state = copy.deepcopy(state)
    *parents, last = place.split(".")
    part: Any = state
    for parent in parents:
        part = part[parent]
    if value is ...:
        del part[last]
    else:
        part[last] = value
    return state


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("meta", ...),
        ("meta", []),
        ("meta.theta", ...),
        ("meta.theta", "θ"),
        ("meta.theta", torch.zeros(3)),
        ("meta.theta", torch.zeros(3, dtype=torch.int64)),
        ("meta.theta", torch.eye(3).to_sparse()),
        ("meta.theta", HUGE),
        ("meta.another", torch.zeros(1)),
        ("best", ...),
        ("best.theta", HUGE),
        ("best", {"theta": None}),
        ("optimiser", ...),
        ("optimiser", {}),
        ("optimiser.param_groups", []),
        ("optimiser.param_groups", [{"params": "x"}]),
        ("generator", ...),
        ("generator", HUGE),
        ("generator", torch.zeros(3, dtype=torch.uint8)),
        ("progress", ...),
        ("progress", []),
        ("progress.mood", "good"),
        ("progress.step", -1),
        ("progress.position", 2**70),
        ("progress.tasks", HUGE),
        ("progress.phase", "rest"),
        ("progress.losses", "all"),
        ("progress.scores", [None]),
        ("progress.seconds", {"train sine": "long"}),
        ("progress.ended", [1]),
        ("progress.tested", {"sine": ([], [])}),
        ("progress.tested", {"sine": ([1.0], [])}),
        ("progress.diverged", 3),
        ("progress.best_score", "best"),
    ],
)
def test_a_state_that_does_not_fit_its_run_is_refused_in_one_line(
    experiment: Experiment, state: dict[str, Any], place: str, value: Any
) -> None:
    bad = replaced(state, place, value)
    with pytest.raises(CheckpointError, match="delete it") as caught:
        Run(experiment, CPU, bad)
    assert "\n" not in str(caught.value)
    if not place.startswith("generator"):  # of a stack nothing is left to chance
        with pytest.raises(CheckpointError, match="delete it"):
            Stack([experiment], CPU, [bad], compiled=False)


def test_the_state_that_these_are_made_of_fits(
    experiment: Experiment, state: dict[str, Any]
) -> None:
    assert Run(experiment, CPU, state).progress.tasks == 2
    assert Stack([experiment], CPU, [state], compiled=False).courses[0].progress.tasks == 2


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


@settings(max_examples=100)
@given(field=st.sampled_from(sorted(vars(Progress()))), value=PLAIN)
def test_any_progress_is_a_progress_or_refused(field: str, value: Any) -> None:
    try:
        found = progress_of({"progress": {field: value}})
    except CheckpointError:
        return
    assert type(getattr(found, field)) in {*map(type, vars(Progress()).values()), float, str}
