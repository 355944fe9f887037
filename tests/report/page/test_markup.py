"""HTML that cannot be written unescaped."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbench.report.page.markup import joined, raw, tag
from tests.report.page.outline import parsed

TEXT = st.text(st.characters(blacklist_categories=["Cs", "Cc"]))


@given(content=TEXT, attribute=TEXT)
def test_any_text_comes_back_as_it_was(content: str, attribute: str) -> None:
    element = parsed(tag("p", content, title=attribute)).one("p")
    assert "".join(map(str, element.children)) == content
    assert element.attributes == {"title": attribute}


def test_markup_is_not_escaped_twice() -> None:
    inner = tag("b", "a < b")
    assert tag("p", inner, [" & ", None, inner]) == ("<p><b>a &lt; b</b> &amp; <b>a &lt; b</b></p>")
    assert joined(inner) is inner


def test_attributes_may_be_bare_or_left_out() -> None:
    made = tag(
        "details", class_="x", open=True, hidden=False, title=None, aria_label="y", tabindex=0
    )
    assert made == '<details class="x" open aria-label="y" tabindex="0"></details>'


@pytest.mark.parametrize("text", ["a</script>b", "a</SCRIPT b", "<!-- a"])
def test_a_script_that_would_end_early_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="would end the script"):
        raw("script", text)


def test_only_scripts_and_styles_are_raw() -> None:
    with pytest.raises(ValueError, match="p is not raw"):
        raw("p", "text")
