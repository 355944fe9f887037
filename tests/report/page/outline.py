"""A page as its elements, read by the standard library's parser."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = {"br", "hr", "input", "link", "meta", "img"}


@dataclass
class Element:
    """An element with its attributes, children and text."""

    name: str
    attributes: dict[str, str | None] = field(default_factory=dict)
    children: list[Element | str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Return all text in it, in one line."""
        parts = [child if isinstance(child, str) else child.text for child in self.children]
        return " ".join(" ".join(parts).split())

    def all(self, *names: str, **attributes: str) -> Iterator[Element]:
        """Yield the elements in it of these names and attributes; of any name for none."""
        for child in self.children:
            if isinstance(child, Element):
                wanted = not names or child.name in names
                given = {key.rstrip("_").replace("_", "-"): v for key, v in attributes.items()}
                if wanted and all(child.attributes.get(k) == v for k, v in given.items()):
                    yield child
                yield from child.all(*names, **attributes)

    def one(self, *names: str, **attributes: str) -> Element:
        """Return the only such element."""
        (found,) = self.all(*names, **attributes)
        return found


class Outline(HTMLParser):
    """Builds the tree; an end without its start, or the other way round, is an error."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open = [Element("")]

    @classmethod
    def of(cls, text: str) -> Element:
        """Return the root of a page."""
        parser = cls()
        parser.feed(text)
        parser.close()
        assert [each.name for each in parser.open] == [""], "elements are left open"
        return parser.open[0]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = Element(tag, dict(attrs))
        assert len(element.attributes) == len(attrs), f"an attribute of {tag} is there twice"
        self.open[-1].children.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        last = self.open.pop()
        assert last.name == tag, f"</{tag}> ends a {last.name}"

    def handle_data(self, data: str) -> None:
        self.open[-1].children.append(data)


def parsed(text: str) -> Element:
    """Return the root of a page."""
    return Outline.of(text)
