"""A large installation, written as rows in bulk: for measuring what pages take when there is much of everything."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from functools import cache
from typing import Any, TypeVar

from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.db import connection, models, transaction

from scanner.accounts import people
from scanner.accounts.models import Assignment, User
from scanner.accounts.roles import Role
from scanner.audit.trail import Action, record
from scanner.delivery.models import Message, MessageKind, Notice, NoticeItem
from scanner.engine.model import Confidence, Severity
from scanner.remediation.models import Attention, Finding, FindingEvent, RoundScore
from scanner.remediation.score import Scored, score_host, score_organisation
from scanner.remediation.scores import as_kept
from scanner.reports.models import Report
from scanner.rounds.models import HostResult, Plan, Round
from targets.models import Authorisation, Contact, Organisation, Target, Zone
from tests.bench.pages import Size

M = TypeVar("M", bound=models.Model)

SUPERVISORS = 20
"""Organisations that have no supervisor; all others are below one of them."""

MAILS = 20
"""Mails of each organisation; one of a hundred was given up."""

ASKED = 50
"""Findings that a notice asks for."""

ACTS = 2000
"""Entries of the audit trail."""

ADMINISTRATOR = "ops@office.example"

_CHECKS = ("SVC-REDIS-UNAUTH", "TLS-V10", "HTTP-NO-HSTS", "SSH-WEAK-KEX", "TLS-CERT-EXPIRED")
_PORTS = (443, 8443, 6379, 22)
_STATES = ("open", "fixed", "open", "claimed", "fixed")
_SEVERITIES = ("critical", "high", "medium", "low", "low", "medium", "info")


def filled(size: Size, now: dt.datetime) -> User:
    """Return the account of an administrator; fill the database before, unless an earlier run has."""
    return User.objects.filter(email=ADMINISTRATOR).first() or fill(size, now)


def fill(size: Size, now: dt.datetime) -> User:
    """Fill an empty database; return the account of an administrator."""
    with transaction.atomic():
        owners = _owners(size.units, now)
        targets = _targets(owners, size.targets)
        rounds = _rounds(owners, size.events, now)
        _results(rounds[-1], targets, now)
        _findings(targets, size, now)
        _events(rounds)
        _mails(owners, now)
        _papers(owners, rounds, now)
        for number in range(ACTS):
            record(Action.BACKUP, f"file {number}", actor="ops@office.example", at=now, number=number)
        user = people.add(ADMINISTRATOR, "Ops", "bench", now)
        people.give(user, Role.ADMINISTRATOR, None, "bench", now)
        TOTP.activate(user, generate_totp_secret())
        _assignments(user, now)
        _watched(targets, now)
    if connection.vendor == "postgresql":  # as autovacuum does where a database grows in the course of months
        with connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
    return user


def _where_it_is_ten(now: dt.datetime) -> str:
    """Return a time zone in which the duties of the day are done now, whenever that is; POSIX counts them westwards."""
    ahead = 10 - now.hour if now.hour <= 22 else 11
    return f"Etc/GMT{-ahead:+d}" if ahead else "UTC"


def _watched(targets: list[Target], now: dt.datetime) -> None:
    """A weekly plan for all, and hosts that earn a look between its rounds, of which some wait for the next of them."""
    at = now + dt.timedelta(days=1)
    Plan.objects.create(
        name="weekly",
        kind="routine",
        schedule=f"0 3 * * {at:%a}".lower(),
        profile="standard",
        ports="top1000",
        created=now,
        created_by="ops",
        next_due=at.replace(hour=3, minute=0, second=0, microsecond=0),
    )
    _made(
        Attention(
            organisation=each.organisation,
            host=each.value,
            hours=7 * 24,
            due=now + dt.timedelta(hours=each.pk % 48 - 24),
        )
        for each in targets
    )


def _owners(number: int, now: dt.datetime) -> list[Organisation]:
    tops: list[Organisation] = []
    owners: list[Organisation] = []
    for first, last in ((0, SUPERVISORS), (SUPERVISORS, number)):
        owners += _made(
            Organisation(
                slug=f"unit-{each:04}",
                name_en=f"Office {each}",
                name_zh=f"示例单位{each}",
                parent=tops[each % len(tops)] if tops else None,
                time_zone=_where_it_is_ten(now),
            )
            for each in range(first, min(last, number))
        )
        tops = owners[:SUPERVISORS]
    _made(
        Contact(organisation=each, name="Li", email=f"li@{each.slug}.example", role="security", language="en")
        for each in owners
    )
    _made(
        Authorisation(
            organisation=each,
            document="Order 1",
            allowed_by="Director",
            valid_from=now - dt.timedelta(days=1),
            valid_until=now + dt.timedelta(days=20 + each.pk % 400),
            scope=["10.0.0.0/8"],
        )
        for each in owners
    )
    return owners


def _targets(owners: list[Organisation], each: int) -> list[Target]:
    zone = Zone.objects.create(name="internet", vantage="internet")
    addresses = (
        (owner, f"10.{place // 200}.{place % 200}.{number + 1}")
        for place, owner in enumerate(owners)
        for number in range(each)
    )
    return _made(
        Target(organisation=owner, kind="ipv4", value=value, display=value, zone=zone) for owner, value in addresses
    )


def _rounds(owners: list[Organisation], number: int, now: dt.datetime) -> list[Round]:
    rounds = []
    for age in range(number, 0, -1):
        at = now - dt.timedelta(days=7 * age - 6)
        this = Round.objects.create(
            kind="routine",
            state="done",
            profile="standard",
            ports="top1000",
            requested_by="clock",
            created=at,
            started=at,
            finished=at,
            followed=at,
        )
        this.organisations.set(owners)
        _made(RoundScore(organisation=each, round=this, **_score(each.pk + age)) for each in owners)
        rounds.append(this)
    return rounds


def _score(number: int) -> dict[str, object]:
    """As they are kept, with the terms of a unit's hosts; what lists read of them differs."""
    return _terms() | {"value": float(40 + number % 60), "grade": "ABCDF"[number % 5]}


