"""YAML as nodes that know their line. Scalars stay text, so ``no`` is a word and a date is read by who needs it.

Anchors, aliases and tags are refused, depth and size are bounded: a file can't grow in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from scanner.engine.sentence import Sentence
from targets.registry.problems import BadInput, Place, Problem

LARGEST_FILE = 5 * 1024 * 1024
"""Bytes; ten thousand organisations fit."""

_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How XLSX and ODS (ZIP), and XLS (compound file) begin."""

KEEP_ONE = Sentence("keep one of them", "keep-one")

_INDENT = Sentence("indent by spaces, not by tabs", "indent-by-spaces")

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
    """The bytes of an input file. Raises ``BadInput`` when it is missing, unreadable, or refused by ``bounded``."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except OSError as error:
        said = Sentence(f"the file can't be read: {error.strerror}", "file-unreadable")
        raise BadInput([Problem(Place(str(path)), "", said)]) from error
    return bounded(content, str(path))


def bounded(content: bytes, name: str) -> bytes:
    """Return the content of the input that is called ``name``.

    Raises ``BadInput`` when it is empty, over 5 MB, or a workbook of an office program.
    """
    place = Place(name)
    if content.startswith(_WORKBOOKS):
        said = Sentence("this is a workbook (XLSX, XLS or ODS), which is not read", "workbook")
        right = Sentence("save the table of one organisation's targets as 'CSV UTF-8'", "workbook-as-csv")
        raise BadInput([Problem(place, "", said, right)])
    if len(content) > LARGEST_FILE:
        said = Sentence(
            f"the file has more than {LARGEST_FILE} bytes", "file-too-large", most=LARGEST_FILE // 1024 // 1024
        )
        right = Sentence(f"at most {LARGEST_FILE} are read; split it", "split-file")
        raise BadInput([Problem(place, "", said, right)])
    if not content.removeprefix(b"\xef\xbb\xbf").strip():
        right = Sentence("see docs/targets.md for an example to start from", "see-documentation")
        raise BadInput([Problem(place, "", Sentence("the file is empty", "file-empty"), right)])
    return content


def parse_document(content: bytes, name: str) -> Mapping:
    """Parse YAML, whose top must be a mapping, of the input that is called ``name``. Raises ``BadInput``."""
    place = Place(name)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        said = Sentence("the file is not UTF-8 text", "file-not-utf-8")
        right = Sentence("save it again with UTF-8 encoding", "save-as-utf-8")
        raise BadInput([Problem(Place(name, line), "", said, right)]) from error
    try:
        nodes = _Composer(name).compose(iter(yaml.parse(text, Loader=_LOADER)))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        why = error.problem or error.context or "the text can't be parsed"
        number = mark.line + 1 if mark else 0
        spaces = _INDENT if mark and _is_indented_by_tab(text, mark.line) else None
        raise BadInput([Problem(Place(name, number), "", _no_yaml(why), spaces)]) from error
    except yaml.YAMLError as error:
        raise BadInput([Problem(place, "", _no_yaml(" ".join(str(error).split())))]) from error
    if len(nodes) > 1:
        second = Sentence("a second document begins here", "second-document")
        raise BadInput([Problem(nodes[1].place, "", second, Sentence("write one document a file", "one-document"))])
    if not nodes or not isinstance(nodes[0], Mapping):
        where = nodes[0].place if nodes else place
        keyless = Sentence("the file holds no keys", "file-without-keys")
        right = Sentence(
            "begin with 'organisations:'; a list of targets in CSV is imported for one organisation (import-csv)",
            "begin-with-organisations",
        )
        raise BadInput([Problem(where, "", keyless, right)])
    return nodes[0]


def _is_indented_by_tab(text: str, line: int) -> bool:
    indentation = text.split("\n")[line : line + 1]
    return any("\t" in row[: len(row) - len(row.lstrip())] for row in indentation)


def _no_yaml(said: str) -> Sentence:
    return Sentence(f"this is no valid YAML: {said}", "no-yaml")


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
                    deep = Sentence(f"this is nested more than {_DEEPEST} deep", "nested-too-deep", most=_DEEPEST)
                    raise BadInput([Problem(place, "", deep, Sentence("flatten it", "flatten"))])
                self._open.append(_Open(isinstance(event, yaml.MappingStartEvent), place))
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                self._add(self._closed(self._open.pop()))
        return self._done

    def _add(self, node: Node) -> None:
        (self._open[-1].items if self._open else self._done).append(node)

    def _refuse_indirection(self, event: yaml.NodeEvent, place: Place) -> None:
        if event.anchor:
            said = Sentence(f"anchors and aliases are not read (&{event.anchor})", "yaml-anchor", name=event.anchor)
            raise BadInput([Problem(place, "", said, Sentence("write the value out", "write-value"))])
        tag = getattr(event, "tag", None)
        if tag:
            said = Sentence(f"tags are not read ({tag})", "yaml-tag", name=tag)
            raise BadInput([Problem(place, "", said, Sentence("write the plain value", "write-value"))])

    def _closed(self, collection: _Open) -> Node:
        if not collection.is_mapping:
            return Sequence(tuple(collection.items), collection.place)
        entries: dict[str, Entry] = {}
        for key, value in zip(collection.items[::2], collection.items[1::2], strict=True):
            if not isinstance(key, Scalar):
                right = Sentence("see docs/targets.md for the keys", "see-documentation")
                raise BadInput([Problem(key.place, "", Sentence("a key must be a word", "key-no-word"), right)])
            if key.text in entries:
                first = entries[key.text].place.line
                said = Sentence(f"this key was given before, in line {first}", "key-twice", line=first)
                raise BadInput([Problem(key.place, key.text, said, KEEP_ONE)])
            entries[key.text] = Entry(key.text, value, key.place)
        return Mapping(tuple(entries.values()), collection.place)
