"""A page needs nothing but itself."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256

from mlbench.report.page.document import resource
from tests.report.page.outline import Element

FETCHING = ("src", "srcset", "data", "action", "formaction", "poster", "background", "style")


def test_nothing_on_the_page_is_fetched(root: Element) -> None:
    for each in root.all():
        assert not set(FETCHING) & set(each.attributes), each.name
        assert not [name for name in each.attributes if name.startswith("on")]
        assert str(each.attributes.get("href", "#")).startswith("#")
    assert not list(root.all("link", "img", "iframe", "object", "embed", "base"))


def test_style_and_script_name_no_address() -> None:
    assert not re.search(r"url\(|@import|https?:|//", resource("page.css"))
    assert not re.search(r"https?:|fetch\(|import\(|XMLHttp", resource("page.js"))


def test_the_browser_is_told_to_fetch_nothing_and_to_run_these_scripts_alone(
    root: Element,
) -> None:
    policy = root.one("meta", http_equiv="Content-Security-Policy").attributes["content"]
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    scripts = [each for each in root.all("script") if "type" not in each.attributes]
    for each in scripts:
        digest = sha256("".join(map(str, each.children)).encode()).digest()
        assert f"'sha256-{b64encode(digest).decode()}'" in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2]
