"""Pickles that are programs: nothing of them runs, whatever they ask for is named and refused."""

from __future__ import annotations

import copyreg
import pickle
import struct
import sys
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlbench.errors import DataError
from mlbench.images.unpickle import unpickle

Read = Callable[[bytes], Any]
MARKER = "was-run"
COMMAND = f"touch {MARKER}"
OPEN = f"open('{MARKER}', 'w').close()"
STATEMENT = f"__import__('pathlib').Path('{MARKER}').touch()"


class Calls:
    """Pickles as the call of something."""

    def __init__(self, what: Callable[..., Any], *arguments: Any) -> None:
        self.call = what, arguments

    def __reduce__(self) -> Any:
        return self.call


def text(words: str) -> bytes:
    return b"X" + struct.pack("<I", len(words)) + words.encode()


def short(words: str) -> bytes:
    return b"\x8c" + bytes([len(words)]) + words.encode()


EVAL = b"cbuiltins\neval\n"
REAL = {
    "GLOBAL": (b"\x80\x02cos\nsystem\n" + text(COMMAND) + b"\x85R.", "os.system"),
    "STACK_GLOBAL": (
        b"\x80\x04" + short("os") + short("system") + b"\x93" + short(COMMAND) + b"\x85R.",
        "os.system",
    ),
    "INST": (b"(S'" + COMMAND.encode() + b"'\nios\nsystem\n.", "the operation INST of os system"),
    "OBJ": (b"(cos\nsystem\nS'" + COMMAND.encode() + b"'\no.", "os.system"),
    "eval": (b"\x80\x02" + EVAL + text(OPEN) + b"\x85R.", "builtins.eval"),
    "exec": (b"\x80\x02c__builtin__\nexec\n" + text(OPEN) + b"\x85R.", "__builtin__.exec"),
    "eval by getattr": (
        b"\x80\x02cbuiltins\ngetattr\n"
        + EVAL
        + text("__call__")
        + b"\x86R"
        + text(OPEN)
        + b"\x85R.",
        "builtins.getattr",
    ),
    "a name with dots": (
        b"\x80\x04" + short("shutil") + short("os.system") + b"\x93" + short(COMMAND) + b"\x85R.",
        "shutil.os.system",
    ),
    "after data": (pickle.dumps({"image_data": [Calls(eval, OPEN)]}), "builtins.eval"),
    "in a key": (pickle.dumps({(Calls(eval, f"{OPEN} or 3"),): 1}), "builtins.eval"),
    "in the elements of an array": (
        pickle.dumps(np.array([Calls(eval, OPEN)], dtype=object), 2),
        "elements of type O8",
    ),
    "in the shape of an array": (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\n"
        + (EVAL + text(f"{OPEN} or (0,)") + b"\x85R" + text("b") + b"\x87R."),
        "builtins.eval",
    ),
    "on a stack for nothing": (
        b"\x80\x02" + EVAL + text(OPEN) + b"\x85R0}.",
        "builtins.eval",
    ),
}
if sys.platform != "win32":
    REAL["os.system, dumped"] = (pickle.dumps(Calls(__import__("os").system, COMMAND)), "system")


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Return a function that writes a pickle's bytes into a file, and reads that."""
    monkeypatch.chdir(tmp_path)

    def write_and_read(content: bytes) -> Any:
        path = tmp_path / "data.pkl"
        path.write_bytes(content)
        return unpickle(path)

    return write_and_read


def refusal(read: Read, content: bytes) -> str:
    with pytest.raises(DataError) as caught:
        read(content)
    assert not Path(MARKER).exists()
    return str(caught.value)


def assert_refused(read: Read, content: bytes, what: str) -> None:
    message = refusal(read, content)
    assert (
        f"data.pkl asks for {what}, which a data set has no use for; nothing of it was" in message
    )
    assert "\n" not in message


