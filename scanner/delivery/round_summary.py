"""How a round went, for those who run the installation: duration, coverage, failures, slow hosts, deliveries."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from django.db.models import Count, DurationField, ExpressionWrapper, F, Q, Sum

from scanner.delivery.models import Message, MessageKind, MessageState
from scanner.engine.model import GapReason, Outcome
from scanner.remediation.keys import LOOKED
from scanner.remediation.lifecycle import Happened
from scanner.remediation.models import FindingEvent, RoundScore
from scanner.remediation.scores import load_score, unused_in
from scanner.reports.model import Name
from scanner.rounds.models import HostResult, Job, LookNumber, Round
from targets.models import Organisation

SLOWEST = 10
"""Hosts that are named as the slowest."""

SET_ASIDE = 50
"""Hosts that are named whose inspection failed; all are counted."""

SCHEMA = "roundsman.round-summary/1"

_KEYED_BY_ROUND = (MessageKind.ROUND_REPORT, MessageKind.REINSPECTION, MessageKind.RECURRENCE)


@dataclass(frozen=True, slots=True)
class Coverage:
    """Hosts by how their inspection ended; ``unused`` addresses of networks, which never answered, are in no other."""

    hosts: int
    inspected: int
    partial: int
    missed: int
    unused: int


@dataclass(frozen=True, slots=True)
class Named:
    """A host of an organisation; ``seconds`` is how long its first look took."""

    organisation: Name
    host: str
    seconds: float
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Work:
    """Jobs of the round. ``retried`` were begun more than once; ``failures`` counts processes that died under them,
    ``losses`` workers that did."""

    jobs: int
    retried: int
    failures: int
    losses: int


@dataclass(frozen=True, slots=True)
class Found:
    """What became of findings in the round."""

    new: int
    reopened: int
    fixed: int


@dataclass(frozen=True, slots=True)
class Mails:
    """Mails that tell of the round, by what became of them; urgent alerts during the round are among them."""

    sent: int
    waiting: int
    dead: int
    cancelled: int


@dataclass(frozen=True, slots=True)
class OrganisationLine:
    """One organisation's part of the round. ``score`` is None where nothing could be scored."""

    slug: str
    name: Name
    coverage: Coverage
    score: float | None
    found: Found
    mails: Mails


@dataclass(frozen=True, slots=True)
class RoundSummary:
    """All of it. Times are UTC; ``seconds`` is from the first packet to the last result, None before that.

    ``missed`` earlier due times are made up for by this round. ``gaps`` counts hosts by why they were not, or not
    wholly, inspected, most frequent first; a host may have several reasons.
    """

    number: int
    kind: str
    plan: str
    state: str
    requested_by: str
    due: datetime | None
    missed: int
    started: datetime | None
    finished: datetime | None
    seconds: float | None
    work: Work
    coverage: Coverage
    gaps: tuple[tuple[GapReason, int], ...]
    failed: int
    set_aside: tuple[Named, ...]
    slowest: tuple[Named, ...]
    found: Found
    mails: Mails
    organisations: tuple[OrganisationLine, ...]


def round_summary(this: Round) -> RoundSummary:
    """Return how the round went, up to now, in a number of queries that doesn't depend on how much it inspected.

    Raises ``InputError`` when its results were pruned.
    """
    this.need_facts()
    results = HostResult.objects.filter(round=this, look=LookNumber.FIRST)
    unused = unused_of(this)
    coverage = _coverage(this, unused)
    events = _events(this)
    mails = _mails(this)
    scores = {row.organisation_id: load_score(row).value for row in RoundScore.objects.filter(round=this)}
    failed = results.filter(outcome=Outcome.ERROR)
    span = ExpressionWrapper(F("finished") - F("started"), output_field=DurationField())
    slow = results.filter(outcome__in=LOOKED).annotate(span=span).order_by("-span", "pk")
    lines = tuple(
        OrganisationLine(
            slug=each.slug,
            name=Name(each.name_zh, each.name_en),
            coverage=coverage.get(each.pk, Coverage(0, 0, 0, 0, 0)),
            score=scores.get(each.pk),
            found=_found(events.get(each.pk, Counter())),
            mails=_counted(mails[each.pk]),
        )
        for each in this.organisations.order_by("slug")
    )
    done = this.finished is not None and this.started is not None
    return RoundSummary(
        number=this.pk,
        kind=this.kind,
        plan=this.plan.name if this.plan else "",
        state=this.state,
        requested_by=this.requested_by,
        due=this.due,
        missed=this.missed,
        started=this.started,
        finished=this.finished,
        seconds=(this.finished - this.started).total_seconds() if done and this.finished and this.started else None,
        work=_work(this),
        coverage=_sum(each.coverage for each in lines),
        gaps=_gaps(this, unused),
        failed=failed.count(),
        set_aside=_named(failed.order_by("pk")[:SET_ASIDE]),
        slowest=_named(slow[:SLOWEST]),
        found=_found(sum(events.values(), Counter())),
        mails=_counted(sum(mails.values(), Counter())),
        organisations=lines,
    )


def outcomes(this: Round, unused: Mapping[int, int]) -> Mapping[int, tuple[Coverage, Found]]:
    """Return what a round covered and found up to now, by organisation; two queries, and no facts are read. ``unused``
    are those of :func:`unused_of`."""
    coverage, events = _coverage(this, unused), _events(this)
    nothing = Coverage(0, 0, 0, 0, 0)
    return {
        owner: (coverage.get(owner, nothing), _found(events.get(owner, Counter()))) for owner in {*coverage, *events}
    }


