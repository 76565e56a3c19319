"""What people do to findings, and time: claims that they are fixed, and exemptions from having to fix them.

Every act is one transaction: it locks the finding, takes the step of its life, and leaves an event and an entry in the
audit trail. What can't be done raises ``Refused`` that says why, and changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from scanner.audit.trail import Action, record
from scanner.engine.errors import Refused
from scanner.engine.hostile import printable
from scanner.prepared import Given, Prepared
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
    by, note = _who(by), cleaned("note", note, optional=True)
    with transaction.atomic():
        row = _locked(finding)
        if row.state == State.CLAIMED:
            return False
        _refuse(objection_to_claim(row))
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
        _check_end(row, asked.until, now, long=True)
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
    by, note = _who(by), cleaned("note", note, optional=True)
    with transaction.atomic():
        asked = Exemption.objects.select_for_update().get(pk=exemption.pk)
        row = _locked(asked.finding)
        _refuse(objection_to_decision(row, asked))
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


def end_exemption(finding: Finding, by: str, note: str, now: datetime, *, meant: int | None = None) -> Exemption:
    """End the exemption of a finding before its time: it is open again, or fixed if it was proven gone meanwhile.

    ``meant`` is the number of the exemption that is to end, where another may have taken its place.
    """
    by, note = _who(by), cleaned("note", note, optional=True)
    with transaction.atomic():
        row = _locked(finding)
        held = row.exemptions.select_for_update().filter(state=ExemptionState.GRANTED).first()
        _refuse(objection_to_ending(row, held, meant))
        assert held is not None  # noqa: S101 - otherwise there was an objection
        _end(held, row, by, now, note)
    finding.standing = row.standing
    return held


def end_exemptions(now: datetime) -> list[Exemption]:
    """End every exemption whose time is over; return those that ended by time within the last :data:`TOLD_FOR`, where
    anybody has to fix something now: not at places that are not registered any more.

    So what an earlier call ended, and nobody was told of because of a crash, is returned again.
    """
    end_what_is_over(now)
    ended = Exemption.objects.filter(state=ExemptionState.ENDED, finding__registered=True)
    lately = ended.filter(ended_at__gt=now - TOLD_FOR, ended_at__gte=F("until"))
    return list(lately.select_related("finding__organisation"))


def end_what_is_over(now: datetime) -> None:
    """End every exemption whose time is over."""
    for number in _OVER(now=now):
        with transaction.atomic():
            held = Exemption.objects.select_for_update().filter(pk=number, state=ExemptionState.GRANTED).first()
            if held is not None:
                _end(held, _locked(held.finding), CLOCK, now, "")


_OVER = Prepared(
    lambda: Exemption.objects.filter(state=ExemptionState.GRANTED, until__lte=Given("now")).values_list("pk", flat=True)
)


def exemptions_ending(now: datetime, within: timedelta = WARN_BEFORE) -> list[Exemption]:
    """Return the exemptions that end ``within`` that time and whose end was not announced yet, the soonest first.

    Those of places that are not registered any more concern nobody.
    """
    held = Exemption.objects.filter(state=ExemptionState.GRANTED, warned=None, finding__registered=True)
    held = held.filter(until__gt=now, until__lte=now + within)
    return list(held.select_related("finding__organisation").order_by("until", "pk"))


def mark_warned(exemptions: Iterable[Exemption], now: datetime) -> None:
    """Note that their end was announced; belongs into the transaction that puts the announcement into the outbox."""
    Exemption.objects.filter(pk__in=[each.pk for each in exemptions], warned=None).update(warned=now)


def cleaned(name: str, value: str, *, optional: bool = False, most: int = 2000) -> str:
    """Return what a person wrote as it is kept: printable, without a NUL. Raises ``Refused``."""
    value = value.replace("\0", "").strip()  # which no database keeps
    if not value and not optional:
        raise Refused(f"The {name} is missing.", "text-missing")
    if len(value) > most:
        raise Refused(f"The {name} is too long: at most {most} characters.", "text-too-long", most=most)
    return "\n".join(printable(each, most) for each in value.splitlines())[:most]


def objection_to_claim(row: Finding) -> Refused | None:
    """Return why a finding can't be claimed to be fixed."""
    objection = _not_to_fix(row, "can't be claimed to be fixed")
    return claimed_already(row) if objection is None and row.state == State.CLAIMED else objection