@pytest.mark.parametrize(("content", "what"), REAL.values(), ids=REAL.keys())
def test_what_python_would_run_is_refused_by_name(content: bytes, what: str, read: Read) -> None:
    message = refusal(read, content)
    assert "asks for" in message
    assert f"{what}, which a data set has no use for; nothing of it was run:" in message
    pickle.loads(content, encoding="latin1")
    assert Path(MARKER).exists(), "this pickle is harmless, so that refusing it shows nothing"


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (b"\x80\x02cnumpy\nndarray\n)R.", "a call of numpy.ndarray"),
        (b"\x80\x02cnumpy\nload\n" + text("x.npy") + b"\x85R.", "numpy.load"),
        (b"\x80\x02cnumpy\nfromfile\n" + text("x") + b"\x85R.", "numpy.fromfile"),
        (b"\x80\x02cnumpy.core.multiarray\nfromfile\n.", "numpy.core.multiarray.fromfile"),
        (b"\x80\x02c_codecs\ndecode\n.", "_codecs.decode"),
        (b"\x80\x02cmlbench.images.unpickle\nunpickle\n.", "mlbench.images.unpickle.unpickle"),
        (b"\x80\x02c__builtin__\nobject\n)\x81}b.", "__builtin__.object"),
        (b"\x80\x02cnumpy\ndtype\n" + text("u1") + b"\x85\x81.", "the operation NEWOBJ"),
        (b"\x80\x04cnumpy\ndtype\n" + text("u1") + b"\x85}\x92.", "the operation NEWOBJ_EX"),
        (b"\x80\x02(cnumpy\ndtype\n" + text("u1") + b"o.", "the operation OBJ"),
        (b"\x80\x02}}b.", "a state for dict"),
        (b"\x80\x02K\x01}b.", "a state for int"),
        (b"\x80\x02cnumpy\ndtype\n}b.", "a state for Name"),
        (b"\x80\x02K\x01)R.", "a call of a value of type int"),
        (b"\x80\x02" + text("os.system") + b")R.", "a call of a value of type str"),
        (b"Pa name\n.", "the operation PERSID of a name"),
        (b"\x80\x02" + text("a name") + b"Q.", "the operation BINPERSID"),
        (b"\x80\x05\x97.", "the operation NEXT_BUFFER"),
        (b"\x80\x02}(" + b")" + b"K\x01u.", "a key of type tuple"),
    ],
)
def test_what_data_have_no_use_for_is_refused_by_name(
    content: bytes, what: str, read: Read
) -> None:
    assert_refused(read, content, what)


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (OrderedDict(a=1), "collections.OrderedDict"),
        ({1, 2}, "the operation EMPTY_SET"),
        (frozenset({1}), "the operation FROZENSET"),
        (Path("a"), "pathlib"),
        (np.array(["a"]), "elements of type U1"),
        (np.array([1 + 2j]), "elements of type c16"),
        (np.zeros(2, [("a", "u1")]), "elements of type V1"),
        (np.datetime64("2000-01-01"), "elements of type M8"),
        (Calls(np.dtype, "(2,3)u1"), "elements of type (2,3)u1"),
        (Calls(np.dtype, "u1,u1"), "elements of type u1,u1"),
        (3 + 1j, "builtins.complex"),
        (len, "builtins.len"),
    ],
)
def test_what_is_no_plain_data_is_refused_by_name(value: Any, what: str, read: Read) -> None:
    assert f"asks for {what}" in refusal(read, pickle.dumps(value, 4))


@pytest.mark.parametrize("codec", ["zip", "utf-8", "unicode_escape", "idna"])
def test_bytes_are_encoded_in_no_other_way_than_python_does(codec: str, read: Read) -> None:
    content = b"\x80\x02c_codecs\nencode\n" + text("a") + text(codec) + b"\x86R."
    assert_refused(read, content, f"the encoding {codec}")


def test_extension_codes_are_refused_even_where_they_are_known(read: Read) -> None:
    copyreg.add_extension("builtins", "eval", 77)
    try:
        content = b"\x80\x02\x82\x4d" + text(OPEN) + b"\x85R."
        assert_refused(read, content, "the operation EXT1")
        pickle.loads(content)
        assert Path(MARKER).exists()
    finally:
        copyreg.remove_extension("builtins", "eval", 77)


def test_an_array_of_a_class_of_its_own_is_an_array(read: Read) -> None:
    """What it is to be an instance of is passed over, so it is nothing that can be set up."""
    array = np.arange(6, dtype=np.uint8)
    content = pickle.dumps(array, 2).replace(b"cnumpy\nndarray\n", b"cnumpy\ndtype\n")
    assert np.asarray(read(content)).tolist() == array.tolist()


def laughs(joined: bytes, levels: int = 60) -> bytes:
    """Return operations whose value has ten to the power of ``levels`` parts, one in memory."""
    level = b"(" + b"h\x00" * 10 + joined + b"q\x00"
    return b")q\x00" + level * levels


@pytest.mark.parametrize("joined", [b"t", b"l"], ids=["tuples", "lists"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b"."),
        (b"", b")R."),
        (b"", b"b."),
        (b"}", b"K\x01s."),
        (b"", b"\x8c\x01a\x93."),
        (b"\x8c\x01a", b"\x93."),
        (b"cnumpy\ndtype\n", b"\x85R."),
        (b"c_codecs\nencode\n", b"\x8c\x06latin1\x86R."),
        (b"c_codecs\nencode\n\x8c\x01a", b"\x86R."),
        (b"cnumpy.core.multiarray\n_reconstruct\n)R(K\x01", b"NNNtb."),
        (b"cnumpy.core.multiarray\nscalar\ncnumpy\ndtype\n\x8c\x02u1\x85R", b"\x86R."),
        (b"cnumpy.core.numeric\n_frombuffer\n", b"R."),
    ],
)
def test_a_pickle_of_laughs_ends_at_once(
    joined: bytes, before: bytes, after: bytes, read: Read
) -> None:
    began = time.perf_counter()
    message = ""
    try:
        read(b"\x80\x04" + before + laughs(joined) + after)
    except DataError as err:
        message = str(err)
    assert time.perf_counter() - began < 5
    assert len(message) < 1_000


def test_a_deeply_nested_pickle_is_read(read: Read) -> None:
    value = read(b"\x80\x02" + b"]" * 30_000 + b"a" * 29_999 + b".")
    depth = 1
    while value:
        (value,) = value
        depth += 1
    assert depth == 30_000


def test_what_a_message_repeats_is_short_and_can_be_printed(read: Read) -> None:
    message = refusal(read, b"\x80\x02cos\x1b[31m\n" + b"system\x07" * 10_000 + b"\n.")
    assert "asks for os?[31m.system?system?" in message
    assert message.isprintable()
    assert len(message) < 1_000
