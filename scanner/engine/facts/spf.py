"""Reads a sender policy (SPF, RFC 7208) out of what is known of the DNS, and says what must still be asked.

One pure function serves the probe, which asks until nothing is missing, and the rules, which judge. It doesn't check a
sender: it follows every term that some sender would need, so that its counts are those of the unluckiest one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_network

from scanner.engine.facts.domain import Answers, Question, Reply, exchanges

LOOKUPS_LIMIT = 10
"""Terms that ask the DNS, in one evaluation (RFC 7208 section 4.6.4)."""

VOID_LIMIT = 2
"""Look-ups that may find nothing (section 4.6.4)."""

MX_LIMIT = 10
"""Hosts of one ``mx`` term (section 4.6.4)."""

FOLLOWED = 20
"""Terms that we follow: enough to see that the limit is passed, however long the policy is."""

WIDE_IPV4, WIDE_IPV6 = 8, 16
"""A permitted network of fewer bits than these is taken for everyone."""

LONGEST_NAME, LONGEST_LABEL = 253, 63
"""Characters (RFC 1035 section 2.3.4)."""

_TERM = re.compile(r"([+~?-]?)(all|include|a|mx|ptr|ip4|ip6|exists)([:/].*)?", re.IGNORECASE)
_MODIFIER = re.compile(r"([a-z][a-z0-9_.-]*)=(.*)", re.IGNORECASE)


class SpfProblem(StrEnum):
    """Why a policy is a permanent error, which receivers treat as if there were none (section 2.6.7)."""

    MULTIPLE = "multiple"
    SYNTAX = "syntax"
    LOOKUPS = "lookups"
    VOID = "void"
    EMPTY_INCLUDE = "empty-include"
    TOO_MANY_MX = "too-many-mx"


@dataclass(slots=True)
class SpfReading:
    """What a policy comes to. It is whole when nothing is ``missing`` and nothing ``failed``.

    ``default`` is the qualifier (``+``, ``-``, ``~``, ``?``) for senders that no other term names. ``opened_by`` is the
    term that lets everyone send, if any. ``problem`` says what makes the policy void, ``term`` where: at a term, or a
    name that has several.
    """

    record: str = ""
    default: str = "?"
    opened_by: str = ""
    problem: SpfProblem | None = None
    term: str = ""
    lookups: int = 0
    voids: int = 0
    failed: bool = False
    missing: set[Question] = field(default_factory=set)

    def blame(self, problem: SpfProblem, term: str) -> None:
        """Note the first problem; the policy is void from there on."""
        if self.problem is None:
            self.problem, self.term = problem, term


def _is_name(text: str) -> bool:
    """Tell whether this can be asked for, or would be once its macros are filled in (section 7)."""
    labels = text.split(".")
    return text.isascii() and len(text) <= LONGEST_NAME and all(0 < len(label) <= LONGEST_LABEL for label in labels)


def policies(records: tuple[str, ...]) -> tuple[str, ...]:
    """Return the TXT records that are SPF policies (section 4.5)."""
    return tuple(each for each in records if each.lower() == "v=spf1" or each.lower().startswith("v=spf1 "))


def read_spf(name: str, known: Answers) -> SpfReading | None:
    """Read the policy of ``name``; None when it certainly has none."""
    reading = SpfReading()
    found = _policies_of(name, known, reading)
    if found is None:
        return reading
    if not found:
        return None
    reading.record = found[0]
    if len(found) > 1:
        reading.blame(SpfProblem.MULTIPLE, name)
        return reading
    walk = _Walk(known, reading)
    reading.default = walk.record(name, found[0], (name,))
    reading.opened_by = walk.opener if reading.default == "+" else ""
    return reading


def _policies_of(name: str, known: Answers, reading: SpfReading) -> tuple[str, ...] | None:
    records = known.records(name, "TXT")
    if records is None:
        _unknown(Question(name, "TXT"), known, reading)
        return None
    return policies(records)


def _unknown(question: Question, known: Answers, reading: SpfReading) -> None:
    if known.knows(question):
        reading.failed = True
    else:
        reading.missing.add(question)


class _Walk:
    """Follows the terms of a policy and of those that it includes."""

    def __init__(self, known: Answers, reading: SpfReading) -> None:
        self._known = known
        self._reading = reading
        self.opener = ""
        """The term that last let everyone pass: the outermost one, once the walk is over."""

    def record(self, name: str, text: str, path: tuple[str, ...]) -> str:
        """Follow one record; return its qualifier for whom no term names, ``+`` when it lets everyone pass."""
        redirect = ""
        for term in text.split()[1:]:
            mechanism = _TERM.fullmatch(term)
            if mechanism is None:
                modifier = _MODIFIER.fullmatch(term)
                if modifier is None:
                    self._reading.blame(SpfProblem.SYNTAX, term)
                    return "?"
                redirect = modifier[2].lower().removesuffix(".") if modifier[1].lower() == "redirect" else redirect
                continue
            qualifier, kind, rest = mechanism[1] or "+", mechanism[2].lower(), mechanism[3] or ""
            if kind == "all":
                return self._everyone(qualifier, term, rest)
            if self._term(name, kind, rest, term, path) and qualifier == "+":
                self.opener = term
                return "+"
        if not redirect or not self._counted(f"redirect={redirect}"):
            return "?"
        if "%" in redirect:
            self._reading.failed = True  # where it leads depends on the sender
            return "?"
        if not _is_name(redirect):
            self._reading.blame(SpfProblem.SYNTAX, f"redirect={redirect}")
            return "?"
        return self._other(redirect, f"redirect={redirect}", path) or "?"

    def _everyone(self, qualifier: str, term: str, rest: str) -> str:
        if rest:
            self._reading.blame(SpfProblem.SYNTAX, term)
        if qualifier == "+":
            self.opener = term
        return qualifier

    def _term(self, name: str, kind: str, rest: str, term: str, path: tuple[str, ...]) -> bool:
        """Follow one mechanism; return whether it matches every sender."""
        if kind in ("ip4", "ip6"):
            return self._network(kind, rest, term)
        if not self._counted(term):
            return False
        target = rest[1:].partition("/")[0].lower().removesuffix(".") if rest.startswith(":") else ""
        if (kind in ("include", "exists") or target) and not _is_name(target):
            self._reading.blame(SpfProblem.SYNTAX, term)
        elif kind == "include" and "%" not in target:
            return self._other(target, term, path) == "+"
        elif kind in ("a", "mx") and "%" not in target:
            self._hosts(kind, target or name, term)
        return False

    def _network(self, kind: str, rest: str, term: str) -> bool:
        try:
            network = ip_network(rest.removeprefix(":"), strict=False)
        except ValueError:
            self._reading.blame(SpfProblem.SYNTAX, term)
            return False
        if network.version != (4 if kind == "ip4" else 6) or not rest.startswith(":"):
            self._reading.blame(SpfProblem.SYNTAX, term)
            return False
        return network.prefixlen < (WIDE_IPV4 if network.version == 4 else WIDE_IPV6)

    def _counted(self, term: str) -> bool:
        """Count a term that asks the DNS; return whether it is to be followed."""
        self._reading.lookups += 1
        if self._reading.lookups > LOOKUPS_LIMIT:
            self._reading.blame(SpfProblem.LOOKUPS, term)
        return self._reading.lookups <= FOLLOWED

    def _other(self, target: str, term: str, path: tuple[str, ...]) -> str:
        """Follow another domain's policy; an empty answer means that it isn't known or is void."""
        if target in path:
            self._reading.blame(SpfProblem.LOOKUPS, term)
            return ""
        found = _policies_of(target, self._known, self._reading)
        if found is None:
            return ""
        if len(found) != 1:
            self._reading.blame(SpfProblem.MULTIPLE if found else SpfProblem.EMPTY_INCLUDE, term)
            return ""
        return self.record(target, found[0], (*path, target))

    def _hosts(self, kind: str, target: str, term: str) -> None:
        kinds = ("MX",) if kind == "mx" else ("A", "AAAA")
        answers = [self._known.get(target, each) for each in kinds]
        for each, answer in zip(kinds, answers, strict=True):
            if answer is None:
                _unknown(Question(target, each), self._known, self._reading)
        if all(answer is not None and answer.reply is not Reply.ANSWERED for answer in answers):
            self._reading.voids += 1
            if self._reading.voids > VOID_LIMIT:
                self._reading.blame(SpfProblem.VOID, term)
        if kind == "mx" and answers[0] is not None and len(exchanges(answers[0].records)) > MX_LIMIT:
            self._reading.blame(SpfProblem.TOO_MANY_MX, term)
