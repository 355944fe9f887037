"""GTSRB: whichever of its parts are there, the test signs by their file of labels."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlbench.errors import DataError

from .trees import TREES, Paint, build_gtsrb, found, write_labels, write_lines


def test_traffic_signs_have_whichever_part_is_there(tmp_path: Path, paint: Paint) -> None:
    build_gtsrb(tmp_path, paint)
    signs = tmp_path / "gtsrb" / "GTSRB"
    (signs / "Training").rename(tmp_path / "aside")
    assert sum(map(len, found("gtsrb", tmp_path).values())) == 2
    (signs / "Final_Training").mkdir()
    (tmp_path / "aside").rename(signs / "Final_Training" / "Images")
    assert found("gtsrb", tmp_path) == TREES["gtsrb"][2]
    (signs / "Final_Test").rename(tmp_path / "aside")
    assert sum(map(len, found("gtsrb", tmp_path).values())) == 2
    paint(signs / "Training" / "00000" / "first.ppm", 9)
    assert found("gtsrb", tmp_path) == {"00.Speed limit (20km/h)": ["first.ppm"]}


@pytest.mark.parametrize("beside", ["gtsrb", "gtsrb/GTSRB", "gtsrb/GTSRB/Final_Test/Images"])
def test_the_labels_of_test_signs_lie_in_one_of_the_usual_places(
    beside: str, tmp_path: Path, paint: Paint
) -> None:
    build_gtsrb(tmp_path, paint)
    file = tmp_path / "gtsrb" / "GT-final_test.csv"
    file.unlink()
    with pytest.raises(DataError, match=r"has no GT-final_test\.csv beside it"):
        found("gtsrb", tmp_path)
    write_labels(tmp_path / beside / "GT-final_test.csv")
    for folder in ("", "gtsrb", "gtsrb/GTSRB"):
        assert found("gtsrb", tmp_path / folder) == TREES["gtsrb"][2]


def test_labels_of_test_signs_without_classes_are_refused(tmp_path: Path, paint: Paint) -> None:
    build_gtsrb(tmp_path, paint)
    write_lines(tmp_path / "gtsrb" / "GT-final_test.csv", "Filename;Width", "00000.ppm;53")
    with pytest.raises(DataError, match=r"GT-final_test\.csv is damaged"):
        found("gtsrb", tmp_path)


def test_a_sign_of_another_number_is_refused(tmp_path: Path, paint: Paint) -> None:
    build_gtsrb(tmp_path, paint)
    paint(tmp_path / "gtsrb" / "GTSRB" / "Training" / "00043" / "a.ppm", 8)
    with pytest.raises(DataError, match=r"class 00043, which gtsrb .* does not have"):
        found("gtsrb", tmp_path)
