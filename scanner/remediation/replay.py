"""Judges the stored facts of a round again, with today's rules. Sends nothing and writes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from scanner.engine.known_keys import KnownKeys
from scanner.engine.model import Transport
from scanner.engine.plan import Profile
from scanner.remediation.lifecycle import State
from scanner.remediation.looked import Identity, identity_of
from scanner.remediation.models import Finding
from scanner.remediation.observe import Observed, RoundView
from scanner.rounds.models import HostResult, Round
from targets.models import Organisation


class Difference(StrEnum):
    """How today's judgement of one finding differs from the record."""

    WOULD_OPEN = "would-open"
    WOULD_NOT_BE_SEEN = "would-not-be-seen"
    WOULD_WEIGH_OTHERWISE = "would-weigh-otherwise"


@dataclass(frozen=True, slots=True)
class Weight:
    """Severity and confidence of a finding."""

    severity: str
    confidence: str


@dataclass(frozen=True, slots=True)
class Change:
    """One finding that today's rules judge differently; the side that has no such finding is None."""

    difference: Difference
    host: str
    port: int
    transport: Transport
    check: str
    recorded: Weight | None
    judged: Weight | None


def replay(this: Round, organisation: Organisation, known: KnownKeys) -> tuple[Change, ...]:
    """Return what today's rules would change in the record of one organisation, by host, port and check.

    ``known`` are the keys of the inventory after that round (:attr:`scanner.remediation.keys.RoundKeys.known`).

    Only what the round itself recorded is compared: a finding that a later round saw, or that was fixed since this
    one began, is that round's matter. Raises ``InputError`` when facts can't be read, or were pruned.
    """
    this.need_facts()
    results = list(HostResult.objects.filter(round=this, organisation=organisation).defer("facts"))
    stored = HostResult.objects.filter(round=this, organisation=organisation)
    view = RoundView(stored.iterator(chunk_size=50), Profile(this.profile), organisation, known)
    began = min((result.started for result in results), default=None)
    looks = {(result.host, result.finished) for result in results}
    unknown = set(view.seen())
    changes: list[Change] = []
    for finding in Finding.objects.filter(organisation=organisation):
        identity = identity_of(finding)
        if finding.fixed is None or began is None or finding.fixed >= began:
            unknown.discard(identity)
        if finding.state != State.FIXED and (finding.host, finding.last_seen) in looks:
            changes += _compare(view, finding)
    changes += [_change(Difference.WOULD_OPEN, each, None, _weight(view.observe_seen(each))) for each in unknown]
    return tuple(sorted(changes, key=lambda each: (each.host, each.port, each.transport, each.check)))


def _compare(view: RoundView, finding: Finding) -> list[Change]:
    identity, recorded = identity_of(finding), Weight(finding.severity, finding.confidence)
    seen = view.observe(finding, finding.last_seen)
    if seen.judged is None:
        return [_change(Difference.WOULD_NOT_BE_SEEN, identity, recorded, None)]
    judged = _weight(seen)
    return [] if judged == recorded else [_change(Difference.WOULD_WEIGH_OTHERWISE, identity, recorded, judged)]


def _weight(seen: Observed) -> Weight:
    return Weight(str(seen.look.severity), str(seen.look.confidence))


def _change(difference: Difference, identity: Identity, recorded: Weight | None, judged: Weight | None) -> Change:
    host, port, transport, check = identity
    return Change(difference, host, port, transport, check, recorded, judged)
