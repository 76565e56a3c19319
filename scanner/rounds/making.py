"""Makes rounds: whoever wants one, an operator, a plan, or a claim, says so with a ``RoundRequest``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from scanner.audit.trail import Action, record
from scanner.engine.plan import Profile, parse_ports
from scanner.rounds.models import Plan, PlanKind, Round
from scanner.rounds.tools import tool_versions
from targets.models import Organisation

_ASKED_FOR = (PlanKind.BY_HAND, PlanKind.SELF_CHECK)
"""Rounds that a person asks for, as is one of a plan that was not due. The others follow from a plan or a claim, whose
making is on record."""


@dataclass(frozen=True, slots=True)
class RoundRequest:
    """What a round is to be; the fields are those of :class:`scanner.rounds.models.Round`.

    None for ``targets`` and ``hosts``, and nothing for ``checks`` and ``findings``, mean all of them.
    """

    organisations: tuple[Organisation, ...]
    requested_by: str
    profile: Profile = Profile.STANDARD
    ports: str = "top1000"
    kind: PlanKind = PlanKind.BY_HAND
    plan: Plan | None = None
    due: datetime | None = None
    missed: int = 0
    seed: str = ""
    targets: tuple[int, ...] | None = None
    hosts: tuple[str, ...] | None = None
    checks: tuple[str, ...] = ()
    findings: tuple[int, ...] = ()
    rate: float = 0
    priority: int = 0


def make_round(wanted: RoundRequest, now: datetime, tools: Mapping[str, str] | None = None) -> Round:
    """Create the round; nothing is inspected yet. ``tools`` are their versions, for who knows them already.

    Raises ``InputError`` for ports that can't be read, ``ToolError`` when nmap is missing, ``IntegrityError`` when
    its plan made one for the same due time already.
    """
    parse_ports(wanted.ports)
    tools = tool_versions() if tools is None else tools
    with transaction.atomic():
        made = Round.objects.create(
            plan=wanted.plan,
            kind=wanted.kind,
            due=wanted.due,
            missed=wanted.missed,
            seed=wanted.seed,
            targets=None if wanted.targets is None else list(wanted.targets),
            hosts=None if wanted.hosts is None else list(wanted.hosts),
            checks=list(wanted.checks),
            findings=list(wanted.findings),
            profile=wanted.profile,
            ports=wanted.ports,
            rate=wanted.rate,
            priority=wanted.priority,
            requested_by=wanted.requested_by,
            tools=dict(tools),
            created=now,
        )
        made.organisations.set(wanted.organisations)
        if wanted.kind in _ASKED_FOR or (wanted.plan is not None and wanted.due is None):
            slugs = sorted(each.slug for each in wanted.organisations)
            record(
                Action.ROUND_REQUESTED,
                str(made),
                actor=wanted.requested_by,
                at=now,
                organisations=slugs,
                profile=wanted.profile,
                ports=wanted.ports,
            )
    return made
