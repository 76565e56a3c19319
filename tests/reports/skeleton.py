"""Reads HTML back as a browser would, to see what elements and attributes there really are."""

from __future__ import annotations

from html.parser import HTMLParser

Element = tuple[str, tuple[tuple[str, str | None], ...]]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[Element] = []
        self.text: list[str] = []
        self.comments = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        self.comments += 1


def elements(html: str) -> list[Element]:
    """Return every element with its attributes, in order. Fails on comments, which we never write."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    assert reader.comments == 0
    return reader.elements


def text(html: str) -> str:
    """Return all character data, entities resolved."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return "".join(reader.text)
