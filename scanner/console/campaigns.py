"""How campaigns get on: what was looked at, and what of that which was found is proven fixed."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count

from scanner.accounts.roles import Right
from scanner.accounts.sight import Sight
from scanner.engine.model import Confidence, Outcome, Severity
from scanner.remediation.counted import LISTED
from scanner.remediation.keys import LOOKED
from scanner.remediation.lifecycle import EXEMPT, Happened, State
from scanner.remediation.models import Finding, FindingEvent
from scanner.remediation.scores import unused_in
from scanner.rounds.models import ENDED, HostResult, LookNumber, PlanKind
from targets.models import Organisation

BACK = timedelta(days=90)
"""How far back a campaign's rounds are looked at."""

_SEEN = (Happened.OPENED, Happened.SEEN, Happened.REOPENED, Happened.CLAIM_REFUTED)


@dataclass(frozen=True, slots=True)
class Campaign:
    """A campaign, as far as organisations in sight take part. Hosts are those of its newest round.

    ``found`` are the findings that its rounds saw, without what is exempt, hints and what is merely possible; ``fixed``
    of them are proven gone. So do bulletins count.
    """

    plan: int
    name: str
    running: bool
    rounds: int
    hosts: int
    inspected: int
    found: int
    fixed: int


def campaigns(sight: Sight, now: datetime) -> list[Campaign]:
    """Return the campaigns of the last months, the newest first, in a fixed number of queries."""
    told = ("rounds", "rounds__plan", "rounds__plan__name", "rounds__state")
    recent = {"rounds__kind": PlanKind.CAMPAIGN, "rounds__plan__isnull": False, "rounds__created__gt": now - BACK}
    rows = sight.rows(Organisation).filter(**recent).order_by("-rounds")
    rounds: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
    names: dict[int, str] = {}
    for number, plan, name, state in rows.values_list(*told).distinct():
        rounds[plan].append((number, state))
        names[plan] = name
    numbers = [number for those in rounds.values() for number, _ in those]
    hosts, found = _hosts(sight, [those[0][0] for those in rounds.values()]), _found(sight, numbers)
    return [
        Campaign(
            plan=plan,
            name=names[plan],
            running=any(state not in ENDED for _, state in those),
            rounds=len(those),
            hosts=hosts[those[0][0]].total(),
            inspected=sum(hosts[those[0][0]][outcome] for outcome in LOOKED),
            found=sum(n for state, n in found[plan].items() if state not in EXEMPT),
            fixed=found[plan][State.FIXED],
        )
        for plan, those in rounds.items()
    ]


def _hosts(sight: Sight, rounds: list[int]) -> defaultdict[int, Counter[str]]:
    rows = sight.rows(HostResult).filter(round__in=rounds, look=LookNumber.FIRST).order_by()
    counted: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for number, outcome, n in rows.values_list("round", "outcome").annotate(n=Count("pk")):
        counted[number][outcome] = n
    for each in unused_in(rounds) if rounds else ():
        if sight.may(Right.READ, each.organisation):
            counted[each.round][Outcome.UNREACHABLE] -= 1
    return counted


def _found(sight: Sight, rounds: list[int]) -> defaultdict[int, Counter[str]]:
    counting = sight.rows(Finding).filter(LISTED, organisation__retired_at=None).exclude(severity=Severity.INFO)
    counting = counting.exclude(confidence=Confidence.POSSIBLE)
    rows = sight.rows(FindingEvent).filter(finding__in=counting, round__in=rounds, kind__in=_SEEN).order_by()
    told = rows.values_list("round__plan", "finding__state").annotate(n=Count("finding", distinct=True))
    counted: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for plan, state, n in told:
        counted[plan][state] = n
    return counted
