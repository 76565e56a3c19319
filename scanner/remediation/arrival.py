"""Judges results as they come in: who reads the round later finds most of it judged, or need not read it."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from scanner.engine.model import HostInspection, Transport
from scanner.engine.plan import Profile
from scanner.prepared import AnyOf, Given, Prepared
from scanner.remediation.follow import PLACE
from scanner.remediation.lifecycle import State
from scanner.remediation.looked import Identity, Looked, basis_of, read
from scanner.remediation.models import Finding
from scanner.remediation.part import is_urgent
from scanner.remediation.urgent import becomes_urgent
from scanner.rounds.models import HostResult, Round
from targets.models import Organisation

_log = logging.getLogger(__name__)

_NEWS = ("state", "severity", "confidence", "known_exploited")
"""What of a known finding tells whether it has become urgent."""


def nothing_new(
    this: Round, organisation: Organisation, arrived: Sequence[tuple[HostResult, HostInspection]]
) -> list[bool]:
    """Tell of first looks that are about to be stored which show all that is known of their host and nothing urgent.

    Then they can neither make anybody look again nor alert anybody, and only whoever follows the round reads them. Each
    is judged as if its host were alone, and remembered for that. What can't be judged now tells nothing: it is read as
    what nobody judged, and whoever does so meets the trouble.
    """
    try:
        known = _known(organisation, {result.host for result, _ in arrived})
        profile, basis = Profile(this.profile), basis_of(organisation)
        for result, inspection in arrived:
            result.hold(inspection)
        return [_is_as_known(read(result, profile, basis, ()), known[result.host]) for result, _ in arrived]
    except Exception:  # noqa: BLE001 - whatever it was, the results must be stored
        _log.exception("results of %s could not be judged as they came in", this)
        return [False] * len(arrived)


_HOSTS = AnyOf(16)
_KNOWN = Prepared(
    lambda: (
        Finding.objects.filter(organisation=Given("organisation"), host__in=_HOSTS.places)
        .exclude(state=State.FIXED)
        .order_by()
        .values_list(*PLACE, *_NEWS)
    )
)


def _known(organisation: Organisation, hosts: Collection[str]) -> Mapping[str, dict[Identity, tuple[Any, ...]]]:
    """Return the findings of these hosts that are not fixed, and what of each tells whether it becomes urgent."""
    known: defaultdict[str, dict[Identity, tuple[Any, ...]]] = defaultdict(dict)
    for part in _HOSTS.parts(hosts):
        for row in _KNOWN(organisation=organisation, **part):
            host, port, transport, check, *news = row
            known[host][host, port, Transport(transport), check] = tuple(news)
    return known


def _is_as_known(looked: Looked, known: Mapping[Identity, tuple[Any, ...]]) -> bool:
    return known.keys() <= looked.found.keys() and not any(
        identity not in known or becomes_urgent(_finding(known[identity]), judged)
        for identity, judged in looked.found.items()
        if is_urgent(judged)
    )


def _finding(news: tuple[Any, ...]) -> Finding:
    return Finding(**dict(zip(_NEWS, news, strict=True)))
