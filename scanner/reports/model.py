"""All that a report says about one organisation after one round, as immutable data.

There are no sentences here: titles, impact and fix come from the catalogue and everything else from the locale
when a report is rendered. Times are UTC; :attr:`Organisation.time_zone` says how to show them. Lists are already
in the order in which they are to be shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from scanner.engine.model import Confidence, Exchange, Facet, GapReason, Level, Outcome, Severity, Transport, Vantage
from scanner.remediation.score import OrganisationScore
from scanner.reports.places import CertificateUse, InventoryHost, Place, ProductAge


@dataclass(frozen=True, slots=True)
class Name:
    """A name in both languages; either may be empty, not both."""

    zh: str
    en: str


@dataclass(frozen=True, slots=True)
class Organisation:
    """``language`` is ``zh-Hans`` or ``en``, ``time_zone`` an IANA name, ``supervisor`` the organisation above it."""

    slug: str
    name: Name
    language: str
    time_zone: str
    supervisor: Name | None


@dataclass(frozen=True, slots=True)
class Authorisation:
    """Who allowed the inspection, on what document, how deep, up to, not including, ``until``; None: no end set."""

    reference: str
    granted_by: str
    level: Level
    since: datetime | None
    until: datetime | None


@dataclass(frozen=True, slots=True)
class RoundInfo:
    """The round this report is about. ``finished`` is None when it was interrupted.

    ``part`` is the kind (a value of ``rounds.models.PlanKind``) of a round that looked at a part of what is registered
    only; empty for one that was about all of it.
    """

    serial: int
    started: datetime
    finished: datetime | None
    profile: str
    ports: str
    vantages: tuple[Vantage, ...]
    part: str = ""


@dataclass(frozen=True, slots=True)
class ScoreChange:
    """Both scores over the ``hosts`` that were inspected in this round and in the one before."""

    before: float
    now: float
    hosts: int
    previous_round: int


@dataclass(frozen=True, slots=True)
class SeverityCount:
    """Open findings of one severity. ``overdue`` of them have passed their deadline."""

    severity: Severity
    open: int
    overdue: int


@dataclass(frozen=True, slots=True)
class Gauge:
    """How old the open findings of one severity are. ``oldest`` is when the one was first seen that is open longest.

    ``reported`` and ``deadline`` are those of the finding that has used up most of the time it was given, and ``used``
    the share of it (1: all of it, more: overdue); None where no finding has a deadline.
    """

    severity: Severity
    open: int
    overdue: int
    oldest: datetime | None
    reported: datetime | None
    deadline: datetime | None
    used: float | None


@dataclass(frozen=True, slots=True)
class RiskyService:
    """A kind of services that attackers look for, and where strangers reach one: in ``places``, ``new`` of them since
    this round. ``kind`` is a key of ``scanner.reports.risky``. What was not inspected is in none of the places.
    """

    kind: str
    places: tuple[Place, ...]
    new: tuple[Place, ...]


@dataclass(frozen=True, slots=True)
class NextRound:
    """When the next round of a routine plan that covers the organisation is due, before any putting off."""

    plan: str
    due: datetime


@dataclass(frozen=True, slots=True)
class Contact:
    """Someone of the organisation who can act; ``role`` is a value of ``targets.models.ContactRole``."""

    name: str
    role: str


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do: the same check, everywhere it was found. ``deadline`` is the earliest.

    ``who`` is the kind of people whose work it is: a key of ``who`` in the locale.
    """

    check: str
    severity: Severity
    places: tuple[Place, ...]
    deadline: datetime | None
    overdue: bool
    who: str = "system"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened to a finding; ``kind`` is the value of ``remediation.lifecycle.Happened``.

    ``round`` tells it, None for what people or time did. ``before`` and ``after`` are severities, where that changed.
    """

    kind: str
    at: datetime
    round: int | None
    before: Severity | None = None
    after: Severity | None = None


@dataclass(frozen=True, slots=True)
class Exemption:
    """An exemption that holds, or is asked for; ``kind`` and ``state`` are values of ``remediation.models``.

    It ends at ``until``, which it does not include.
    """

    kind: str
    state: str
    owner: str
    reason: str
    proof: str
    until: datetime
    requested: datetime
    decided: datetime | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding as it stands after the round.

    ``state`` is the value of ``remediation.lifecycle.State``. ``params`` fill the catalogue's evidence and verify
    texts. ``seen_now`` is False when this round could not look: the finding stays as it was. ``known_exploited``
    tells that it is listed as exploited in the wild. ``recurrences`` counts how often it came back. ``reported`` is
    when its organisation was told, ``claimed`` when that said it was fixed, while no inspection has confirmed it.
    ``exemption`` holds, or is asked for. ``history`` leaves out the rounds that merely saw it again. ``products`` are
    the ids (``engine.intel.products``) of what was recognised at the place.
    """

    number: int
    check: str
    state: str
    severity: Severity
    confidence: Confidence
    place: Place
    service: str
    params: tuple[tuple[str, str], ...]
    exchanges: tuple[Exchange, ...]
    cwe: tuple[int, ...]
    references: tuple[str, ...]
    known_exploited: bool
    key_target: bool
    first_seen: datetime
    last_seen: datetime
    last_inspected: datetime
    fixed: datetime | None
    deadline: datetime | None
    overdue: bool
    recurrences: int
    seen_now: bool
    reported: datetime | None = None
    claimed: datetime | None = None
    exemption: Exemption | None = None
    history: tuple[Event, ...] = ()
    products: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Proof:
    """Why a finding counts as fixed: two looks of this round that covered it and did not see it."""

    finding: Finding
    first_look: datetime
    second_look: datetime


