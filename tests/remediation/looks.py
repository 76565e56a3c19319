"""Rounds whose looks are stored as a test tells, at the time that it tells, without an engine."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from scanner.engine.model import Level, Target, Vantage
from scanner.engine.plan import Plan, PortSet, PortSpec, Profile
from scanner.engine.serialize import dump_host
from scanner.remediation.arrival import nothing_new
from scanner.remediation.doubt import would_be_fixed
from scanner.remediation.follow import follow_round
from scanner.rounds.making import RoundRequest, make_round
from scanner.rounds.models import HostResult, LookNumber, Round, RoundState
from targets.addresses import parse_target
from targets.models import Organisation
from targets.models import Target as TargetRow
from tests.rounds.world import PORTS, Answer

START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


def day(number: float) -> dt.datetime:
    return START + dt.timedelta(days=number)


def a_round(owner: Organisation, when: float = 0, **about: object) -> Round:
    """A round that ran to its end on the given day; its looks are stored by :func:`look`."""
    wanted = RoundRequest((owner,), "tester", Profile.STANDARD, PORTS, **about)  # type: ignore[arg-type]  # by name
    this = make_round(wanted, day(when))
    Round.objects.filter(pk=this.pk).update(state=RoundState.DONE, started=day(when), finished=day(when))
    return Round.objects.get(pk=this.pk)


def look(
    this: Round, host: str, answer: Answer, when: float, number: LookNumber = LookNumber.FIRST, address: str = ""
) -> HostResult:
    """Store what ``answer`` says of a registered host as a look that took the minute before ``when``, in days.

    As in a round, a first look is judged as it comes in.
    """
    owner = this.organisations.get()
    parsed = parse_target(host)
    plan = Plan((), PortSpec(PortSet.LIST, PORTS), Level.READ, Profile.STANDARD, Vantage.INTERNET)
    target = Target(host, address or host, parsed.hostname)
    finished = day(when)
    inspection = replace(answer(target, plan), started=finished - dt.timedelta(minutes=1), finished=finished)
    registered = TargetRow.objects.filter(organisation=owner, value=parsed.value).first()
    result = HostResult(
        round=this,
        organisation=owner,
        target=registered,
        look=number,
        label=host,
        address=target.address,
        hostname=target.hostname or "",
        key_target=registered is not None and registered.criticality == "key",
        outcome=inspection.outcome,
        started=inspection.started,
        finished=inspection.finished,
        facts=dump_host(inspection),
    )
    if number == LookNumber.FIRST:
        result.nothing_new = nothing_new(this, owner, [(result, inspection)])[0] or None
    result.save()
    return result


def looks(this: Round, host: str, answer: Answer, when: float) -> None:
    """Store a look at one host, and a second one where the round would otherwise call something fixed."""
    first = look(this, host, answer, when)
    if first.pk in [again.result_id for again in would_be_fixed(this.pk)]:
        look(this, host, answer, when + 0.01, LookNumber.AGAIN)


def followed(owner: Organisation, answer: Answer, when: float, host: str = "192.0.2.10", **about: object) -> Round:
    """A round that looked at one host and was followed an hour later."""
    this = a_round(owner, when, **about)
    looks(this, host, answer, when)
    follow_round(this.pk, day(when) + dt.timedelta(hours=1))
    return this
