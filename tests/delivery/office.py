"""An office with organisations, contacts, rounds and findings, without a packet: for tests of what is told to whom."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings
from django.test import override_settings

from scanner.remediation.lifecycle import Happened
from scanner.remediation.models import Finding, FindingEvent
from scanner.rounds.models import HostResult, Plan, Round
from targets.models import Contact, Organisation
from tests.rounds import world

NOW = dt.datetime(2026, 11, 26, 3, 0, tzinfo=dt.UTC)
"""Thursday, 11 o'clock in Shanghai."""


@contextmanager
def installed(**values: object) -> Iterator[None]:
    """Run with these settings of the installation, in English and in Shanghai."""
    changed = settings.INSTALLATION.model_copy(update={"operators": ("ops@office.example",), **values})
    with override_settings(INSTALLATION=changed, LANGUAGE_CODE="en", TIME_ZONE="Asia/Shanghai"):
        yield


def unit(
    slug: str = "water", *, english: str = "Water Office", chinese: str = "水务局", **fields: object
) -> Organisation:
    """An organisation with one English security contact, whose time zone is Shanghai."""
    owner = world.organisation(slug, name_zh=chinese, name_en=english, **fields)
    contact(owner)
    return owner


def contact(owner: Organisation, role: str = "security", language: str = "en", **fields: object) -> Contact:
    values = {"name": role, "email": f"{role}@{owner.slug}.example", **fields}
    return Contact.objects.create(organisation=owner, role=role, language=language, **values)


def plan(notice_from: str = "high", name: str = "weekly") -> Plan:
    return Plan.objects.create(
        name=name,
        kind="routine",
        profile="standard",
        ports="top1000",
        notice_from=notice_from,
        created=NOW,
        created_by="ops",
    )


def followed_round(*owners: Organisation, of: Plan | None = None, at: dt.datetime = NOW) -> Round:
    """A round that ended an hour before ``at``, having inspected one host of each organisation."""
    ended = at - dt.timedelta(hours=1)
    this = Round.objects.create(
        plan=of,
        kind=of.kind if of else "by-hand",
        state="done",
        profile="standard",
        ports="top1000",
        requested_by="ops",
        created=ended - dt.timedelta(hours=1),
        started=ended - dt.timedelta(hours=1),
        finished=ended,
        followed=ended,
        due=at,
    )
    this.organisations.set(owners)
    for owner in owners:
        HostResult.objects.create(
            round=this,
            organisation=owner,
            label="192.0.2.10",
            address="192.0.2.10",
            outcome="inspected",
            started=ended,
            finished=ended,
            facts=b"",
        )
    return this


def finding(owner: Organisation, *, seen_in: Round | None = None, **fields: object) -> Finding:
    """An open Redis without log-in, critical and confirmed, that was found three hours ago."""
    found = NOW - dt.timedelta(hours=3)
    values: dict[str, object] = {
        "host": "192.0.2.10",
        "port": 6379,
        "transport": "tcp",
        "check_id": "SVC-REDIS-UNAUTH",
        "addresses": ["192.0.2.10"],
        "state": "open",
        "severity": "critical",
        "confidence": "confirmed",
        "params": [["version", "7.2"]],
        "profile": "standard",
        "level": "1",
        "vantage": "internet",
        "first_seen": found,
        "last_seen": found,
        "last_inspected": found,
        "reported": found,
        "deadline": found + dt.timedelta(days=3),
        **fields,
    }
    made = Finding.objects.create(organisation=owner, **values)
    if not owner.targets.filter(value=made.host).exists():
        world.register(owner, made.host)
    if seen_in is not None:
        happened(made, Happened.SEEN, seen_in.finished or NOW, seen_in)
    return made


def happened(finding: Finding, kind: Happened, at: dt.datetime, this: Round | None = None) -> FindingEvent:
    return FindingEvent.objects.create(finding=finding, round=this, kind=kind, at=at)
