"""HTML that cannot be written unescaped: text becomes markup in one place, here."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import TypeAlias


class Html(str):
    """Markup that is what it says; any other text is escaped when it is put into an element."""

    __slots__ = ()


Child: TypeAlias = "Html | str | int | Iterable[Child] | None"
VOID = frozenset({"br", "hr", "input", "link", "meta"})
RAW = frozenset({"script", "style"})
"""Elements whose content browsers do not unescape."""


def tag(name: str, /, *children: Child, **attributes: str | int | bool | None) -> Html:
    """Return an element.

    Args:
        name: Of the element.
        children: Its content: text is escaped, ``None`` is nothing, sequences are laid end to end.
        attributes: ``class_`` stands for ``class`` and ``aria_label`` for ``aria-label``; ``True``
            gives the bare name, ``False`` and ``None`` nothing.
    """
    written = "".join(attribute(key, value) for key, value in attributes.items())
    if name in VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{joined(children)}</{name}>")


def attribute(key: str, value: str | int | bool | None) -> str:
    """Return an attribute with the space before it."""
    key = key.rstrip("_").replace("_", "-")
    if value is None or value is False:
        return ""
    return f" {key}" if value is True else f' {key}="{escape(str(value))}"'


def joined(children: Child) -> Html:
    """Return content end to end, escaped unless it is markup."""
    match children:
        case None:
            return Html()
        case Html():
            return children
        case str() | int():
            return Html(escape(str(children), quote=False))
    return Html("".join(map(joined, children)))


def raw(name: str, text: str, /, **attributes: str | bool | None) -> Html:
    """Return a ``script`` or ``style`` with text of our own, which browsers take as it is.

    Raises:
        ValueError: The text would end the element.
    """
    if name not in RAW:
        raise ValueError(f"the content of a {name} is not raw")
    if f"</{name}" in text.lower() or "<!--" in text:
        raise ValueError(f"this text would end the {name} that it is put into")
    written = "".join(attribute(key, value) for key, value in attributes.items())
    return Html(f"<{name}{written}>{text}</{name}>")
