"""Says what a round has to look at once more before it may call findings fixed."""

from __future__ import annotations

from collections import defaultdict
from itertools import chain

from django.db.models import Q, QuerySet

from scanner.engine.judge import may_rest_on_other_hosts
from scanner.engine.known_keys import KnownKeys
from scanner.engine.model import Transport
from scanner.engine.plan import SitePlace
from scanner.prepared import Given, Prepared
from scanner.remediation.follow import PLACE, organisation_of, rename_checks, round_of, to_follow, view_of
from scanner.remediation.keys import RoundKeys
from scanner.remediation.lifecycle import State
from scanner.remediation.looked import READ, places_of
from scanner.remediation.models import Finding
from scanner.remediation.part import Part
from scanner.rounds.models import TO_READ, HostResult
from scanner.rounds.ways import Again

_DOUBTED = ("addresses", "params", "profile", "level", "vantage")
"""What else of a finding tells whether a look would have seen it."""


_ALIVE = Prepared(
    lambda: (
        Finding.objects.filter(organisation=Given("organisation"))
        .exclude(state=State.FIXED)
        .only(*PLACE, *_DOUBTED)
        .order_by(*PLACE)
    )
)
_TO_READ = Prepared(
    lambda: (
        HostResult.objects.filter(round=Given("round"), organisation=Given("organisation"))
        .filter(TO_READ | Q(hostname__in=_named_to_read()))
        .only(*READ)
        .order_by("hostname", "address", "look")
    )
)


def would_be_fixed(round_id: int) -> list[Again]:
    """Return the hosts and ports that a round has to look at once more before it may call findings fixed.

    Each host gets one further port that answered, so that a filtered port can be told from a host that is down, and the
    ports that a finding rests on beside its own. A site is asked where it had something, wherever its first page leads
    to now. Only hosts that have something to fix are judged for it, unless they
    showed it all when they were looked at, and each alone unless something may rest on other hosts' keys.
    """
    this = round_of(round_id)
    again: dict[int, set[tuple[int, Transport]]] = defaultdict(set)
    places: dict[int, set[SitePlace]] = defaultdict(set)
    known: KnownKeys | None = None
    for organisation in map(organisation_of, to_follow(this)):
        rename_checks(this, organisation)
        to_read = _TO_READ.each(50, round=this, organisation=organisation)
        first = next(to_read, None)
        if first is None:
            continue
        part = Part(this, organisation)
        findings = [finding for finding in _ALIVE(organisation=organisation) if part.concerns(finding)]
        if not findings:
            continue
        hosts = {finding.host for finding in findings}
        results = (each for each in chain([first], to_read) if each.host in hosts)
        if known is None and any(map(may_rest_on_other_hosts, {finding.check_id for finding in findings})):
            known = RoundKeys(this).known
        view = view_of(this, organisation, results, known)
        for finding in findings:
            for looked in view.doubtful(finding):
                again[looked.result_id].add((finding.port, Transport(finding.transport)))
                again[looked.result_id].update((port, Transport.TCP) for port in looked.beside(finding))
                places[looked.result_id].update(places_of(finding))
                witness = view.witness(looked)
                if witness is not None:
                    again[looked.result_id].add((witness, Transport.TCP))
    return [
        Again(result_id, tuple(sorted(ports)), tuple(sorted(places[result_id])))
        for result_id, ports in sorted(again.items())
    ]


def _named_to_read() -> QuerySet[HostResult, str]:
    """The names of which an address is to be read: what was seen at another of theirs counts, too."""
    named = HostResult.objects.filter(TO_READ, round=Given("round"), organisation=Given("organisation"))
    return named.exclude(hostname="").order_by().values_list("hostname", flat=True)
