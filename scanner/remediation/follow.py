"""Follows the findings of a round: each gets one step of its life, in one transaction per organisation.

Following a round twice changes nothing: an organisation that has its score for the round has been followed.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Q

from scanner import bulk
from scanner.engine.known_keys import KnownKeys
from scanner.engine.plan import Profile
from scanner.engine.plugins.load import renamed_checks
from scanner.locks import Turn, take_turn
from scanner.prepared import Given, Prepared
from scanner.remediation.acts import end_what_is_over
from scanner.remediation.cadence import attend
from scanner.remediation.keys import RoundKeys, counted_keys
from scanner.remediation.lifecycle import (
    SAME_LIFE,
    Happened,
    Observation,
    Standing,
    State,
    Terms,
    follow,
    report,
    terms_of,
)
from scanner.remediation.looked import READ, Identity, identity_of, policies_of_open
from scanner.remediation.models import Finding, FindingEvent, RoundScore
from scanner.remediation.moves import Moves
from scanner.remediation.observe import Observed, RoundView
from scanner.remediation.part import Part, Register, is_urgent
from scanner.remediation.registered import keep_marked
from scanner.remediation.scores import store_score
from scanner.remediation.silence import Silences
from scanner.rounds.models import HostResult, Plan, PlanKind, Round
from targets.models import Organisation

BEGUN = (Happened.OPENED, Happened.REOPENED)
"""The events with which a life, or a further part of it, begins."""


PLACE = ("host", "port", "transport", "check_id")
"""What a finding is known by within its organisation, in the order in which they are read."""

_ALL = Prepared(lambda: Finding.objects.select_for_update().filter(organisation=Given("organisation")).order_by(*PLACE))
_NUMBERS = Prepared(
    lambda: Finding.objects.filter(organisation=Given("organisation")).order_by().values_list("pk", *PLACE)
)
_BEGUN = Prepared(
    lambda: FindingEvent.objects.filter(
        round=Given("round"), kind__in=BEGUN, finding__organisation=Given("organisation")
    ).values_list("finding", flat=True)
)
_RESULTS = Prepared(
    lambda: (
        HostResult.objects.filter(round=Given("round"), organisation=Given("organisation"))
        .only(*READ)
        .order_by("hostname", "address", "look")
    )
)
_ROUND = Prepared(lambda: Round.objects.filter(pk=Given("round")).select_related("plan"))
_LOCKED = Prepared(lambda: Round.objects.select_for_update().filter(pk=Given("round")).values_list("pk", flat=True))
_SCORED = Prepared(
    lambda: RoundScore.objects.filter(round=Given("round"), organisation=Given("organisation")).values_list(
        "pk", flat=True
    )
)
_TO_FOLLOW = Prepared(
    lambda: (
        Organisation.objects.filter(rounds=Given("round"))
        .exclude(pk__in=RoundScore.objects.filter(round=Given("round")).values("organisation"))
        .order_by("slug")
        .values_list("pk", flat=True)
    )
)
_ORGANISATION = Prepared(lambda: Organisation.objects.filter(pk=Given("organisation")).select_related("parent"))
_ROUTINE = Prepared(
    lambda: (
        Plan.objects.filter(Q(organisations=Given("organisation")) | Q(organisations=None))
        .filter(kind=PlanKind.ROUTINE, retired_at=None)
        .order_by("pk")[:1]
    )
)


def follow_round(round_id: int, now: dt.datetime) -> None:
    """Let every finding that the round is about take its step, score its organisations, and mark the round followed."""
    count_keys(round_id, now)
    follow_some(round_id, to_follow(round_of(round_id)), now)
    Round.objects.filter(pk=round_id, followed=None).update(followed=now)


def count_keys(round_id: int, now: dt.datetime) -> None:
    """Store which keys stand where once a round's looks are counted in, for :func:`follow_some`.

    Exemptions whose time was over at ``now`` are ended first.
    """
    this = round_of(round_id)
    if to_follow(this):
        end_what_is_over(now)
        RoundKeys(this).keep()


def follow_some(round_id: int, organisations: Collection[int], now: dt.datetime) -> None:
    """Let the findings of some of a round's organisations take their step, and score these, once keys were counted.

    With that they count as told of what is open, and the time to fix it begins; of what a round between rounds saw they
    are told only what can't wait and what came back.
    """
    this = round_of(round_id)
    left = [number for number in to_follow(this) if number in organisations]
    known = counted_keys(left)
    for organisation in map(organisation_of, left):
        rename_checks(this, organisation)
        # Judging takes longest, so nobody waits for it to write.
        view = view_of(this, organisation, _results(this, organisation), known)
        with transaction.atomic():
            take_turn(Turn.FINDINGS, organisation.pk)
            if _is_followed(this, organisation):
                continue  # by somebody who was faster, and told people since
            _follow_organisation(this, organisation, view, now)
            store_score(this, organisation)
            attend(organisation, this, now)


def rename_checks(this: Round, organisation: Organisation) -> None:
    """Let findings go on whose check has another name now; a finding that is known by the new one stays beside it."""
    former = renamed_checks()
    if not former:
        return
    with transaction.atomic():
        for finding in Finding.objects.filter(organisation=organisation, check_id__in=former):
            before, finding.check_id = finding.check_id, former[finding.check_id]
            host, port, transport, check = identity_of(finding)
            place = Finding.objects.filter(organisation=organisation, host=host, port=port, transport=transport)
            if place.filter(check_id=check).exists():
                continue
            finding.save(update_fields=["check_id"])
            FindingEvent.objects.bulk_create(
                [
                    FindingEvent(
                        finding=finding,
                        round=this,
                        kind=Happened.RENAMED,
                        at=this.created,
                        detail={"check_before": before, "check": check},
                    )
                ],
                ignore_conflicts=True,
            )


_WHAT_MOVES = (
    *("addresses", "state", "severity", "confidence", "key_target", "known_exploited", "params", "exchanges"),
    *("profile", "level", "vantage", "first_seen", "last_seen", "last_inspected", "claimed", "fixed", "exempt_until"),
    *("gone", "reported", "deadline", "recurrences"),
)
"""The columns of a finding that a step may change: all but those that it is known by."""

_movable: Callable[[Finding], tuple[object, ...]] = attrgetter(*_WHAT_MOVES)


_NO_DETAIL: Mapping[str, str] = {}


class Event(NamedTuple):
    """What happened to a finding, as it will be kept in its history."""

    finding: Finding
    kind: Happened
    at: dt.datetime
    detail: Mapping[str, str]


@dataclass(slots=True)
class Steps:
    """The steps that findings take in a round, to be stored together: hundreds of rows in a few statements."""

    this: Round
    terms: Terms
    new: list[Finding] = field(default_factory=list)
    moved: dict[tuple[str, ...], list[Finding]] = field(default_factory=lambda: defaultdict(list))
    """Known findings by the columns that change: nearly all are merely seen once more."""
    events: list[Event] = field(default_factory=list)

    def take(self, finding: Finding, observed: Observed, told_at: dt.datetime | None) -> list[Event]:
        """Move one finding, new when it has no number, and return what happened, for the caller to add to ``events``.

        ``told_at`` is when its organisation is told of it, None for not yet.
        """
        before = finding.standing if finding.pk is not None else None
        after, happened = follow(before, observed.look, self.terms)
        if after is None:
            return []
        moved = after if told_at is None else report(after, told_at, self.terms)
        was_exploited = finding.known_exploited
        if moved != before:
            was = _movable(finding) if before is not None else ()
            finding.standing = moved
            if after != before:
                _keep_evidence(finding, before, observed)
            self._move(finding, was)
        if before is not None and finding.known_exploited and not was_exploited and Happened.CHANGED not in happened:
            happened = (*happened, Happened.CHANGED)
        detail = _detail(before, after, observed)
        at = observed.look.when
        return [Event(finding, kind, at, detail.get(kind, _NO_DETAIL)) for kind in happened]

    def store(self) -> None:
        """Store the findings that moved, then what happened to them. Belongs into the transaction that read them."""
        self._store_new()
        for names, findings in self.moved.items():
            bulk.update(findings, names)
        bulk.insert_missing(
            [
                FindingEvent.made(
                    finding_id=event.finding.pk,  # which a new finding was given just now
                    round_id=self.this.pk,
                    kind=event.kind,
                    at=event.at,
                    detail=event.detail,
                )
                for event in self.events
            ]
        )

    def _store_new(self) -> None:
        """Insert the new findings, which are of one organisation, and give them their numbers."""
        bulk.insert_missing(self.new)
        if self.new:
            known = _NUMBERS(organisation=self.new[0].organisation_id)
            numbers = {tuple(place): number for number, *place in known}
            for finding in self.new:
                finding.pk = numbers[identity_of(finding)]

    def _move(self, finding: Finding, was: tuple[object, ...]) -> None:
        if finding.pk is None:
            self.new.append(finding)
            return
        now = _movable(finding)
        changed = tuple(name for name, old, new in zip(_WHAT_MOVES, was, now, strict=True) if old != new)
        if changed:
            self.moved[changed].append(finding)


def terms_for(this: Round | None, organisation: Organisation) -> Terms:
    """Return the time to fix that holds: the plan's of the round, else that of the organisation's first routine plan.

    Days are those of the organisation's time zone.
    """
    plan = this.plan if this else None
    if plan is None:
        plan = _ROUTINE.first(organisation=organisation)
    return terms_of(plan.deadlines if plan else {}, ZoneInfo(organisation.time_zone))


def to_follow(this: Round) -> list[int]:
    """Return the primary keys of the round's organisations that were not followed yet, by name."""
    return _TO_FOLLOW(round=this)


