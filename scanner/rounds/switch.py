"""The kill switch and the blackout windows: when nothing may be sent, whoever asked for it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import IntegrityError, transaction

from scanner.audit import trail
from scanner.audit.trail import Action
from scanner.engine.hostile import line
from scanner.prepared import Prepared
from scanner.rounds.models import Round, Stop
from targets.models import Organisation
from targets.windows import open_again, parse_windows

A_NIGHT, A_WEEK = timedelta(days=1), timedelta(weeks=1)
"""How long a round waits for the end of a blackout in any case, and at most."""


def current_stop() -> Stop | None:
    """Return what holds everything up, or None while work goes on."""
    return _STANDING.first()


_STANDING = Prepared(lambda: Stop.objects.filter(lifted_at=None).order_by("pk")[:1])


def stop_all(by: str, reason: str, now: datetime) -> tuple[Stop, bool]:
    """Switch everything off; return what holds it up, and whether that is new. It stays so over restarts."""
    standing, reason = current_stop(), line(reason, 500)
    if standing is not None:
        return standing, False
    try:
        with transaction.atomic():
            made = Stop.objects.create(at=now, by=by, reason=reason)
            trail.record(Action.STOP, "", actor=by, at=now, reason=reason)
            return made, True
    except IntegrityError:  # somebody else was quicker
        return Stop.objects.filter(lifted_at=None).get(), False


def lift_stop(by: str, now: datetime) -> bool:
    """Let work go on; return whether anything held it up."""
    with transaction.atomic():
        lifted = bool(Stop.objects.filter(lifted_at=None).update(lifted_at=now, lifted_by=by))
        if lifted:
            trail.record(Action.RESUME, "", actor=by, at=now)
    return lifted


def blocked_until(this: Round, organisation: Organisation, targets: Iterable[str], now: datetime) -> datetime | None:
    """Return until when hosts must be left alone now, or None when they need not be.

    Asked are the windows of the round's plan, in its time zone, and those of the organisation and of the targets
    (``targets``), in the organisation's. When the moment comes another window may have begun: ask again.
    """
    zone = ZoneInfo(organisation.time_zone)
    # One by one, as targets may have windows that together never end.
    own = [window for text in (*organisation.blackouts, *targets) for window in parse_windows([text])]
    ends = [open_again(own, now, zone)]
    if this.plan is not None:
        ends.append(open_again(parse_windows(this.plan.blackouts), now, ZoneInfo(this.plan.time_zone)))
    return max((end for end in ends if end is not None), default=None)


def lasts_too_long(this: Round, until: datetime, now: datetime) -> bool:
    """Tell whether a round had better go on without what a blackout holds until then.

    While it waits, its plan makes no other round, for nobody; nor does cadence for its organisations. So it waits for a
    day, and longer only up to the next round, for a week at most.
    """
    due = this.plan.next_due if this.plan is not None else None
    return until - now > A_NIGHT and until > min(now + A_WEEK, due or now + A_WEEK)
