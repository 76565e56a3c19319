"""Reads the fields of one YAML mapping; whatever is wrong is noted, and a harmless value stands in for it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeVar

from scanner.engine.sentence import Sentence
from targets.addresses import ParsedTarget, parse_target
from targets.ports import format_ports, parse_ports
from targets.registry.document import Entry, Mapping, Scalar, Sequence
from targets.registry.problems import Place, Problem, suggestion
from targets.windows import parse_windows
from targets.wrong import WrongText

HIGHEST_RATE = 1_000_000.0
"""Packets a second; more than one machine sends."""

MISSING = Sentence("this is missing", "missing")

_UNPRINTABLE = Sentence("this holds a line break or an unprintable character", "unprintable")
_PLAIN = Sentence("write plain text", "write-plain")
_WORDS = {"true": True, "yes": True, "false": False, "no": False}

T = TypeVar("T")


@dataclass(slots=True)
class Fields:
    """The fields of the mapping at ``path``. Keys outside ``known`` are noted at once."""

    mapping: Mapping
    path: str
    known: Collection[str]
    problems: list[Problem]
    _entries: dict[str, Entry] = field(init=False)

    def __post_init__(self) -> None:
        self._entries = {entry.key: entry for entry in self.mapping.entries}
        for entry in self.mapping.entries:
            if entry.key not in self.known:
                unknown = Sentence("this key is unknown", "key-unknown")
                self.note(entry.place, entry.key, unknown, suggestion(entry.key, self.known))

    @property
    def place(self) -> Place:
        return self.mapping.place

    def place_of(self, key: str) -> Place:
        return self._entries[key].place if key in self._entries else self.place

    def note(self, place: Place, key: str, wrong: Sentence, right: Sentence | None = None) -> None:
        self.problems.append(Problem(place, ".".join(filter(None, (self.path, key))), wrong, right))

    def text(self, key: str, default: str | None = None, longest: int = 200) -> str:
        """One line of text; required when there is no ``default``."""
        found = self._scalar(key)
        if found is None:
            if default is None and not self._is_collection(key):
                self.note(self.place, key, MISSING, Sentence(f"add '{key}: …'", "add-key", key=key))
            return default or ""
        text = found.text.strip()
        if len(text) > longest:
            said = Sentence(f"this has {len(text)} characters", "text-of-length", count=len(text))
            self.note(found.place, key, said, Sentence(f"write at most {longest}", "write-at-most", most=longest))
        elif not text.isprintable():
            self.note(found.place, key, _UNPRINTABLE, _PLAIN)
        elif not text and default is None:
            self.note(
                found.place, key, Sentence("this is empty", "empty"), Sentence("write a value", "write-something")
            )
        else:
            return text
        return ""

    def choice(self, key: str, choices: Collection[str], default: str | None = None) -> str:
        value = self.text(key, default)
        if value and value not in choices:
            self.note(self.place_of(key), key, not_known(value), suggestion(value, choices))
            return default or value
        return value

    def flag(self, key: str) -> bool:
        value = self.text(key, "false")
        if value.casefold() not in _WORDS:
            said = Sentence(f"{value!r} is neither true nor false", "no-flag", text=value)
            self.note(self.place_of(key), key, said, Sentence("write true or false", "write-flag"))
        return _WORDS.get(value.casefold(), False)

    def number(self, key: str, default: float, least: float, most: float) -> float:
        value = self.text(key, str(default))
        try:
            number = float(value)
        except ValueError:
            number = float("nan")
        if not least <= number <= most:
            said = Sentence(f"{value!r} is out of range", "number-out-of-range", text=value)
            right = Sentence(
                f"write a number from {least} to {most}", "write-number", least=f"{least:g}", most=f"{most:.15g}"
            )
            self.note(self.place_of(key), key, said, right)
            return default
        return number

    def parsed(self, key: str, parse: Callable[[str], T], stand_in: T) -> T:
        """A required value that ``parse`` understands; its ``WrongText`` becomes the problem."""
        text = self.text(key, longest=2048)
        if not text:
            return stand_in
        try:
            return parse(text)
        except WrongText as error:
            self.note(self.place_of(key), key, error.sentence)
            return stand_in

    def address(self, key: str) -> ParsedTarget | None:
        return self.parsed(key, _target_or_none, None)

    def ports(self, key: str, default: str) -> str:
        """A port list, written as one text, one number or a list of both."""
        texts = self.texts(key) if self._is_collection(key) else (self.text(key, "", longest=100_000),)
        joined = ",".join(filter(None, texts))
        if not joined:
            return default
        try:
            return format_ports(parse_ports(joined))
        except WrongText as error:
            self.note(self.place_of(key), key, error.sentence)
            return default

    def rate(self) -> float:
        """Packets a second; 0, the default, for no cap."""
        return self.number("rate", 0.0, 0, HIGHEST_RATE)

    def blackouts(self) -> tuple[str, ...] | None:
        """Blackout windows in canonical form, in the order written, each once; None when the key was left out."""
        if "blackouts" not in self._entries:
            return None
        try:
            windows = parse_windows(self.texts("blackouts"))
        except WrongText as error:
            self.note(self.place_of("blackouts"), "blackouts", error.sentence)
            return ()
        return tuple(dict.fromkeys(window.text for window in windows))

    def choices(self, key: str, choices: Collection[str]) -> tuple[str, ...]:
        """A list of words out of ``choices``, sorted, each once."""
        texts = self.texts(key)
        for text in texts:
            if text not in choices:
                self.note(self.place_of(key), key, not_known(text), suggestion(text, choices))
        return tuple(sorted({text for text in texts if text in choices}))

    def moment(self, key: str, parse: Callable[[str], datetime]) -> datetime:
        return self.parsed(key, parse, datetime.min.replace(tzinfo=UTC))

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of short texts; a single one may stand alone."""
        entry = self._entries.get(key)
        if entry is None:
            return ()
        nodes = entry.value.items if isinstance(entry.value, Sequence) else (entry.value,)
        texts: list[str] = []
        for node in nodes:
            if not isinstance(node, Scalar):
                said = Sentence("this must be a list of plain values", "no-plain-list")
                self.note(node.place, key, said, Sentence("write [one, two]", "write-list"))
            elif not node.text.strip().isprintable():
                self.note(node.place, key, _UNPRINTABLE, _PLAIN)
            elif node.text.strip() and not node.is_null:
                texts.append(node.text.strip())
        return tuple(texts)

    def blocks(self, key: str) -> tuple[tuple[str, Place], ...] | None:
        """A list of texts of several lines, each with its place; None when the key was left out."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        nodes = entry.value.items if isinstance(entry.value, Sequence) else (entry.value,)
        found: list[tuple[str, Place]] = []
        for node in nodes:
            if not isinstance(node, Scalar):
                said = Sentence("this must be a list of texts", "no-text-list")
                self.note(node.place, key, said, Sentence("begin each item with '- |'", "begin-text"))
            elif not node.is_null:
                found.append((node.text.strip(), node.place))
        return tuple(found)

    def items(self, key: str) -> tuple[Mapping, ...] | None:
        """A list of mappings; None when the key was left out."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if isinstance(entry.value, Scalar) and entry.value.is_null:
            return ()
        if not isinstance(entry.value, Sequence):
            said = Sentence("this must be a list", "no-list")
            self.note(entry.place, key, said, Sentence("begin each item with '- '", "begin-item"))
            return ()
        mappings = tuple(item for item in entry.value.items if isinstance(item, Mapping))
        for item in entry.value.items:
            if not isinstance(item, Mapping):
                right = Sentence("write for example '- address: 192.0.2.1'", "item-example")
                self.note(item.place, key, Sentence("an item must hold keys", "item-without-keys"), right)
        return mappings

    def _is_collection(self, key: str) -> bool:
        return key in self._entries and not isinstance(self._entries[key].value, Scalar)

    def _scalar(self, key: str) -> Scalar | None:
        entry = self._entries.get(key)
        if entry is None or (isinstance(entry.value, Scalar) and entry.value.is_null):
            return None
        if not isinstance(entry.value, Scalar):
            said = Sentence("this must be a single value", "no-single-value")
            self.note(entry.place, key, said, Sentence("write one value behind the colon", "write-one-value"))
            return None
        return entry.value


def not_known(text: str) -> Sentence:
    """Return what is said of a word that is none of those that can be chosen."""
    return Sentence(f"{text!r} is not known", "not-known", text=text)


def _target_or_none(text: str) -> ParsedTarget | None:
    return parse_target(text)
