"""What needs a person of the office now, in a fixed number of queries; nothing that can wait, and nothing twice."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Window
from django.urls import reverse

from scanner.accounts.sight import Sight
from scanner.console.refusals import reply_worded
from scanner.console.standing import NEW, Counts
from scanner.delivery.letters import name_of
from scanner.delivery.models import Message, MessageState
from scanner.engine.hostile import line
from scanner.engine.model import Outcome
from scanner.remediation.lifecycle import TO_FIX
from scanner.remediation.models import Exemption, ExemptionState
from scanner.reports.words import Words
from scanner.rounds.models import HostResult, LookNumber, Round, RoundState
from targets.check import SOON
from targets.models import Authorisation, Contact, Organisation, ProposalState, TargetProposal
from targets.query import registers_anything

STUCK = timedelta(days=1)
"""A round that takes longer is worth a look."""

NAMED = 5
"""Things that are named; the others are counted."""


@dataclass(frozen=True, slots=True)
class Detail:
    """One of the things, and where it is; ``address`` is empty where no page has it."""

    text: str
    address: str = ""


@dataclass(frozen=True, slots=True)
class Need:
    """Things of one kind. ``address`` leads to all of them, where a page shows them."""

    title: str
    details: tuple[Detail, ...]
    more: int = 0
    address: str = ""


def needs(sight: Sight, found: Counts, under_way: Iterable[Round], now: datetime, t: Words) -> list[Need]:
    """Return what needs somebody, the most pressing first.

    ``found`` counts the findings of all organisations, ``under_way`` are the rounds that have not ended.
    """
    needed = (
        _need(t, "critical", (), found.new, f"{reverse('findings')}?severity=critical&new=on"),
        *_requests(sight, t),
        _need(t, "overdue", (), found.overdue, f"{reverse('findings')}?overdue=on"),
        _rounds(under_way, now, t),
        _failed(sight, now, t),
        _dead_letters(sight, t),
        _authorisations(sight, now, t),
        _contacts(sight, t),
    )
    return [need for need in needed if need is not None]


def _need(t: Words, name: str, details: Iterable[Detail], total: int, address: str = "") -> Need | None:
    shown = tuple(each for _, each in zip(range(NAMED), details, strict=False))
    return Need(t(f"console.need.{name}", n=total), shown, total - len(shown), address) if total else None


def _requests(sight: Sight, t: Words) -> tuple[Need | None, Need | None]:
    """What organisations ask the office for, findings and targets, in one query."""
    asked = sight.rows(Exemption).filter(
        state=ExemptionState.REQUESTED, finding__registered=True, finding__organisation__retired_at=None
    )
    proposed = sight.rows(TargetProposal).filter(state=ProposalState.WAITING, organisation__retired_at=None)
    # Requests are few and findings many: a database that is asked for both at once may begin with the findings.
    states = asked.order_by().values_list("finding__state", flat=True)
    found = list(states.union(proposed.order_by().values_list("state", flat=True), all=True))
    return (
        _need(t, "requests", (), sum(state in TO_FIX for state in found), f"{reverse('findings')}?asked=on"),
        _need(t, "proposals", (), found.count(ProposalState.WAITING), f"{reverse('proposals')}?state=waiting"),
    )


def _rounds(under_way: Iterable[Round], now: datetime, t: Words) -> Need | None:
    found = [
        each
        for each in under_way
        if each.state == RoundState.PAUSED
        or (each.state == RoundState.RUNNING and each.started is not None and each.started < now - STUCK)
    ]
    details = (
        Detail(
            t("console.rounds.named", number=each.pk, state=t(f"round_state.{each.state}")),
            reverse("round", args=[each.pk]),
        )
        for each in found
    )
    return _need(t, "rounds", details, len(found))


def _failed(sight: Sight, now: datetime, t: Words) -> Need | None:
    recent = sight.rows(Round).filter(Q(finished=None) | Q(finished__gt=now - NEW))
    rows = sight.rows(HostResult).filter(
        round__in=recent, outcome=Outcome.ERROR, look=LookNumber.FIRST, finished__gt=now - NEW
    )
    found = list(rows.order_by("-round").values("round").annotate(n=Count("pk")))
    details = (
        Detail(t("console.need.failed_in", number=row["round"], n=row["n"]), reverse("round", args=[row["round"]]))
        for row in found
    )
    return _need(t, "failed", details, len(found), reverse("system"))


def _dead_letters(sight: Sight, t: Words) -> Need | None:
    dead = sight.rows(Message).filter(state=MessageState.DEAD).annotate(total=Window(Count("pk"))).order_by("-pk")
    rows = list(dead.values_list("pk", "kind", "recipient", "reply", "total")[:NAMED])
    details = (
        Detail(
            t(
                "mail.digest.dead",
                kind=t(f"mail.kind.{kind}"),
                recipient=line(recipient),
                reply=line(reply_worded(reply, t)),
            ),
            reverse("mail", args=[number]),
        )
        for number, kind, recipient, reply, _ in rows
    )
    total = rows[0][-1] if rows else 0
    return _need(t, "dead_letters", details, total, f"{reverse('mails')}?state=dead")


def _authorisations(sight: Sight, now: datetime, t: Words) -> Need | None:
    """Organisations with something to inspect whose authorisations have all ended, or end soon."""
    mine = sight.rows(Authorisation).filter(organisation=OuterRef("pk"), retired_at=None)
    ending = (
        _inspected(sight)
        .annotate(holds=Exists(mine.filter(valid_from__lte=now, valid_until__gt=now)))
        .exclude(Exists(mine.filter(valid_until__gt=now + SOON)), holds=True)
        .order_by("holds", "slug")
    )
    found = list(ending)
    details = (
        _of(each, t, "console.need.authorisation_ends" if each.holds else "console.need.unauthorised") for each in found
    )
    return _need(t, "authorisations", details, len(found))


def _contacts(sight: Sight, t: Words) -> Need | None:
    found = list(
        _inspected(sight).exclude(Exists(sight.rows(Contact).filter(organisation=OuterRef("pk"), retired_at=None)))
    )
    return _need(t, "contacts", (_of(each, t, "console.need.organisation") for each in found), len(found))


def _inspected(sight: Sight) -> QuerySet[Organisation]:
    return sight.rows(Organisation).filter(registers_anything())


def _of(organisation: Organisation, t: Words, key: str) -> Detail:
    return Detail(t(key, name=name_of(organisation, t.language)), reverse("organisation", args=[organisation.slug]))