def round_of(number: int) -> Round:
    """Return a round with its plan."""
    (this,) = _ROUND(round=number)
    return this


def organisation_of(number: int) -> Organisation:
    """Return an organisation with the one above it."""
    (organisation,) = _ORGANISATION(organisation=number)
    return organisation


def _is_followed(this: Round, organisation: Organisation) -> bool:
    """Tell whether the organisation was followed; until the transaction ends nobody else follows the round."""
    _LOCKED(round=this)
    return bool(_SCORED(round=this, organisation=organisation))


def _results(this: Round, organisation: Organisation) -> Iterator[HostResult]:
    return _RESULTS.each(50, round=this, organisation=organisation)


def view_of(
    this: Round, organisation: Organisation, results: Iterable[HostResult], known: KnownKeys | None
) -> RoundView:
    """Return what these results of the round say of the organisation, with all that its open findings rest on."""
    return RoundView(
        results,
        Profile(this.profile),
        organisation,
        known,
        policies_of_open(organisation),
        Moves(this, organisation),
        Silences(this, organisation),
    )


def _follow_organisation(this: Round, organisation: Organisation, view: RoundView, now: dt.datetime) -> None:
    part, register, terms = Part(this, organisation), Register(organisation), terms_for(this, organisation)
    begun = set(_BEGUN(round=this, organisation=organisation))
    seen = view.seen()
    known: set[Identity] = set()
    steps = Steps(this, terms)
    followed = _ALL(organisation=organisation)
    for finding in followed:
        identity = identity_of(finding)
        known.add(identity)
        observed = view.observe(finding, now)
        if _has_a_say(part, register, finding, observed):
            told_at = now if _is_told(this, organisation, finding, observed) else None
            happened = steps.take(finding, observed, told_at)
            # What an urgent look of this round opened is new, and not seen once more.
            steps.events += [each for each in happened if each.kind != Happened.SEEN or finding.pk not in begun]
    for identity in sorted(seen - known):
        observed = view.observe_seen(identity)
        if observed.judged is not None and part.opens(observed.judged):
            new = new_finding(organisation, identity)
            new.registered = register.holds(new)
            told_at = now if _is_told(this, organisation, new, observed) else None
            steps.events += steps.take(new, observed, told_at)
    steps.store()
    keep_marked(followed, register)