def claimed_already(row: Finding) -> Refused:
    """Return that somebody claimed it before, which is no harm but no news either."""
    return Refused(f"Finding {row.pk} is claimed already.", "claimed-already")


def objection_to_decision(row: Finding, asked: Exemption | None) -> Refused | None:
    """Return why what an organisation asked for about a finding (``asked``) can't be decided, or not any more."""
    if asked is None:
        return nothing_asked(row)
    if asked.state == ExemptionState.REQUESTED:
        return None
    if Exemption.objects.filter(finding=row, state=ExemptionState.REQUESTED).exists():
        said = f"Request {asked.pk} was decided already, and another one was made since; decide that."
        return Refused(said, "another-request")
    return Refused(f"Request {asked.pk} was decided already: {asked.state}.", "decided-already")


def nothing_asked(row: Finding) -> Refused:
    """Return that there is nothing to decide."""
    return Refused(f"Nothing was asked about finding {row.pk} that is not decided.", "nothing-asked")


def objection_to_ending(row: Finding, held: Exemption | None, meant: int | None = None) -> Refused | None:
    """Return why the exemption that a finding has (``held``) can't be ended, or is not the one that is ``meant``."""
    if held is None:
        return Refused(f"Finding {row.pk} is not exempt: it is {row.state}.", "not-exempt", state=State(row.state))
    if meant not in (None, held.pk):
        return Refused(f"Finding {row.pk} has another exemption now.", "another-exemption")
    return None


def _refuse(objection: Refused | None) -> None:
    if objection is not None:
        raise objection


def _locked(finding: Finding) -> Finding:
    return Finding.objects.select_for_update().get(pk=finding.pk)


def _exemption(
    row: Finding, kind: ExemptionKind, owner: str, reason: str, proof: str, until: datetime, by: str, now: datetime
) -> Exemption:
    """Return an exemption of a finding that may get one; it is not stored yet."""
    _refuse(_not_to_fix(row, "can't be exempt"))
    asked = row.exemptions.filter(state=ExemptionState.REQUESTED).first()
    if asked is not None:
        raise Refused(f"Finding {row.pk} has a request that is not decided yet; decide it first.", "asked-already")
    return Exemption(
        finding=row,
        kind=kind,
        owner=cleaned("owner", owner, most=200),
        reason=cleaned("reason", reason),
        proof=cleaned("proof", proof, optional=True),
        until=until,
        requested_by=by,
        requested_at=now,
    )


def _check_end(row: Finding, until: datetime, now: datetime, *, long: bool) -> None:
    last = row.organisation.last_day_before(until)
    if until <= now:
        raise Refused(f"An exemption can't end in the past: {last}.", "ends-in-the-past", until=last)
    if not long and until > now + LONGEST:
        said = f"An exemption lasts at most a year, and this one until {last}; --long allows that."
        raise Refused(said, "lasts-too-long", until=last)


def _begin(held: Exemption, row: Finding, by: str, now: datetime, *, long: bool, note: str = "") -> None:
    """Grant it: the row, the step of the finding, the event and the entry."""
    _check_end(row, held.until, now, long=long)
    _refuse(_not_to_fix(row, "can't be exempt"))
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


def _not_to_fix(row: Finding, what: str) -> Refused | None:
    """Return why ``what`` is for findings alone that are to be fixed, when this is none."""
    if row.state in TO_FIX:
        return None
    if row.exempt_until is not None:
        last = row.organisation.last_day_before(row.exempt_until)
        return Refused(f"Finding {row.pk} {what}: it is exempt until {last}; end that first.", "is-exempt", until=last)
    return Refused(f"Finding {row.pk} {what}: it is {row.state}.", "is-fixed")


def _who(by: str) -> str:
    return cleaned("name of who does this", by, most=200)