def coverage_of(this: Round) -> Coverage:
    """Return what a round covered up to now, of all its organisations together; two queries."""
    return _sum(_coverage(this, unused_of(this)).values())


def summary_json(summary: RoundSummary) -> str:
    """Return the summary as JSON with sorted keys; times in UTC, durations in seconds."""
    document = asdict(summary) | {"schema": SCHEMA, "gaps": dict(summary.gaps)}
    return json.dumps(document, ensure_ascii=False, sort_keys=True, indent=2, default=datetime.isoformat) + "\n"


def unused_of(this: Round) -> Mapping[int, int]:
    """Return the results of addresses that nobody uses, of everyone at once, each with its organisation."""
    return {each.result: each.organisation for each in unused_in([this.pk])}


def _coverage(this: Round, unused: Mapping[int, int]) -> Mapping[int, Coverage]:
    rows = HostResult.objects.filter(round=this, look=LookNumber.FIRST).order_by()
    ended: dict[int, Counter[str]] = defaultdict(Counter)
    for owner, outcome, n in rows.values_list("organisation", "outcome").annotate(n=Count("pk")):
        ended[owner][outcome] = n
    for owner, n in Counter(unused.values()).items():
        ended[owner] += Counter({"unused": n})
        ended[owner][Outcome.UNREACHABLE] -= n
    return {owner: _coverage_of(counted) for owner, counted in ended.items()}


def _coverage_of(counted: Counter[str]) -> Coverage:
    hosts = counted.total() - counted["unused"]
    inspected, partial = counted[Outcome.INSPECTED], counted[Outcome.PARTIAL]
    return Coverage(hosts, inspected, partial, hosts - inspected - partial, counted["unused"])


def _sum(parts: Iterable[Coverage]) -> Coverage:
    listed = list(parts)
    return Coverage(
        hosts=sum(each.hosts for each in listed),
        inspected=sum(each.inspected for each in listed),
        partial=sum(each.partial for each in listed),
        missed=sum(each.missed for each in listed),
        unused=sum(each.unused for each in listed),
    )


def _gaps(this: Round, unused: Mapping[int, int]) -> tuple[tuple[GapReason, int], ...]:
    rows = HostResult.objects.filter(round=this, look=LookNumber.FIRST).exclude(outcome=Outcome.INSPECTED)
    counted: Counter[GapReason] = Counter()
    for row in rows.order_by("pk").iterator(chunk_size=100):
        if row.pk not in unused:
            counted.update({gap.reason for gap in row.inspection().coverage.gaps})
    return tuple(sorted(counted.items(), key=lambda pair: (-pair[1], pair[0])))


def _named(rows: Iterable[HostResult]) -> tuple[Named, ...]:
    listed = list(rows)
    owners = Organisation.objects.in_bulk({row.organisation_id for row in listed})
    names = {pk: Name(each.name_zh, each.name_en) for pk, each in owners.items()}
    return tuple(
        Named(names[row.organisation_id], row.host, (row.finished - row.started).total_seconds(), Outcome(row.outcome))
        for row in listed
    )


def _work(this: Round) -> Work:
    jobs = Job.objects.filter(round=this).aggregate(
        n=Count("pk"),
        retried=Count("pk", filter=Q(attempt__gt=1)),
        failures=Sum("failures", default=0),
        losses=Sum("losses", default=0),
    )
    return Work(jobs["n"], jobs["retried"], jobs["failures"], jobs["losses"])


def _events(this: Round) -> Mapping[int, Counter[str]]:
    kinds = (Happened.OPENED, Happened.REOPENED, Happened.FIXED)
    rows = FindingEvent.objects.filter(round=this, kind__in=kinds).order_by()
    events: dict[int, Counter[str]] = defaultdict(Counter)
    for owner, kind, n in rows.values_list("finding__organisation", "kind").annotate(n=Count("pk")):
        events[owner][kind] = n
    return events


def found_in(this: Round) -> Mapping[int, Found]:
    """Return what became of findings in a round, by the number of the organisation."""
    return {owner: _found(events) for owner, events in _events(this).items()}


def _found(events: Counter[str]) -> Found:
    return Found(events[Happened.OPENED], events[Happened.REOPENED], events[Happened.FIXED])


def _mails(this: Round) -> Mapping[int, Counter[str]]:
    """Count, by organisation and state, the mails that tell of the round."""
    notices = {str(pk) for pk in this.notices.values_list("pk", flat=True)}
    rows = Message.objects.filter(organisation__rounds=this, created__gte=this.started or this.created)
    mails: dict[int, Counter[str]] = defaultdict(Counter)
    for owner, kind, key, state, created in rows.values_list("organisation", "kind", "key", "state", "created"):
        about = key.split(":")[1]
        urgent = kind == MessageKind.URGENT_ALERT and (this.followed is None or created <= this.followed)
        ours = kind in _KEYED_BY_ROUND and about == str(this.pk)
        if owner is not None and (ours or urgent or (kind == MessageKind.NOTICE and about in notices)):
            mails[owner][state] += 1
    return mails


def _counted(states: Counter[str]) -> Mails:
    return Mails(
        sent=states[MessageState.SENT],
        waiting=states[MessageState.QUEUED] + states[MessageState.SENDING],
        dead=states[MessageState.DEAD],
        cancelled=states[MessageState.CANCELLED],
    )