def _has_a_say(part: Part, register: Register, finding: Finding, observed: Observed) -> bool:
    """Tell whether what was observed is followed; a place that is not registered any more is not missed."""
    if observed.look.observation is Observation.NOT_INSPECTED and not register.holds(finding):
        return False
    comes_back = finding.state == State.FIXED and observed.judged is not None and part.opens(observed.judged)
    return comes_back or part.concerns(finding)


def _is_told(this: Round, organisation: Organisation, finding: Finding, observed: Observed) -> bool:
    """Tell whether people hear of a finding by this round: a round between rounds is not reported as a whole, and who
    was retired meanwhile is told nothing."""
    if organisation.retired_at is not None:
        return False
    if this.kind != PlanKind.CADENCE:
        return True
    if observed.judged is None:
        return False
    is_back = finding.fixed is not None and observed.look.when - finding.fixed <= SAME_LIFE
    return is_back or is_urgent(observed.judged)


def new_finding(organisation: Organisation, identity: Identity) -> Finding:
    """Return a finding that nobody knew; it is not stored."""
    host, port, transport, check = identity
    return Finding(organisation=organisation, host=host, port=port, transport=transport, check_id=check)


def _keep_evidence(finding: Finding, before: Standing | None, observed: Observed) -> None:
    if observed.judged is None:
        return
    alive = before is not None and before.state is not State.FIXED
    finding.addresses = sorted({*(finding.addresses if alive else ()), *observed.addresses})
    if observed.looked is None:
        return
    finding.params = [list(pair) for pair in observed.judged.params]
    finding.exchanges = [
        {"sent": each.sent, "received": each.received, "at": each.at} for each in observed.judged.exchanges
    ]
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
            "known_exploited": str(observed.judged is not None and observed.judged.known_exploited),
        }
        if before.fixed is not None:
            detail[Happened.REOPENED] = {"fixed": before.fixed.isoformat(), "recurrences": str(after.recurrences)}
    if observed.first_look is not None:
        looks = {"first_look": observed.first_look.isoformat(), "second_look": observed.look.when.isoformat()}
        if observed.left:
            looks["left"] = " ".join(observed.left)
        detail[Happened.FIXED] = detail[Happened.NOT_SEEN] = looks
    return detail
