"""The system itself: who works at what, what waits, hosts that made inspections fail, what was imported; the doctor."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from threading import Lock
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpResponse
from django.shortcuts import render

from scanner.accounts.roles import Right
from scanner.console.refusals import why
from scanner.console.requests import PageRequest
from scanner.console.standing import NEW
from scanner.engine.errors import InputError
from scanner.engine.hostile import line
from scanner.engine.intel.feeds import Kind
from scanner.engine.intel.lifecycles import STALE_AFTER, as_of
from scanner.engine.intel.store import Source, status
from scanner.engine.model import Outcome
from scanner.reports.words import Words
from scanner.rounds.models import HostResult, Job, JobState, LookNumber, Round
from scanner.rounds.service import is_served
from scanner.settings import INTEL_FILE
from scanner.upkeep.doctor import examine
from scanner.upkeep.health import Check, Health

SHOWN = 50
"""Jobs, groups of jobs, and hosts that the page names; the others are counted."""

LONGEST = 500
"""Characters of what the doctor says that are shown, as at the command line."""

WORST_FIRST = (Health.FAIL, Health.WARN, Health.OK)

PLACES = {
    "register": "targets",
    "contacts": "organisations",
    "plans": "plans",
    "jobs": "system",
    "mail": "mails",
    "audit trail": "verify-audit",
}
"""Pages on which something can be done about what the doctor found."""

_ONE = Lock()


@dataclass(frozen=True, slots=True)
class Import:
    """What was imported of one kind, and how many days old its newest data is; None for nothing."""

    kind: str
    source: Source | None
    days: int = 0


def index(request: PageRequest) -> HttpResponse:
    """Show the work that is under way, and what it rests on."""
    sight, now = request.sight, request.now
    running = sight.rows(Job).filter(state=JobState.RUNNING).select_related("organisation").defer("terms")
    waiting = sight.rows(Job).filter(state=JobState.WAITING).order_by("round", "kind", "why")
    groups = waiting.values("round", "kind", "why").annotate(n=Count("pk"))
    recent = sight.rows(Round).filter(Q(finished=None) | Q(finished__gt=now - NEW))
    failed = sight.rows(HostResult).filter(
        round__in=recent, outcome=Outcome.ERROR, look=LookNumber.FIRST, finished__gt=now - NEW
    )
    hosts = failed.select_related("organisation", "target").defer("facts").order_by("-pk")
    imports, unread = _imports(now.astimezone(ZoneInfo(request.zone)).date(), request.words)
    told = {
        "served": is_served(settings.DATA_DIR),
        "workers": settings.WORKERS,
        "running": list(running.order_by("started", "pk")[:SHOWN]),
        "waiting": list(groups[:SHOWN]),
        "waiting_all": waiting.count(),
        "failed": list(hosts[:SHOWN]),
        "failed_all": failed.count(),
        "imports": imports,
        "unread": unread,
        "stale": STALE_AFTER.days,
        "lifecycles": as_of(),
    }
    return render(request, "system.html", told)


def _imports(today: date, t: Words) -> tuple[list[Import], str]:
    """Return what was imported, kind by kind; and why it can't be read, if so."""
    try:
        found = {each.kind: each for each in status(INTEL_FILE)}
    except InputError as error:
        return [], why(error, t)
    return [_import(kind, found.get(kind), today) for kind in Kind], ""


def _import(kind: Kind, source: Source | None, today: date) -> Import:
    return Import(kind.value, source, (today - source.newest).days if source else 0)


def doctor(request: PageRequest) -> HttpResponse:
    """Say what the doctor looks at; asked by a form, have it look, and show what it found, the worst first."""
    checks: list[Check] = []
    if request.method == "POST":
        with alone() as mine:
            if mine:
                found = [_shown(each) for each in examine(request.now)]
                checks = sorted(found, key=lambda each: WORST_FIRST.index(each.health))
            else:
                messages.error(request, request.words("console.doctor.busy"))
    places = PLACES | ({"mail server": "mail-server"} if request.sight.may(Right.ADMINISTER) else {})
    counted = {each: sum(check.health is each for check in checks) for each in WORST_FIRST}
    return render(request, "doctor.html", {"checks": checks, "counted": counted, "places": places})


def _shown(check: Check) -> Check:
    return Check(check.name, check.health, line(check.seen, LONGEST), line(check.todo, LONGEST))


@contextmanager
def alone() -> Iterator[bool]:
    """Tell whether nobody else has something looked at that takes long: two of them would hold up all pages."""
    mine = _ONE.acquire(blocking=False)
    try:
        yield mine
    finally:
        if mine:
            _ONE.release()