@cache
def _terms() -> dict[str, object]:
    checks = [Scored(check, Severity.MEDIUM, Confidence.CONFIRMED) for check in _CHECKS]
    return as_kept(score_organisation([score_host(f"10.0.0.{number}", checks) for number in range(20)], 0.9))


def _results(this: Round, targets: list[Target], now: dt.datetime) -> None:
    _made(
        HostResult(
            round=this,
            organisation=each.organisation,
            target=each,
            label=each.value,
            address=each.value,
            outcome="error" if each.pk % 5000 == 0 else "inspected",
            started=now - dt.timedelta(days=1),
            finished=now - dt.timedelta(days=1),
            facts=b"\0" * 3000,
        )
        for each in targets
    )


def _findings(targets: list[Target], size: Size, now: dt.datetime) -> None:
    """Spread them over the targets, as ports and checks come; two of three are to be fixed."""
    exchanges = [{"sent": "GET / HTTP/1.1", "received": "HTTP/1.1 200 OK\r\n" * 30, "at": now.isoformat()}]
    of_each = size.findings // size.targets
    _made(_finding(target, number, exchanges, now) for target in targets for number in range(of_each))


def _finding(target: Target, number: int, exchanges: list[Any], now: dt.datetime) -> Finding:
    drawn = target.pk * 31 + number * 17
    state, seen = _STATES[drawn % len(_STATES)], now - dt.timedelta(days=drawn % 300)
    return Finding(
        organisation=target.organisation,
        host=target.value,
        addresses=[target.value],
        port=_PORTS[number % len(_PORTS)] + number // 20,
        transport="tcp",
        check_id=_CHECKS[number // len(_PORTS) % len(_CHECKS)],
        state=state,
        severity=_SEVERITIES[drawn % len(_SEVERITIES)],
        confidence="confirmed",
        params=[["version", "7.2"]],
        exchanges=exchanges,
        profile="standard",
        level="1",
        vantage="internet",
        first_seen=seen,
        last_seen=now,
        last_inspected=now,
        reported=seen,
        deadline=seen + dt.timedelta(days=90),
        fixed=now if state == "fixed" else None,
        claimed=now if state == "claimed" else None,
    )


def _events(rounds: list[Round]) -> None:
    """One event of each finding in each round; the database writes them itself, as they are millions."""
    event, finding = FindingEvent._meta.db_table, Finding._meta.db_table
    with connection.cursor() as cursor:
        for this in rounds:
            cursor.execute(
                f"INSERT INTO {event} (finding_id, round_id, kind, at, actor, detail) "
                f"SELECT id, {this.pk}, 'seen', last_seen, '', '{{}}' FROM {finding}"
            )


def _papers(owners: list[Organisation], rounds: list[Round], now: dt.datetime) -> None:
    """A report of each organisation on each round, a notice that waits for an answer, and one that has it."""
    content = {"html": b"\0" * 10_000, "json": b"\0" * 10_000, "digest": "0" * 64}
    _made(
        Report(organisation=owner, round=this, language="en", generated=now, **content)
        for this in rounds
        for owner in owners
    )
    notices = _made(
        Notice(
            organisation=owner,
            year=2026,
            serial=owner.pk * 2 + number,
            number=f"R2026-{owner.pk * 2 + number}",
            issued=now - dt.timedelta(days=20),
            issued_by="ops",
            answer_by=now + dt.timedelta(days=owner.pk % 20 - 10),
            posted=now,
            answered=now if number else None,
        )
        for owner in owners
        for number in range(2)
    )
    found: defaultdict[int, list[int]] = defaultdict(list)
    for owner_pk, finding in Finding.objects.filter(state="open").values_list("organisation", "pk"):
        if len(found[owner_pk]) < ASKED:
            found[owner_pk].append(finding)
    _made(
        NoticeItem(notice=notice, finding_id=finding, deadline=now)
        for notice in notices
        for finding in found[notice.organisation_id]
    )


def _assignments(user: User, now: dt.datetime) -> None:
    """Every hundredth finding is somebody's."""
    rows = Finding.objects.filter(pk__in=range(0, Finding.objects.count(), 100))
    _made(Assignment(finding=each, user=user, since=now) for each in rows.only("pk"))


def _mails(owners: list[Organisation], now: dt.datetime) -> None:
    kinds = list(MessageKind)
    _made(
        Message(
            key=f"bench:{each.pk}:{number}",
            kind=kinds[number % len(kinds)],
            organisation=each,
            recipient=f"li@{each.slug}.example",
            language="en",
            message_id=f"<{each.pk}.{number}@office.example>",
            subject=f"What was found at Office {each.pk}",
            text="Good morning.\n" * 100,
            html="<p>Good morning.</p>" * 200,
            state="dead" if (each.pk + number) % 100 == 0 else "queued" if number == 1 else "sent",
            created=now,
            not_before=now,
            reply="550 5.1.1 no such user",
        )
        for each in owners
        for number in range(MAILS)
    )


def _made(rows: Iterable[M]) -> list[M]:
    """Write rows; return those that now have a primary key."""
    rows = list(rows)
    return type(rows[0])._default_manager.bulk_create(rows, batch_size=2000) if rows else []
