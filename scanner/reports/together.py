"""What reports on several organisations after the same round need of each, asked of all of them at once.

There is little of it, and an organisation alone takes as many questions for it as a thousand.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from django.db.models import Q

from scanner.engine.model import Level
from scanner.remediation.models import Exemption, ExemptionState
from scanner.remediation.part import Register
from scanner.reports import model
from scanner.rounds.models import Plan, PlanKind, Round
from targets.models import Authorisation, Contact, Organisation, Target


class Together:
    """Reads for ``organisations``; each question is asked when the first report needs it, and once."""

    def __init__(self, organisations: Iterable[Organisation], this: Round) -> None:
        self._owners = [each.pk for each in organisations]
        self._this = this

    def registers_anything(self, organisation: Organisation) -> bool:
        """Tell whether an active organisation has anything to be inspected."""
        return bool(organisation.domains or self._targets.get(organisation.pk))

    def register(self, organisation: Organisation) -> Register:
        if organisation.retired_at is not None:
            return Register(organisation)
        return Register(organisation, self._targets.get(organisation.pk, ()))

    def authorisations(self, organisation: Organisation) -> tuple[model.Authorisation, ...]:
        """Return those that were valid at any time of the round, retired since or not."""
        return tuple(self._authorisations.get(organisation.pk, ()))

    def contacts(self, organisation: Organisation) -> tuple[model.Contact, ...]:
        return tuple(self._contacts.get(organisation.pk, ()))

    def next_round(self, organisation: Organisation) -> model.NextRound | None:
        return self._next_rounds.get(organisation.pk)

    @cached_property
    def exemptions(self) -> Mapping[int, model.Exemption]:
        """The exemption of each finding that holds or is asked for."""
        alive = (ExemptionState.GRANTED, ExemptionState.REQUESTED)
        return {
            row.finding_id: model.Exemption(
                kind=row.kind,
                state=row.state,
                owner=row.owner,
                reason=row.reason,
                proof=row.proof,
                until=row.until,
                requested=row.requested_at,
                decided=row.decided_at,
            )
            for row in Exemption.objects.filter(finding__organisation__in=self._owners, state__in=alive)
        }

    @cached_property
    def _targets(self) -> Mapping[int, Sequence[str]]:
        found = defaultdict(list)
        active = Target.objects.filter(organisation__in=self._owners, retired_at=None).order_by()
        for owner, value in active.values_list("organisation", "value"):
            found[owner].append(value)
        return found

    @cached_property
    def _authorisations(self) -> Mapping[int, Sequence[model.Authorisation]]:
        return authorisations_during(self._owners, self._this)

    @cached_property
    def _contacts(self) -> Mapping[int, Sequence[model.Contact]]:
        found = defaultdict(list)
        active = Contact.objects.filter(organisation__in=self._owners, retired_at=None)
        for owner, name, role in active.order_by("role", "name", "pk").values_list("organisation", "name", "role"):
            found[owner].append(model.Contact(name, role))
        return found

    @cached_property
    def _next_rounds(self) -> Mapping[int, model.NextRound]:
        return next_rounds(self._owners)


def next_rounds(owners: Iterable[int]) -> Mapping[int, model.NextRound]:
    """Return the next round of a routine plan that covers an organisation, by its primary key, where one is planned."""
    wanted = list(owners)
    ours = Q(organisations__in=wanted) | Q(organisations=None)
    plans = Plan.objects.filter(ours, kind=PlanKind.ROUTINE, retired_at=None, paused=False, next_due__isnull=False)
    found: dict[int, model.NextRound] = {}
    for owner, name, due in plans.order_by("next_due", "pk").values_list("organisations", "name", "next_due"):
        for each in wanted if owner is None else (owner,):
            if due is not None:
                found.setdefault(each, model.NextRound(name, due))
    return found


def authorisations_during(owners: Iterable[int], this: Round) -> Mapping[int, Sequence[model.Authorisation]]:
    """Return the authorisations of organisations, by primary key, that were valid at any time of the round, retired
    since or not."""
    begun, ended = this.started or this.created, this.finished or this.created
    rows = Authorisation.objects.filter(organisation__in=owners, valid_from__lte=ended, valid_until__gt=begun)
    found = defaultdict(list)
    for owner, retired, document, by, level, since, until in rows.order_by("document").values_list(
        "organisation", "retired_at", "document", "allowed_by", "level", "valid_from", "valid_until"
    ):
        if retired is None or retired > begun:
            found[owner].append(model.Authorisation(document, by, Level(str(level)), since, until))
    return found
