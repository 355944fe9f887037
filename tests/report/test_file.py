"""Files of results are written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlbench.errors import MlbenchError
from mlbench.report.file import write


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    file = tmp_path / "t.tex"
    file.write_text("old")
    write(file, "µ\n")
    assert file.read_bytes() == "µ\n".encode()
    assert [*tmp_path.iterdir()] == [file]


def test_what_cannot_be_replaced_stays_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    folder = tmp_path / "t.tex"
    (folder / "within").mkdir(parents=True)
    with pytest.raises(MlbenchError, match=r"t\.tex cannot be written: .*; name another file"):
        write(folder, "new")
    assert [*tmp_path.iterdir()] == [folder]
