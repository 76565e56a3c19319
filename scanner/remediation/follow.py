"""Follows the findings of a round: each gets one step of its life, in one transaction per organisation.

Following a round twice changes nothing: an organisation that has its score for the round has been followed.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import asdict

from django.db import transaction

from scanner.engine.model import Transport
from scanner.engine.plan import Profile
from scanner.remediation.keys import RoundKeys
from scanner.remediation.lifecycle import Happened, Standing, State, follow
from scanner.remediation.models import Finding, FindingEvent, RoundScore
from scanner.remediation.observe import Identity, Observed, RoundView, identity_of
from scanner.remediation.scores import store_score
from scanner.rounds.models import HostResult, Round
from scanner.rounds.ways import Again
from targets.models import Organisation


def would_be_fixed(round_id: int) -> list[Again]:
    """Return the hosts and ports that a round has to look at once more before it may call findings fixed.

    Each host gets one further port that answered, so that a filtered port can be told from a host that is down. Only
    hosts that have something to fix are judged for it.
    """
    this = Round.objects.get(pk=round_id)
    again: dict[int, set[tuple[int, Transport]]] = defaultdict(set)
    keys: RoundKeys | None = None
    for organisation in _to_follow(this):
        findings = list(Finding.objects.filter(organisation=organisation).exclude(state=State.FIXED))
        hosts = {finding.host for finding in findings}
        results = (each for each in _results(this, organisation) if each.host in hosts)
        if not findings:
            continue
        keys = keys or RoundKeys(this)
        view = _view(this, organisation, results, keys)
        for finding in findings:
            for looked in view.doubtful(finding):
                again[looked.result_id].add((finding.port, Transport(finding.transport)))
                witness = view.witness(looked)
                if witness is not None:
                    again[looked.result_id].add((witness, Transport.TCP))
    return [Again(result_id, tuple(sorted(ports))) for result_id, ports in sorted(again.items())]


def follow_round(round_id: int) -> None:
    """Let every finding of the round's organisations take its step, score them, and mark the round followed."""
    this = Round.objects.get(pk=round_id)
    left = list(_to_follow(this))
    if left:
        keys = RoundKeys(this)
        keys.keep()
        for organisation in left:
            with transaction.atomic():
                _follow_organisation(this, organisation, keys)
                store_score(this, organisation)
    if this.followed is None:
        this.followed = dt.datetime.now(dt.UTC)
        this.save(update_fields=["followed"])


def _to_follow(this: Round) -> Iterable[Organisation]:
    followed = RoundScore.objects.filter(round=this).values("organisation")
    return this.organisations.exclude(pk__in=followed).order_by("slug")


def _results(this: Round, organisation: Organisation) -> Iterator[HostResult]:
    return HostResult.objects.filter(round=this, organisation=organisation).iterator(chunk_size=50)


def _view(this: Round, organisation: Organisation, results: Iterable[HostResult], keys: RoundKeys) -> RoundView:
    still_open = Finding.objects.filter(organisation=organisation).exclude(state=State.FIXED)
    open_findings = still_open.iterator(chunk_size=500)
    return RoundView(results, Profile(this.profile), organisation, keys.known, open_findings)


def _follow_organisation(this: Round, organisation: Organisation, keys: RoundKeys) -> None:
    view = _view(this, organisation, _results(this, organisation), keys)
    now = dt.datetime.now(dt.UTC)
    known: set[Identity] = set()
    events: list[FindingEvent] = []
    for finding in Finding.objects.filter(organisation=organisation):
        known.add(identity_of(finding))
        events += _step(finding, finding.standing, view.observe(finding, now), this)
    for identity in sorted(view.seen() - known):
        host, port, transport, check = identity
        new = Finding(organisation=organisation, host=host, port=port, transport=transport, check_id=check)
        events += _step(new, None, view.observe_seen(identity), this)
    FindingEvent.objects.bulk_create(events, ignore_conflicts=True)


def _step(finding: Finding, before: Standing | None, observed: Observed, this: Round) -> list[FindingEvent]:
    """Move one finding, save it if it moved, and return what happened."""
    after, happened = follow(before, observed.look)
    if after is None:
        return []
    if after != before:
        finding.standing = after
        _keep_evidence(finding, before, observed)
        finding.save()
    detail = _detail(before, after, observed)
    at = observed.look.when
    return [
        FindingEvent(finding=finding, round=this, kind=kind, at=at, detail=detail.get(kind, {})) for kind in happened
    ]


def _keep_evidence(finding: Finding, before: Standing | None, observed: Observed) -> None:
    if observed.judged is None or observed.looked is None:
        return
    alive = before is not None and before.state is not State.FIXED
    finding.addresses = sorted({*(finding.addresses if alive else ()), *observed.addresses})
    finding.params = [list(pair) for pair in observed.judged.params]
    finding.exchanges = [asdict(exchange) for exchange in observed.judged.exchanges]
    finding.known_exploited = observed.judged.known_exploited
    finding.profile = observed.looked.profile
    finding.level = observed.looked.inspection.level
    finding.vantage = observed.looked.inspection.vantage


def _detail(before: Standing | None, after: Standing, observed: Observed) -> dict[Happened, dict[str, str]]:
    detail: dict[Happened, dict[str, str]] = {}
    if before is not None:
        detail[Happened.CHANGED] = {
            "severity_before": before.severity,
            "severity": after.severity,
            "confidence_before": before.confidence,
            "confidence": after.confidence,
        }
    if observed.first_look is not None:
        looks = {"first_look": observed.first_look.isoformat(), "second_look": observed.look.when.isoformat()}
        detail[Happened.FIXED] = detail[Happened.NOT_SEEN] = looks
    return detail
