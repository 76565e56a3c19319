"""What the configured resolver said of a registered domain: each question with its answer, unjudged.

Names are ASCII, lower case, without a final dot; the root is ``"."``. Records are text: a name for NS and CNAME, an
address for A and AAAA, ``"10 mx.example.org"`` for MX, the joined strings for TXT, and the presentation form of
RFC 1035 section 5.1 for all others. Everything is bounded and printable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

DMARC, MTA_STS, TLS_REPORTS = "DMARC1", "STSv1", "TLSRPTv1"
"""The versions by which policies are told from other TXT records (RFC 7489, RFC 8461, RFC 8460)."""

_SECOND_LEVELS = frozenset(
    {"ac", "co", "com", "ed", "edu", "go", "gob", "gouv", "gov", "gv", "mil", "ne", "net", "or", "org"}
)
"""Second levels below which the registries of countries register (``gov.cn``, ``co.uk``)."""

_CHINESE_PROVINCES = frozenset({
    "bj", "sh", "tj", "cq", "he", "sx", "nm", "ln", "jl", "hl", "js", "zj", "ah", "fj", "jx", "sd", "ha", "hb", "hn",
    "gd", "gx", "hi", "sc", "gz", "yn", "xz", "sn", "gs", "qh", "nx", "xj", "tw", "hk", "mo",
})  # fmt: skip
"""Second levels of ``.cn`` for provinces (CNNIC, domain name system of the Internet in China, 2018)."""

ROOT = "."
"""The name of the root; as the only mail exchange it says that the domain takes no mail (RFC 7505)."""


class Reply(StrEnum):
    """How a question ended. Only the first three are answers."""

    ANSWERED = "answered"
    """There are records of the type that was asked for."""
    NO_DATA = "no-data"
    """The name exists and has no such record (RFC 2308 section 2.2)."""
    NO_NAME = "no-such-name"
    """The name does not exist (RFC 2308 section 2.1): it, or what its aliases lead to."""
    FAILED = "failed"
    """No answer: SERVFAIL, REFUSED, silence, nonsense. It says nothing about the domain."""


CLIMB = 8
"""Names that are asked at most on the way from a name up to the root."""

BOGUS = "bogus"
"""Why a question failed whose signatures don't verify: refused as long as validation is not switched off."""


@dataclass(frozen=True, slots=True, order=True)
class Question:
    """One name and the type of its records that is asked for, such as ``MX``."""

    name: str
    kind: str

    def __str__(self) -> str:
        return f"{self.name} {self.kind}"


@dataclass(frozen=True, slots=True)
class DnsAnswer:
    """What the resolver said to one question.

    ``aliases`` are the names that CNAME records led to, in order. ``authentic`` tells that the resolver vouches for the
    answer by DNSSEC (AD, RFC 4035 section 3.2.3). ``zone`` is, of a question for SOA, the zone that the name lies in;
    untold of an alias. ``why`` says how a failed question failed: ``bogus``, ``timed-out``, ``malformed``,
    ``too-large``, ``unreachable``, ``no-recursion`` or the response code in lower case; of a bogus answer the aliases
    are kept, which tell whose signatures they may be that don't verify.
    """

    question: Question
    reply: Reply
    records: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    authentic: bool = False
    zone: str = ""
    why: str = ""


def is_nobodys(answer: DnsAnswer) -> bool:
    """Tell whether the name that was asked for does not exist: the name itself, not one that it is an alias of."""
    return answer.reply is Reply.NO_NAME and not answer.aliases


@dataclass(frozen=True, slots=True)
class DomainFacts:
    """A domain and all that was asked about it.

    ``names`` are the host names within the domain that its owner registered. ``stranger`` is one that we made up.
    """

    name: str
    names: tuple[str, ...] = ()
    stranger: str = ""
    answers: tuple[DnsAnswer, ...] = ()

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names whose addresses were asked for: where web sites are, and what is registered."""
        return tuple(dict.fromkeys((*web_names(self.name), *self.names)))

    def as_told(self, name: str) -> str:
        """Return how a name is told: the one that we made up differs from look to look, and stands for all names."""
        return f"*.{self.name}" if name == self.stranger else name


class Answers:
    """The answers by their question."""

    def __init__(self, answers: Iterable[DnsAnswer]) -> None:
        self._known: Mapping[Question, DnsAnswer] = {answer.question: answer for answer in answers}

    def get(self, name: str, kind: str) -> DnsAnswer | None:
        """Return the answer to a question, or None when it was not asked or failed."""
        answer = self._known.get(Question(name, kind))
        return None if answer is None or answer.reply is Reply.FAILED else answer

    def records(self, name: str, kind: str) -> tuple[str, ...] | None:
        """Return the records of ``name``, none when there are none, or None when that is unknown."""
        answer = self.get(name, kind)
        return None if answer is None else answer.records

    def zone(self, name: str) -> str:
        """Return the zone that ``name`` lies in: itself, where it was delegated; empty when that is unknown."""
        answer = self.get(name, "SOA")
        return answer.zone if answer else ""

    def knows(self, question: Question) -> bool:
        """Tell whether the question was asked, even if in vain."""
        return question in self._known


def exchanges(records: Iterable[str]) -> tuple[str, ...]:
    """Return the hosts that MX records name, most preferred first; none for a null MX (RFC 7505)."""
    pairs = sorted((int(preference), host) for preference, _, host in (each.partition(" ") for each in records))
    return tuple(dict.fromkeys(host for _, host in pairs if host != ROOT))


def versioned(records: Iterable[str], version: str) -> tuple[str, ...]:
    """Return the TXT records that begin with ``v=version``, as policies of tags do (RFC 7489 section 6.4)."""
    form = re.compile(rf"[vV]\s*=\s*{re.escape(version)}\s*(;|$)")
    return tuple(record for record in records if form.match(record))


def tags(record: str) -> Mapping[str, str]:
    """Return the tags of a policy by their lower-case name, ``p=none; rua=…``; the first of each counts."""
    pairs = [part.partition("=") for part in record.split(";") if "=" in part]
    return {name.strip().lower(): value.strip() for name, _, value in reversed(pairs)}


def web_names(domain: str) -> tuple[str, ...]:
    """Return the names of a domain whose addresses are asked for although nobody registered them."""
    return domain, f"www.{domain}"


def upwards(name: str, least_labels: int) -> tuple[str, ...]:
    """Return ``name`` and its nearest parents, as long as they have ``least_labels`` labels."""
    labels = name.split(".")
    return tuple(".".join(labels[start:]) for start in range(len(labels) - least_labels + 1))[:CLIMB]


def is_registry(name: str) -> bool:
    """Tell whether many organisations register names below ``name``, as far as a few common rules tell.

    The DNS itself doesn't say. Top levels always are; of second levels those of countries' registries.
    """
    second, _, top = name.partition(".")
    if "." in top or len(top) != 2:
        return not top
    return second in _SECOND_LEVELS or (top == "cn" and second in _CHINESE_PROVINCES)


def within_owner(name: str) -> tuple[str, ...]:
    """Return ``name`` and those above it that belong to the same organisation, as far as can be told."""
    return tuple(each for each in upwards(name, 2) if each == name or not is_registry(each))


def lies_in(name: str, domain: str) -> bool:
    """Tell whether ``name`` is ``domain`` or lies below it."""
    return name == domain or name.endswith(f".{domain}")