@dataclass(frozen=True, slots=True)
class Changes:
    """What this round changed. ``still_open`` were seen again, ``not_inspected`` stay open because nobody could look.

    ``overdue`` are open past their deadline, the longest overdue first. ``accepted`` holds accepted risks and false
    positives; they do not enter the score.
    """

    new: tuple[Finding, ...]
    reopened: tuple[Finding, ...]
    fixed: tuple[Proof, ...]
    still_open: tuple[Finding, ...]
    not_inspected: tuple[Finding, ...]
    accepted: tuple[Finding, ...]
    overdue: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """How the organisation stood after a whole round. ``score`` is None when nothing was inspected.

    ``open`` counts findings by severity, worst first. ``fixed`` were proven fixed since the round before, in
    ``median_days`` and at most ``longest_days`` from when they were opened; None when nothing was.
    """

    round: int
    at: datetime
    score: float | None
    coverage: float
    open: tuple[SeverityCount, ...]
    fixed: int
    median_days: float | None
    longest_days: float | None


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something was not inspected. ``port`` None means the whole host, ``facet`` None everything there.

    With ``check`` the facet was inspected, and that check alone could not be told.
    """

    reason: GapReason
    facet: Facet | None
    port: int | None
    transport: Transport
    detail: str
    check: str = ""


@dataclass(frozen=True, slots=True)
class NotInspected:
    """A host that was not, or only partly, inspected. ``address`` is empty when the name did not resolve."""

    target: str
    host: str
    address: str
    outcome: Outcome
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, slots=True)
class Coverage:
    """What the round looked at. ``targets`` are registered entries; all the others count hosts (addresses).

    ``not_inspected`` counts hosts with outcome unreachable, refused or error; ``gaps`` lists these, the partly
    inspected ones, and those of which a port or a check was left out, with their reasons. ``share`` (0 to 1) is
    inspected plus partial over all hosts.
    ``ports`` counts open ports; ``connections``, ``requests`` and ``datagrams`` are what our probes sent in the first
    looks, and ``busiest`` is the most connections that one of them made.
    ``unused`` addresses of registered networks, where nothing has ever answered, are in no other count.
    """

    targets: int
    hosts: int
    inspected: int
    partial: int
    not_inspected: int
    share: float
    gaps: tuple[NotInspected, ...]
    ports: int
    connections: int
    requests: int
    datagrams: int
    busiest: int
    unused: int = 0


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that took part, and its version."""

    name: str
    version: str


@dataclass(frozen=True, slots=True)
class Method:
    """How it was inspected: tools, and the ways port discovery worked (``syn``, ``connect``, ``udp``)."""

    tools: tuple[Tool, ...]
    discovery: tuple[str, ...]
    levels: tuple[Level, ...]


@dataclass(frozen=True, slots=True)
class ReportModel:
    """The report on one organisation after one round.

    ``fix_first`` holds at most five actions. ``findings`` are all that are open (claimed and accepted ones
    included, see ``state``), worst first; the fixed ones are in ``changes.fixed`` only. ``trend`` holds at most 30
    whole rounds, the oldest first, this one being the last; it is empty when this one is the only one, or is about a
    part. ``certificates`` come in the order in which they expire, ``products`` with the end of life that is nearest, or
    longest past, first. ``next_round`` None: no routine round is planned.
    """

    organisation: Organisation
    round: RoundInfo
    generated: datetime
    authorisations: tuple[Authorisation, ...]
    score: OrganisationScore
    score_change: ScoreChange | None
    counts: tuple[SeverityCount, ...]
    fix_first: tuple[Action, ...]
    changes: Changes
    coverage: Coverage
    findings: tuple[Finding, ...]
    inventory: tuple[InventoryHost, ...]
    method: Method
    gauges: tuple[Gauge, ...] = ()
    risky: tuple[RiskyService, ...] = ()
    next_round: NextRound | None = None
    trend: tuple[TrendPoint, ...] = ()
    contacts: tuple[Contact, ...] = ()
    certificates: tuple[CertificateUse, ...] = ()
    products: tuple[ProductAge, ...] = ()

    @property
    def saw_all(self) -> bool:
        """Whether the round was about all that is registered, and nothing of that was left out."""
        seen = self.coverage
        left_out = self.round.part or seen.gaps or seen.partial or seen.not_inspected
        return self.round.finished is not None and not left_out
