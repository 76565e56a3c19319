"""What people do to findings, and time: claims that they are fixed, and exemptions from having to fix them.

Every act is one transaction: it locks the finding, takes the step of its life, and leaves an event and an entry in the
audit trail. What can't be done raises ``InputError`` that says why, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from scanner.audit.trail import Action, record
from scanner.engine.errors import InputError
from scanner.engine.hostile import printable
from scanner.remediation import lifecycle
from scanner.remediation.lifecycle import TO_FIX, Act, Ground, Happened, State
from scanner.remediation.models import Exemption, ExemptionKind, ExemptionState, Finding, FindingEvent

LONGEST = timedelta(days=366)
"""How long an exemption may last, unless it is meant to last longer."""

USUAL = timedelta(days=365)
"""How long an exemption lasts when nobody says."""

WARN_BEFORE = timedelta(days=30)
"""How long before its end an exemption is announced to end."""

TOLD_FOR = timedelta(days=7)
"""How long an exemption that ended by time is still returned as news; whoever tells of it does so once."""

CLOCK = "clock"
"""The actor of what time did."""


def claim(finding: Finding, by: str, note: str, now: datetime) -> bool:
    """Record that ``by`` says the finding is fixed; return whether that is news.

    Only a look that begins after ``now`` can refute it. Whoever calls this asks for a re-inspection as well: see
    :func:`scanner.remediation.reinspection.request_reinspection`.
    """
    by, note = _who(by), _text("note", note, optional=True)
    with transaction.atomic():
        row = _locked(finding)
        if row.state == State.CLAIMED:
            return False
        if row.state != State.OPEN:
            raise InputError(f"Finding {row.pk} can't be claimed to be fixed: {_why_not(row)}.")
        _take(row, lifecycle.claim(row.standing, now), now, by, {"note": note} if note else {})
        record(Action.FINDING_CLAIMED, _subject(row), actor=by, at=now, note=note)
    finding.standing = row.standing
    return True


def request_exemption(
    finding: Finding,
    kind: ExemptionKind,
    owner: str,
    reason: str,
    proof: str,
    until: datetime | None,
    by: str,
    now: datetime,
) -> Exemption:
    """Record that the organisation asks for an exemption; the finding stays as it is until that is decided.

    ``until`` None asks for the usual year.
    """
    by = _who(by)
    with transaction.atomic():
        row = _locked(finding)
        asked = _exemption(row, kind, owner, reason, proof, until or now + USUAL, by, now)
        _check_end(asked.until, now, long=True)
        asked.state = ExemptionState.REQUESTED
        asked.save()
        FindingEvent.objects.create(finding=row, kind=Happened.DISPUTED, at=now, actor=by, detail=_detail(asked))
        record(Action.FINDING_DISPUTED, _subject(row), actor=by, at=now, **_detail(asked))
    return asked


def grant(
    finding: Finding,
    kind: ExemptionKind,
    owner: str,
    reason: str,
    proof: str,
    until: datetime,
    by: str,
    now: datetime,
    *,
    long: bool = False,
) -> Exemption:
    """Exempt the finding up to, not including, ``until``; at most :data:`LONGEST` from ``now`` unless ``long``."""
    by = _who(by)
    with transaction.atomic():
        row = _locked(finding)
        granted = _exemption(row, kind, owner, reason, proof, until, by, now)
        _begin(granted, row, by, now, long=long)
    finding.standing = row.standing
    return granted


def decide(
    exemption: Exemption,
    granted: bool,
    by: str,
    now: datetime,
    *,
    until: datetime | None = None,
    note: str = "",
    long: bool = False,
) -> Exemption:
    """Grant or refuse what an organisation asked for; ``until`` replaces the end that it asked for."""
    by, note = _who(by), _text("note", note, optional=True)
    with transaction.atomic():
        asked = Exemption.objects.select_for_update().get(pk=exemption.pk)
        if asked.state != ExemptionState.REQUESTED:
            raise InputError(f"Request {asked.pk} was decided already: {asked.state}.")
        row = _locked(asked.finding)
        asked.until = until or asked.until
        if granted:
            _begin(asked, row, by, now, long=long, note=note)
        else:
            asked.state, asked.decided_by, asked.decided_at = ExemptionState.REFUSED, by, now
            asked.save()
            detail = _detail(asked, note)
            FindingEvent.objects.create(finding=row, kind=Happened.REQUEST_REFUSED, at=now, actor=by, detail=detail)
            record(Action.FINDING_REFUSED, _subject(row), actor=by, at=now, **detail)
    return asked


def end_exemption(finding: Finding, by: str, note: str, now: datetime) -> Exemption:
    """End the exemption of a finding before its time: it is open again, or fixed if it was proven gone meanwhile."""
    by, note = _who(by), _text("note", note, optional=True)
    with transaction.atomic():
        row = _locked(finding)
        held = row.exemptions.select_for_update().filter(state=ExemptionState.GRANTED).first()
        if held is None:
            raise InputError(f"Finding {row.pk} is not exempt: it is {row.state}.")
        _end(held, row, by, now, note)
    finding.standing = row.standing
    return held


def end_exemptions(now: datetime) -> list[Exemption]:
    """End every exemption whose time is over; return those that ended by time within the last :data:`TOLD_FOR`.

    So what an earlier call ended, and nobody was told of because of a crash, is returned again.
    """
    over = Exemption.objects.filter(state=ExemptionState.GRANTED, until__lte=now)
    for number in list(over.values_list("pk", flat=True)):
        with transaction.atomic():
            held = Exemption.objects.select_for_update().filter(pk=number, state=ExemptionState.GRANTED).first()
            if held is not None:
                _end(held, _locked(held.finding), CLOCK, now, "")
    lately = Exemption.objects.filter(state=ExemptionState.ENDED, ended_at__gt=now - TOLD_FOR, ended_at__gte=F("until"))
    return list(lately.select_related("finding__organisation"))


def exemptions_ending(now: datetime, within: timedelta = WARN_BEFORE) -> list[Exemption]:
    """Return the exemptions that end ``within`` that time and whose end was not announced yet, the soonest first."""
    held = Exemption.objects.filter(state=ExemptionState.GRANTED, warned=None, until__gt=now, until__lte=now + within)
    return list(held.select_related("finding__organisation").order_by("until", "pk"))


def mark_warned(exemptions: Iterable[Exemption], now: datetime) -> None:
    """Note that their end was announced; belongs into the transaction that puts the announcement into the outbox."""
    Exemption.objects.filter(pk__in=[each.pk for each in exemptions], warned=None).update(warned=now)


def _locked(finding: Finding) -> Finding:
    return Finding.objects.select_for_update().get(pk=finding.pk)


def _exemption(
    row: Finding, kind: ExemptionKind, owner: str, reason: str, proof: str, until: datetime, by: str, now: datetime
) -> Exemption:
    """Return an exemption of a finding that may get one; it is not stored yet."""
    if row.state not in TO_FIX:
        raise InputError(f"Finding {row.pk} can't be exempt: {_why_not(row)}.")
    asked = row.exemptions.filter(state=ExemptionState.REQUESTED).first()
    if asked is not None:
        raise InputError(f"Finding {row.pk} has a request that is not decided yet; decide it first.")
    return Exemption(
        finding=row,
        kind=kind,
        owner=_text("owner", owner, most=200),
        reason=_text("reason", reason),
        proof=_text("proof", proof, optional=True),
        until=until,
        requested_by=by,
        requested_at=now,
    )


def _check_end(until: datetime, now: datetime, *, long: bool) -> None:
    if until <= now:
        raise InputError(f"An exemption can't end in the past: {until:%Y-%m-%d}.")
    if not long and until > now + LONGEST:
        raise InputError(f"An exemption lasts at most a year, and this one until {until:%Y-%m-%d}; --long allows that.")


def _begin(held: Exemption, row: Finding, by: str, now: datetime, *, long: bool, note: str = "") -> None:
    """Grant it: the row, the step of the finding, the event and the entry."""
    _check_end(held.until, now, long=long)
    if row.state not in TO_FIX:
        raise InputError(f"Finding {row.pk} can't be exempt: {_why_not(row)}.")
    held.state, held.decided_by, held.decided_at = ExemptionState.GRANTED, by, now
    held.save()
    _take(row, lifecycle.exempt(row.standing, Ground(held.kind), held.until), now, by, _detail(held, note))
    record(Action.FINDING_EXEMPTED, _subject(row), actor=by, at=now, **_detail(held, note))


def _end(held: Exemption, row: Finding, by: str, now: datetime, note: str) -> None:
    held.state, held.ended_at = ExemptionState.ENDED, now
    held.save()
    detail = _detail(held, note)
    if row.gone is not None:
        detail["proven_gone"] = row.gone.isoformat()
    _take(row, lifecycle.end_exemption(row.standing), now, by, detail)
    record(Action.FINDING_ENDED, _subject(row), actor=by, at=now, **detail)


def _take(row: Finding, act: Act, now: datetime, by: str, detail: dict[str, str]) -> None:
    """Let the finding take the step, and write what happened."""
    row.standing, happened = act
    row.save()
    FindingEvent.objects.bulk_create(
        FindingEvent(finding=row, kind=kind, at=now, actor=by, detail=detail) for kind in happened
    )


def _detail(held: Exemption, note: str = "") -> dict[str, str]:
    told = {"exemption": str(held.pk), "kind": held.kind, "until": held.until.isoformat(), "owner": held.owner}
    return told | {name: value for name, value in (("reason", held.reason), ("note", note)) if value}


def _subject(row: Finding) -> str:
    return f"finding {row.pk}"


def _why_not(row: Finding) -> str:
    if row.exempt_until is not None:
        return f"it is exempt until {row.exempt_until:%Y-%m-%d}; end that first"
    return f"it is {row.state}"


def _who(by: str) -> str:
    return _text("name of who does this", by, most=200)


def _text(name: str, value: str, *, optional: bool = False, most: int = 2000) -> str:
    value = value.replace("\0", "").strip()  # which no database keeps
    if not value and not optional:
        raise InputError(f"The {name} is missing.")
    if len(value) > most:
        raise InputError(f"The {name} is too long: at most {most} characters.")
    return "\n".join(printable(each, most) for each in value.splitlines())[:most]
