"""YAML as nodes that know their line. Scalars stay text, so ``no`` is a word and a date is read by who needs it.

Anchors, aliases and tags are refused, depth and size are bounded: a file can't grow in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from targets.registry.problems import BadInput, Place, Problem

LARGEST_FILE = 5 * 1024 * 1024
"""Bytes; ten thousand organisations fit."""

_DEEPEST = 16
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Scalar:
    """A single value as it was written; ``is_null`` for nothing, ``~`` or ``null`` without quotes."""

    text: str
    place: Place
    is_null: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    items: tuple[Node, ...]
    place: Place


@dataclass(frozen=True, slots=True)
class Entry:
    """One ``key: value`` of a mapping, at the place of its key."""

    key: str
    value: Node
    place: Place


@dataclass(frozen=True, slots=True)
class Mapping:
    entries: tuple[Entry, ...]
    place: Place


Node = Scalar | Sequence | Mapping


def read_text_file(path: Path) -> bytes:
    """The bytes of an input file. Raises ``BadInput`` when it is missing, unreadable, empty or over 5 MB."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise BadInput([Problem(Place(str(path)), "", f"the file can't be read: {error.strerror}")]) from error
    return bounded(content, str(path))


def bounded(content: bytes, name: str) -> bytes:
    """Return the content of the input that is called ``name``. Raises ``BadInput`` when it is empty or over 5 MB."""
    place = Place(name)
    if len(content) > LARGEST_FILE:
        right = f"at most {LARGEST_FILE} are read; split it"
        raise BadInput([Problem(place, "", f"the file has more than {LARGEST_FILE} bytes", right)])
    if not content.removeprefix(b"\xef\xbb\xbf").strip():
        raise BadInput([Problem(place, "", "the file is empty", "see docs/targets.md for an example to start from")])
    return content


def parse_document(content: bytes, name: str) -> Mapping:
    """Parse YAML, whose top must be a mapping, of the input that is called ``name``. Raises ``BadInput``."""
    place = Place(name)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise BadInput(
            [Problem(Place(name, line), "", "the file is not UTF-8 text", "save it again with UTF-8 encoding")]
        ) from error
    try:
        nodes = _Composer(name).compose(iter(yaml.parse(text, Loader=_LOADER)))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = error.problem or error.context or "the text can't be parsed"
        raise BadInput(
            [Problem(Place(name, mark.line + 1 if mark else 0), "", f"this is no valid YAML: {said}")]
        ) from error
    except yaml.YAMLError as error:
        raise BadInput([Problem(place, "", f"this is no valid YAML: {' '.join(str(error).split())}")]) from error
    if len(nodes) > 1:
        raise BadInput([Problem(nodes[1].place, "", "a second document begins here", "write one document a file")])
    if not nodes or not isinstance(nodes[0], Mapping):
        where = nodes[0].place if nodes else place
        raise BadInput([Problem(where, "", "the file holds no keys", "begin with 'organisations:'")])
    return nodes[0]


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet."""

    is_mapping: bool
    place: Place
    items: list[Node] = field(default_factory=list)


class _Composer:
    """Builds nodes from YAML events without recursion."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._open: list[_Open] = []
        self._done: list[Node] = []

    def compose(self, events: Iterator[yaml.Event]) -> list[Node]:
        for event in events:
            place = Place(self._file, event.start_mark.line + 1 if event.start_mark else 0)
            if isinstance(event, yaml.NodeEvent):
                self._refuse_indirection(event, place)
            if isinstance(event, yaml.ScalarEvent):
                plain = event.style in (None, "")
                self._add(Scalar(event.value, place, plain and event.value in ("", "~", "null")))
            elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                if len(self._open) >= _DEEPEST:
                    raise BadInput([Problem(place, "", f"this is nested more than {_DEEPEST} deep", "flatten it")])
                self._open.append(_Open(isinstance(event, yaml.MappingStartEvent), place))
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                self._add(self._closed(self._open.pop()))
        return self._done

    def _add(self, node: Node) -> None:
        (self._open[-1].items if self._open else self._done).append(node)

    def _refuse_indirection(self, event: yaml.NodeEvent, place: Place) -> None:
        if event.anchor:
            raise BadInput(
                [Problem(place, "", f"anchors and aliases are not read (&{event.anchor})", "write the value out")]
            )
        tag = getattr(event, "tag", None)
        if tag:
            raise BadInput([Problem(place, "", f"tags are not read ({tag})", "write the plain value")])

    def _closed(self, collection: _Open) -> Node:
        if not collection.is_mapping:
            return Sequence(tuple(collection.items), collection.place)
        entries: dict[str, Entry] = {}
        for key, value in zip(collection.items[::2], collection.items[1::2], strict=True):
            if not isinstance(key, Scalar):
                raise BadInput([Problem(key.place, "", "a key must be a word", "see docs/targets.md for the keys")])
            if key.text in entries:
                first = entries[key.text].place.line
                raise BadInput(
                    [Problem(key.place, key.text, f"this key was given before, in line {first}", "keep one of them")]
                )
            entries[key.text] = Entry(key.text, value, key.place)
        return Mapping(tuple(entries.values()), collection.place)
