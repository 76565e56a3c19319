"""Opens what can't wait for the end of a round: confirmed findings that are critical or used by attackers."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from scanner.engine.model import Confidence, Severity
from scanner.engine.model import Finding as Judged
from scanner.engine.plan import Profile
from scanner.locks import Turn, take_turn
from scanner.remediation.follow import BEGUN, Steps, new_finding, rename_checks, terms_for
from scanner.remediation.lifecycle import Happened, State
from scanner.remediation.looked import READ, Identity, identity_of
from scanner.remediation.models import Finding, FindingEvent
from scanner.remediation.observe import Observed, RoundView
from scanner.remediation.part import Part, is_urgent
from scanner.rounds.models import HostResult, Round
from targets.models import Organisation

_NEWS = (*BEGUN, Happened.CHANGED)
"""The events by which a finding may have become urgent."""

_IN_FORCE = (State.OPEN, State.ACCEPTED)
"""Where a finding weighs something: a risk was accepted as it was then, not as it has become."""


def open_urgent(round_id: int, results: Iterable[int], now: datetime) -> list[Finding]:
    """Open, or reopen, what these results of the round confirm that is critical or known to be exploited.

    What was known, be its risk accepted, and has become so takes its step at once too. Returns those findings that this
    round opened or judged anew, by this call or an earlier one: whoever alerts people does so once for each, and a
    crash in between loses no alert. Each result is judged once, as if its host were alone: what rests on the keys of
    other hosts is never urgent. The time to fix begins when the round is followed.
    """
    del now  # what is opened bears the time of the look
    this = Round.objects.select_related("plan").get(pk=round_id)
    chosen = list(results)
    owners = Organisation.objects.filter(host_results__in=chosen, host_results__round=this).select_related("parent")
    found: list[Finding] = []
    for organisation in owners.distinct().order_by("slug"):
        rows = HostResult.objects.filter(round=this, organisation=organisation, pk__in=chosen)
        view = RoundView(
            rows.only(*READ).order_by("hostname", "address").iterator(chunk_size=50),
            Profile(this.profile),
            organisation,
        )
        part = Part(this, organisation)
        urgent = _urgent(view, part)
        if urgent:
            with transaction.atomic():
                take_turn(Turn.FINDINGS, organisation.pk)
                rename_checks(this, organisation)
                found += _open(this, organisation, urgent, part)
    return found


def urgent_of(round_id: int, organisations: Collection[int] | None = None) -> list[Finding]:
    """Return what is confirmed and urgent that a followed round opened, reopened, or judged anew; of all its
    organisations, or of these.

    Among that is what a person accepted when it weighed less; nothing of places that left the register meanwhile.
    """
    turned = FindingEvent.objects.filter(round=round_id, kind__in=_NEWS)
    if organisations is not None:
        turned = turned.filter(finding__organisation__in=organisations)
    serious = Q(severity=Severity.CRITICAL) | Q(known_exploited=True)
    chosen = Finding.objects.filter(serious, pk__in=turned.values("finding"), state__in=_IN_FORCE)
    confirmed = chosen.filter(confidence=Confidence.CONFIRMED, registered=True)
    return list(confirmed.select_related("organisation"))


def _urgent(view: RoundView, part: Part) -> dict[Identity, Observed]:
    observed = {identity: view.observe_seen(identity) for identity in sorted(view.seen())}
    return {
        identity: each
        for identity, each in observed.items()
        if each.judged is not None and is_urgent(each.judged) and part.opens(each.judged)
    }


def _open(this: Round, organisation: Organisation, urgent: dict[Identity, Observed], part: Part) -> list[Finding]:
    hosts = {host for host, _, _, _ in urgent}
    rows = Finding.objects.select_for_update().filter(organisation=organisation, host__in=hosts)
    known = {identity_of(finding): finding for finding in rows}
    steps = Steps(this, terms_for(this, organisation))
    for identity, observed in urgent.items():
        finding = known.setdefault(identity, new_finding(organisation, identity))
        is_new = finding.pk is None or finding.state == State.FIXED
        if observed.judged and (is_new or (part.concerns(finding) and becomes_urgent(finding, observed.judged))):
            steps.events += steps.take(finding, observed, None)
    steps.store()
    numbers = [known[identity].pk for identity in urgent]
    news = FindingEvent.objects.filter(round=this, kind__in=_NEWS, finding__in=numbers)
    return list(Finding.objects.filter(pk__in=news.values("finding")).select_related("organisation"))


def becomes_urgent(finding: Finding, judged: Judged) -> bool:
    """Tell whether a known finding, judged as urgent now, was not so before, or not known to be exploited."""
    if finding.state not in _IN_FORCE:
        return False
    was = finding.severity == Severity.CRITICAL or finding.known_exploited
    exploited = judged.known_exploited and not finding.known_exploited
    return exploited or not (was and finding.confidence == Confidence.CONFIRMED)
