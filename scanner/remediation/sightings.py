"""What single rounds saw of one finding: what was recorded then, and its evidence from the facts that were kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet

from scanner.engine.errors import InputError
from scanner.engine.model import Finding as Judged
from scanner.engine.model import Service, Transport
from scanner.engine.plan import Profile
from scanner.remediation.keys import LOOKED
from scanner.remediation.lifecycle import Happened, Observation
from scanner.remediation.models import Finding, FindingEvent
from scanner.remediation.observe import RoundView
from scanner.rounds.models import HostResult, Round

NEWEST = 100
"""Rounds that can be chosen from."""

_TOLD: dict[Happened, Observation] = {
    Happened.OPENED: Observation.SEEN,
    Happened.SEEN: Observation.SEEN,
    Happened.CHANGED: Observation.SEEN,
    Happened.CLAIM_REFUTED: Observation.SEEN,
    Happened.REOPENED: Observation.SEEN,
    Happened.NOT_SEEN: Observation.NOT_SEEN,
    Happened.FIXED: Observation.NOT_SEEN,
    Happened.NOT_INSPECTED: Observation.NOT_INSPECTED,
}
"""What the events of a round say that it observed."""


@dataclass(frozen=True, slots=True)
class Told:
    """What a round was recorded to have observed of a finding, and when."""

    round: int
    at: datetime
    observation: Observation


@dataclass(frozen=True, slots=True)
class Sighting:
    """What the kept facts of a round show of a finding.

    ``judged`` is None where today's rules don't find it in them alone; ``services`` is what was seen at its place, for
    each address that answered there. ``lost`` tells that facts were pruned, or can't be read any more; ``looked`` that
    any address of the host was inspected, if only in part: else what is missing here may be there all the same.
    """

    judged: Judged | None = None
    services: tuple[Service, ...] = ()
    lost: bool = False
    looked: bool = False

    @property
    def tells(self) -> bool:
        """Whether what it does not show was not there."""
        return self.looked and not self.lost


def told_by_rounds(events: QuerySet[FindingEvent]) -> list[Told]:
    """Return what each of the newest rounds observed, the newest first; ``events`` are those of one finding."""
    rows = events.filter(round__isnull=False, kind__in=list(_TOLD)).order_by("-round", "-pk")
    found: dict[int, Told] = {}
    for number, kind, at in rows.values_list("round", "kind", "at")[: 2 * NEWEST]:
        found.setdefault(number, Told(number, at, _TOLD[Happened(kind)]))
    return list(found.values())[:NEWEST]


def seen_by(number: int, finding: Finding) -> Sighting:
    """Return what a round's facts show of a finding, judged by today's rules, and as if its host were alone."""
    this = Round.objects.get(pk=number)
    here = Q(hostname=finding.host) | Q(hostname="", address=finding.host)
    results = list(HostResult.objects.filter(here, round=this, organisation=finding.organisation_id))
    if not results:
        return Sighting(lost=this.pruned is not None)
    try:
        view = RoundView(results, Profile(this.profile), finding.organisation)
        services = tuple(_services(results, finding))
    except InputError:
        return Sighting(lost=True)
    seen = view.sees(finding)
    return Sighting(seen.judged if seen else None, services, looked=any(each.outcome in LOOKED for each in results))


def _services(results: Iterable[HostResult], finding: Finding) -> Iterable[Service]:
    """Yield what was last seen at the finding's place at each address."""
    place = finding.port, Transport(finding.transport)
    last = {each.address: each for each in sorted(results, key=lambda each: (each.outcome in LOOKED, each.look))}
    for _, result in sorted(last.items()):
        for service in result.inspection().services:
            if (service.endpoint.port, service.endpoint.transport) == place:
                yield service
