"""How a rule reads a domain's answers: what it could not learn is remembered, so that silence proves nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from scanner.engine.facts.domain import Answers, DnsAnswer, DomainFacts, Reply
from scanner.engine.model import Confidence, Severity


@dataclass(frozen=True, slots=True)
class Verdict:
    """A finding of a domain in the making. ``severity`` None means the catalogue's."""

    check: str
    params: Mapping[str, str] = field(default_factory=dict)
    severity: Severity | None = None
    confidence: Confidence = Confidence.CONFIRMED


class HostState(Enum):
    """What the DNS says of a host that a record names."""

    THERE = auto()
    NO_ADDRESS = auto()
    NO_NAME = auto()


class Reader:
    """The facts of one domain as one judge reads them; ``incomplete`` when it missed an answer that it needed."""

    def __init__(self, facts: DomainFacts) -> None:
        self.facts = facts
        self.name = facts.name
        self.known = Answers(facts.answers)
        self.incomplete = False

    def answer(self, name: str, kind: str) -> DnsAnswer | None:
        """Return an answer, or None, noted, when there is none."""
        found = self.known.get(name, kind)
        self.incomplete |= found is None
        return found

    def records(self, name: str, kind: str) -> tuple[str, ...] | None:
        """Return the records of ``name``, perhaps none; or None, noted, when that is unknown."""
        found = self.answer(name, kind)
        return None if found is None else found.records

    def host(self, name: str) -> HostState | None:
        """Return what is known of a host's addresses; None, noted, when it is not enough to tell."""
        answers = [self.known.get(name, kind) for kind in ("A", "AAAA")]
        replies = {answer.reply for answer in answers if answer is not None}
        if Reply.ANSWERED in replies:
            return HostState.THERE
        if Reply.NO_NAME in replies:
            return HostState.NO_NAME
        if None in answers:
            self.incomplete = True
            return None
        return HostState.NO_ADDRESS


Judge = Callable[[Reader], Iterator[Verdict]]
