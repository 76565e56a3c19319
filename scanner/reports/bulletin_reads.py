"""Reads what a bulletin rests on, in a number of queries that doesn't depend on how many organisations there are."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

from django.db.models import Count, F, Q

from scanner.engine.model import Confidence, Outcome, Severity, Transport
from scanner.remediation.keys import LOOKED
from scanner.remediation.lifecycle import Happened
from scanner.remediation.models import Exemption, Finding, FindingEvent, RoundScore
from scanner.remediation.part import Register
from scanner.remediation.score import OrganisationScore
from scanner.remediation.scores import load_score, unused_in
from scanner.reports.bulletin_history import AFTER, Event, Life
from scanner.reports.bulletin_model import Period
from scanner.reports.places import Place
from scanner.rounds.models import HostResult, LookNumber, PlanKind, Round, RoundState, whole
from targets.models import Authorisation, Organisation, Target

HISTORY = timedelta(days=365)
"""How far back scores are looked at."""

_SEEN = (Happened.OPENED, Happened.SEEN, Happened.REOPENED, Happened.CLAIM_REFUTED)


@dataclass(frozen=True, slots=True)
class Subtree:
    """The organisations that a bulletin is about. ``units`` are those that registered anything, by primary key."""

    organisations: Mapping[int, Organisation]
    units: Mapping[int, Organisation]
    registers: Mapping[int, Register]
    authorised: frozenset[int]
    everyone: bool

    def mine(self, prefix: str = "organisation") -> Q:
        """Return the condition that a row belongs to one of them; ``prefix`` leads to its organisation."""
        if self.everyone:
            return Q(**{f"{prefix}__retired_at": None})
        return Q(**{f"{prefix}__in": list(self.organisations)})


@dataclass(frozen=True, slots=True)
class Scored:
    """That a unit was scored after a whole round."""

    number: int
    organisation: int
    round: int
    finished: datetime


@dataclass(frozen=True, slots=True)
class Hosts:
    """Hosts of one unit in one round; addresses that were never used are in none. Of those ``inspected`` it is known
    of ``whole`` that nothing was left out.
    """

    all: int
    inspected: int
    whole: int = 0


@dataclass(frozen=True, slots=True)
class CampaignRows:
    """What the rounds of one campaign did: finding numbers, and hosts by (organisation, address, name)."""

    name: str
    checks: tuple[str, ...]
    running: bool
    rounds: int
    looked: frozenset[tuple[int, str, str]]
    asked: frozenset[tuple[int, str, str]]
    found: frozenset[int]


def subtree(top: Organisation | None, at: datetime) -> Subtree:
    """Return the active organisations at and below ``top``, all of them for None; authorised are those at ``at``."""
    every = {each.pk: each for each in Organisation.objects.order_by("slug")}
    below = every if top is None else _below(top, every)
    chosen = {pk: each for pk, each in below.items() if each.retired_at is None}
    values: dict[int, list[str]] = defaultdict(list)
    for owner, value in Target.objects.filter(retired_at=None).order_by().values_list("organisation", "value"):
        values[owner].append(value)
    units = {pk: each for pk, each in chosen.items() if values.get(pk) or each.domains}
    valid = Authorisation.objects.filter(valid_from__lte=at, valid_until__gt=at)
    in_force = valid.filter(Q(retired_at=None) | Q(retired_at__gt=at)).values_list("organisation", flat=True)
    return Subtree(
        organisations=chosen,
        units=units,
        registers={pk: Register(each, values.get(pk, ())) for pk, each in units.items()},
        authorised=frozenset(in_force),
        everyone=top is None,
    )


def _below(top: Organisation, every: Mapping[int, Organisation]) -> dict[int, Organisation]:
    """Return the organisations at and below ``top``; what a retired one supervised stays below those above it."""
    children: dict[int | None, list[int]] = defaultdict(list)
    for pk, each in every.items():
        children[each.parent_id].append(pk)
    found: dict[int, Organisation] = {}
    left = [top.pk]
    while left:
        pk = left.pop()
        found[pk] = every[pk]
        left += children[pk]
    return dict(sorted(found.items(), key=lambda pair: pair[1].slug))


def scorings(those: Subtree, period: Period) -> list[Scored]:
    """Return when each unit was scored after a whole round, oldest first, within a year before the end."""
    rows = RoundScore.objects.filter(
        whole("round__"),
        those.mine(),
        round__followed__isnull=False,
        round__finished__lt=period.end,
        round__finished__gte=period.end - HISTORY,
    ).exclude(round__state=RoundState.CANCELLED)
    values = rows.order_by("round__finished", "round").values_list("pk", "organisation", "round", "round__finished")
    return [
        Scored(number, owner, this, finished)
        for number, owner, this, finished in values.iterator(chunk_size=5000)
        if owner in those.units and finished is not None
    ]


def scores(wanted: Iterable[Scored]) -> dict[int, OrganisationScore]:
    """Return the scores, with all their terms, by number."""
    rows = RoundScore.objects.filter(pk__in=[each.number for each in wanted])
    return {row.pk: load_score(row) for row in rows.iterator(chunk_size=500)}


def values_since(those: Subtree, since: datetime, end: datetime) -> dict[int, float]:
    """Return the score alone, by number, where it is of an adequately covered unit."""
    rows = RoundScore.objects.filter(
        whole("round__"), those.mine(), round__finished__gte=since, round__finished__lt=end
    ).order_by()
    return {
        number: value
        for number, value, provisional, grade in rows.values_list("pk", "value", "provisional", "grade").iterator(
            chunk_size=5000
        )
        if value is not None and not provisional and grade
    }


def hosts_of(newest: Mapping[int, Scored], found: Mapping[int, OrganisationScore], those: Subtree) -> dict[int, Hosts]:
    """Return the hosts of each unit in its newest round. What was pruned is taken from the score."""
    rounds = {each.round for each in newest.values()}
    rows = (
        HostResult.objects.filter(those.mine(), round__in=rounds, look=LookNumber.FIRST)
        .order_by()
        .values_list("organisation", "round")
        .annotate(
            n=Count("pk"),
            looked=Count("pk", filter=Q(outcome__in=LOOKED)),
            whole=Count("pk", filter=Q(outcome=Outcome.INSPECTED)),
        )
    )
    counted = {(owner, number): counts for owner, number, *counts in rows}
    unused = _unused({owner: each.round for owner, each in newest.items() if not found[each.number].coverage})
    hosts = {}
    for owner, scored in newest.items():
        score = found[scored.number]
        asked, looked, in_whole = counted.get((owner, scored.round), (0, 0, 0))
        inspected = looked or len(score.hosts)
        # The score knows which silent addresses were never used; its coverage is inspected over all others.
        every = round(inspected / score.coverage) if score.coverage else asked - unused[owner]
        hosts[owner] = Hosts(every, inspected, in_whole)
    return hosts


def _unused(rounds: Mapping[int, int]) -> Counter[int]:
    """Count the addresses that nobody uses, of units of which a round inspected nothing."""
    found = unused_in(set(rounds.values())) if rounds else []
    return Counter(each.organisation for each in found if rounds.get(each.organisation) == each.round)


def lives(those: Subtree, period: Period) -> tuple[dict[int, Life], dict[int, Place]]:
    """Return the findings that have a history before the end, and where they are; of places that are not registered
    any more only those that are fixed."""
    asked = set(
        Exemption.objects.filter(those.mine("finding__organisation"), requested_at__lt=period.end)
        .filter(Q(decided_at=None) | Q(decided_at__gte=period.end))
        .values_list("finding", flat=True)
    )
    events = _events(those, period)

    @cache
    def registered(owner: int, host: str, transport: str) -> bool:
        register = those.registers.get(owner)
        return register is not None and register.has(host, transport)

    severities = {str(each): each for each in Severity}
    sureness = {str(each): each for each in Confidence}
    rows = Finding.objects.filter(those.mine(), first_seen__lt=period.end).values_list(
        "pk", "organisation", "host", "port", "transport", "check_id", "severity", "confidence", "deadline", "fixed"
    )
    found: dict[int, Life] = {}
    places: dict[int, Place] = {}
    for pk, owner, host, port, transport, check, severity, sure, deadline, fixed in rows.iterator(chunk_size=5000):
        happened = events.get(pk)
        if happened and (fixed is not None or registered(owner, host, transport)):
            found[pk] = Life(
                pk, owner, check, severities[severity], sureness[sure], deadline, pk in asked, tuple(happened)
            )
            places[pk] = Place(host, "", port, Transport(transport))
    return found, places


def _events(those: Subtree, period: Period) -> Mapping[int, Sequence[Event]]:
    rows = FindingEvent.objects.filter(those.mine("finding__organisation"), kind__in=list(AFTER), at__lt=period.end)
    kinds = {str(each): each for each in AFTER}
    events: dict[int, list[Event]] = defaultdict(list)
    for finding, kind, at in rows.order_by("pk").values_list("finding", "kind", "at").iterator(chunk_size=5000):
        told = events[finding]
        # In the order in which things were recorded: a look that began before a claim may have ended before it.
        told.append((kinds[kind], max(at, told[-1][1]) if told else at))
    return events


def campaigns(those: Subtree, period: Period) -> list[CampaignRows]:
    """Return the campaigns that had rounds in the period which concerned any of the units."""
    rounds = Round.objects.filter(those.mine("organisations"), kind=PlanKind.CAMPAIGN, plan__isnull=False)
    ended = Q(finished__gte=period.since, finished__lt=period.end)
    begun = Q(finished=None, started__lt=period.end) | ended
    numbers = dict(rounds.filter(begun).values_list("pk", "plan").distinct())
    about = {
        pk: (name, tuple(checks), retired is None and (until is None or until > period.end))
        for pk, name, checks, retired, until in Round.objects.filter(pk__in=numbers)
        .order_by()
        .values_list("plan", "plan__name", "plan__checks", "plan__retired_at", "plan__until")
    }
    looked: dict[int, set[tuple[int, str, str]]] = defaultdict(set)
    asked: dict[int, set[tuple[int, str, str]]] = defaultdict(set)
    results = HostResult.objects.filter(those.mine(), round__in=numbers, look=LookNumber.FIRST, finished__lt=period.end)
    unused = {each.result for each in unused_in(numbers)} if numbers else set()
    for result, number, owner, address, name, outcome in results.values_list(
        "pk", "round", "organisation", "address", "hostname", "outcome"
    ).iterator(chunk_size=5000):
        if result in unused:
            continue
        asked[numbers[number]].add((owner, address, name))
        if outcome in LOOKED:
            looked[numbers[number]].add((owner, address, name))
    found: dict[int, set[int]] = defaultdict(set)
    seen = FindingEvent.objects.filter(
        those.mine("finding__organisation"), round__in=numbers, kind__in=_SEEN, at__lt=period.end
    )
    for plan, finding in seen.order_by().values_list(F("round__plan"), "finding").distinct():
        found[plan].add(finding)
    return [
        CampaignRows(
            name,
            checks,
            running,
            sum(plan == pk for plan in numbers.values()),
            frozenset(looked[pk]),
            frozenset(asked[pk]),
            frozenset(found[pk]),
        )
        for pk, (name, checks, running) in sorted(about.items())
    ]
