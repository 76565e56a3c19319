"""Many organisations in a database, each with a round behind it: a few are followed for real, the others are copies."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django.db import models, transaction

from scanner.engine.model import Level, Target, Vantage
from scanner.engine.plan import Profile
from scanner.engine.serialize import dump_host
from scanner.remediation.follow import follow_round
from scanner.remediation.models import Finding, FindingEvent, RoundScore
from scanner.rounds.making import RoundRequest, make_round
from scanner.rounds.models import HostResult, Round, RoundState
from targets.models import Organisation
from targets.models import Target as TargetRow
from tests.bench.living import START, Host, World, inspection
from tests.rounds.world import authorise, organisation, register

SEED = 21
ORIGINALS = 10
"""Organisations that are followed for real."""

_PORTS = "1-65535"


def fill(units: int, hosts: int) -> Round:
    """Fill the database with ``units`` organisations of ``hosts`` hosts each; return the round that all were in."""
    world = World(SEED, min(units, ORIGINALS), min(units, ORIGINALS) * hosts)
    owners = [_register(world, unit) for unit in range(world.units)]
    this = make_round(RoundRequest(tuple(owners), "bench", Profile.DEEP, _PORTS), START)
    Round.objects.filter(pk=this.pk).update(state=RoundState.DONE, started=START, finished=START)
    for unit, owner in enumerate(owners):
        HostResult.objects.bulk_create(_result(this, owner, host) for host in world.of_unit(unit))
    follow_round(this.pk, START + dt.timedelta(hours=1))
    for number in range(world.units, units):
        with transaction.atomic():
            _copy(this, owners[number % world.units], f"unit-{number}")
    return Round.objects.get(pk=this.pk)


def _register(world: World, unit: int) -> Organisation:
    owner = organisation(f"unit-{unit}", language=("zh-Hans", "en")[unit % 2])
    hosts = [host.known_as for host in world.of_unit(unit)]
    register(owner, *hosts)
    authorise(owner, *hosts, valid_from=START - dt.timedelta(days=1))
    return owner


def _result(this: Round, owner: Organisation, host: Host) -> HostResult:
    target = Target(host.known_as, host.address, host.name or None)
    seen = inspection(host, target, _PORTS, set(host.ports), Vantage.INTERNET, Level.READ, START)
    return HostResult(
        round=this,
        organisation=owner,
        target=TargetRow.objects.get(organisation=owner, value=host.known_as),
        label=host.known_as,
        address=host.address,
        hostname=host.name,
        outcome=seen.outcome,
        started=START,
        finished=START,
        facts=dump_host(seen),
    )


def _copy(this: Round, original: Organisation, slug: str) -> None:
    """Add an organisation that has whatever ``original`` has."""
    copy = organisation(slug, name_zh=original.name_zh, name_en=original.name_en, language=original.language)
    this.organisations.add(copy)
    targets = _copied(original.targets.all(), organisation=copy)
    results = list(HostResult.objects.filter(round=this, organisation=original))
    for row in results:
        row.pk, row.organisation, row.target_id = None, copy, targets[row.target_id or 0]
    HostResult.objects.bulk_create(results)
    _copied(RoundScore.objects.filter(organisation=original), organisation=copy)
    findings = _copied(Finding.objects.filter(organisation=original), organisation=copy)
    events = list(FindingEvent.objects.filter(finding__organisation=original))
    for event in events:
        event.pk, event.finding_id = None, findings[event.finding_id]
    FindingEvent.objects.bulk_create(events)


def _copied(rows: models.QuerySet[models.Model], **changed: object) -> dict[int, int]:
    """Copy rows with some fields changed; return the new primary keys by the old."""
    copies: Sequence[models.Model] = list(rows)
    before = [row.pk for row in copies]
    for row in copies:
        row.pk = None
        for name, value in changed.items():
            setattr(row, name, value)
    made = rows.model._default_manager.bulk_create(copies)
    return dict(zip(before, (row.pk for row in made), strict=True))
