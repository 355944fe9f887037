"""How techniques are called, placed and coloured."""

from __future__ import annotations

from mlbench.plugins import algorithms  # noqa: F401  (its folder is what find_plugins reads)
from mlbench.registry import find_plugins
from mlbench.report.palette import LOOKS, in_order, look


def test_every_technique_that_is_brought_has_a_look() -> None:
    assert set(LOOKS) == set(find_plugins("algorithms"))


def test_no_two_techniques_share_shape_and_filling_or_colour() -> None:
    assert len({(each.shape, each.hollow) for each in LOOKS.values()}) == len(LOOKS)
    assert len({each.colour for each in LOOKS.values()}) == len(LOOKS)


def test_a_first_order_form_has_the_shape_of_its_second_order_one_and_is_hollow() -> None:
    for name in ("maml", "turtle"):
        first, second = look(f"fo_{name}"), look(name)
        assert (first.shape, first.hollow, second.hollow) == (second.shape, True, False)


def test_techniques_are_in_a_fixed_order_and_the_user_s_own_after_them() -> None:
    assert in_order(["zoo", "turtle", "mine", "maml", "turtle"]) == [
        "maml",
        "turtle",
        "mine",
        "zoo",
    ]


def test_a_technique_of_the_user_s_keeps_its_name_and_colour() -> None:
    assert look("mine") == look("mine")
    assert look("mine").label == "mine"
    assert look("mine").shape not in {each.shape for each in LOOKS.values()}


def test_every_colour_shows_on_white_and_on_black() -> None:
    for each in LOOKS.values():
        red, green, blue = (
            (value / 255 / 12.92 if value <= 10 else ((value / 255 + 0.055) / 1.055) ** 2.4)
            for value in bytes.fromhex(each.colour[1:])
        )
        luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
        assert 1.05 / (luminance + 0.05) > 1.7, each
        assert (luminance + 0.05) / 0.05 > 2.5, each
