"""All that a bulletin (通报) says about the units below one organisation in one period, as immutable data.

There are no sentences here. Times are UTC. Hints and what is merely possible are in no number but
:attr:`BulletinModel.possible`: nobody is criticised for what may not be there. How things stood, and what was fixed, is
taken from the history of the findings, so that a bulletin on a period that is over says what it would have said then;
severities and deadlines are those that the findings have now.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from scanner.engine.model import Severity
from scanner.remediation.score import Grade
from scanner.reports.model import Organisation
from scanner.reports.places import Place


class Unranked(StrEnum):
    """Why a unit is not compared with others; the first that holds."""

    UNAUTHORISED = "unauthorised"
    NOT_INSPECTED = "not-inspected"
    NOTHING_SEEN = "nothing-seen"
    LOW_COVERAGE = "low-coverage"
    FEW_HOSTS = "few-hosts"


@dataclass(frozen=True, slots=True)
class Unit:
    """One organisation, by its slug and names; without names by ``letter`` (A, B, …, AA) alone."""

    slug: str = ""
    zh: str = ""
    en: str = ""
    letter: str = ""


@dataclass(frozen=True, slots=True)
class Period:
    """From ``since`` up to, not including, ``until``. ``end`` is how far it had come when the bulletin was made."""

    since: datetime
    until: datetime
    end: datetime

    @property
    def before(self) -> datetime:
        """The beginning of the period of the same length before this one."""
        return self.since - (self.until - self.since)


@dataclass(frozen=True, slots=True)
class Rate:
    """``part`` of ``whole``. ``share`` is 0 to 1, None of nothing; a version without names holds nothing else."""

    share: float | None
    part: int | None = None
    whole: int | None = None


def rate(part: int, whole: int) -> Rate:
    """Return ``part`` of ``whole``."""
    return Rate(part / whole if whole else None, part, whole)


@dataclass(frozen=True, slots=True)
class Progress:
    """What became of findings in a period.

    ``rectified``: of those that were to be fixed at any time of it, those that were proven fixed at its end; accepted
    risks and false positives are left out. ``on_time``: of those whose deadline fell into it, those fixed by then; what
    a unit reported as fixed, and an inspection later proved, counts from the report. ``recurred``: of those that had
    been proven fixed in it or in the 90 days before it, those that came back in it.
    """

    rectified: Rate
    on_time: Rate
    recurred: Rate


@dataclass(frozen=True, slots=True)
class SeverityLine:
    """Findings of one severity. ``open`` is ``open_before`` and ``found`` without ``fixed`` and ``exempted``.

    ``found`` were to be fixed during the period, but not at its beginning; what came back is among them, unless it had
    been open at the beginning, too. ``exempted`` are those of both that were accepted, or wrong, at the end.
    """

    severity: Severity
    open: int
    open_before: int
    found: int
    fixed: int
    exempted: int
    overdue: int


@dataclass(frozen=True, slots=True)
class UnitRow:
    """How one unit compares. The score is that of its newest whole round in the period, as its own report shows it.

    ``ranked_by`` is that score without what is merely possible; equal ones, with one decimal, share a ``rank``.
    ``change`` is against its last whole round before the period, over the hosts that both inspected. ``serious`` counts
    critical and high findings. Counts are None in a version without names, as they would tell how large a unit is.
    """

    unit: Unit
    rank: int | None
    unranked: Unranked | None
    score: float | None
    ranked_by: float | None
    grade: Grade | None
    change: float | None
    inspected: datetime | None
    coverage: float | None
    hosts: int | None
    open: int | None
    serious: int | None
    overdue: int | None
    progress: Progress


@dataclass(frozen=True, slots=True)
class Late:
    """An overdue finding."""

    number: int
    check: str
    severity: Severity
    place: Place
    deadline: datetime


@dataclass(frozen=True, slots=True)
class LateUnit:
    """The overdue findings of one unit: how many, and the worst of them, the longest overdue first."""

    unit: Unit
    total: int
    serious: int
    findings: tuple[Late, ...]


@dataclass(frozen=True, slots=True)
class Weakness:
    """One check: its worst severity, and on how many units, and in how many places, it is open."""

    check: str
    severity: Severity
    units: int
    places: int | None


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign (专项检查) that had rounds in the period, as far as it concerned these units.

    ``missed`` hosts could not be inspected. ``found`` counts findings that its rounds saw, without what is exempt,
    ``fixed`` those of them that are proven fixed. ``name`` is empty in a version without names.
    """

    name: str
    checks: tuple[str, ...]
    running: bool
    rounds: int
    hosts: int
    missed: int
    found: int
    fixed: int


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """After a day on which rounds ended: the mean score of the adequately covered ``units``, and what was open."""

    at: datetime
    score: float | None
    units: int
    open: tuple[tuple[Severity, int], ...]


@dataclass(frozen=True, slots=True)
class Situation:
    """The whole in numbers. ``organisations`` are all, ``units`` those that registered anything, ``inspected`` those of
    them of which a whole round in the period inspected any host. ``hosts`` are those of all units that had such a
    round; of ``hosts_whole`` it is known that nothing of them was left out.

    ``score`` is the mean of the ranked units by their weight; ``change`` compares those that could be ranked in the
    period before as well (``compared``).
    """

    organisations: int
    units: int
    inspected: int
    ranked: int
    hosts: int
    hosts_inspected: int
    score: float | None
    change: float | None
    compared: int
    hosts_whole: int = 0


@dataclass(frozen=True, slots=True)
class BulletinModel:
    """The bulletin. ``office`` tells that it is about everyone; then ``organisation`` is the office itself.

    ``ranked`` is best first, ``others`` by name; both by letter in a version without names (``anonymous``), and empty
    where there are too few units to stay unnamed (``withheld``). ``weaknesses`` are those of most units first, ``late``
    the units with most serious overdue findings. ``possible`` findings are open and to be checked.
    """

    organisation: Organisation
    office: bool
    anonymous: bool
    withheld: bool
    period: Period
    generated: datetime
    situation: Situation
    severities: tuple[SeverityLine, ...]
    possible: int
    progress: Progress
    progress_before: Progress
    ranked: tuple[UnitRow, ...]
    others: tuple[UnitRow, ...]
    reasons: tuple[tuple[Unranked, int], ...]
    late: tuple[LateUnit, ...]
    weaknesses: tuple[Weakness, ...]
    campaigns: tuple[Campaign, ...]
    trend: tuple[TrendPoint, ...]

    @property
    def saw_all(self) -> bool:
        """Whether whole rounds of the period inspected every host of every unit, and none in part only."""
        now = self.situation
        return now.inspected == now.units and now.hosts_whole == now.hosts

    @property
    def open(self) -> int:
        """How many findings are open at the end."""
        return sum(each.open for each in self.severities)

    @property
    def overdue(self) -> int:
        """How many of them are overdue."""
        return sum(each.overdue for each in self.severities)
