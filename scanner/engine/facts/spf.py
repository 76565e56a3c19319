"""Reads a sender policy (SPF, RFC 7208) out of what is known of the DNS, and says what must still be asked.

One pure function serves the probe, which asks until nothing is missing, and the rules, which judge. It doesn't check a
sender: it follows every term that some sender would need, so that its counts are those of the unluckiest one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from scanner.engine.facts.domain import Answers, Question, Reply, exchanges
from scanner.engine.facts.spf_terms import Term, expand, read_policy

LOOKUPS_LIMIT = 10
"""Terms that ask the DNS, in one evaluation (RFC 7208 section 4.6.4)."""

VOID_LIMIT = 2
"""Look-ups that may find nothing (section 4.6.4)."""

MX_LIMIT = 10
"""Hosts of one ``mx`` term (section 4.6.4)."""

FOLLOWED = 20
"""Terms that we follow: enough to see that the limit is passed, however long the policy is."""


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
        policy = read_policy(text)
        if policy.wrong:
            self._reading.blame(SpfProblem.SYNTAX, policy.wrong)
            return "?"
        for term in policy.terms:
            if term.kind == "all" or (self._term(name, term, path) and term.qualifier == "+"):
                self.opener = term.text if term.qualifier == "+" else self.opener
                return term.qualifier
        redirect = f"redirect={policy.redirect}"
        if not policy.redirect or not self._counted(redirect):
            return "?"
        target = expand(policy.redirect, name, path[0])
        if "%" in target:
            self._reading.failed = True  # where it leads depends on the sender
            return "?"
        return self._other(target, redirect, path) or "?"

    def _term(self, name: str, term: Term, path: tuple[str, ...]) -> bool:
        """Follow one mechanism; return whether it matches every sender."""
        if term.kind in ("ip4", "ip6"):
            return term.is_wide
        if not self._counted(term.text):
            return False
        target = expand(term.target, name, path[0])
        if term.kind == "include" and "%" not in target:
            return self._other(target, term.text, path) == "+"
        if term.kind in ("a", "mx") and "%" not in target:
            has_hosts = self._hosts(term.kind, target or name, term.text)
            return has_hosts and term.is_wide
        return False

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

    def _hosts(self, kind: str, target: str, term: str) -> bool:
        """Look for the hosts of an ``a`` or ``mx``; return whether there are any."""
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
        return any(answer is not None and answer.records for answer in answers)
