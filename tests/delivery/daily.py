"""Days that pass, for tests of what is told daily."""

from __future__ import annotations

import datetime as dt

from scanner.delivery.digest import Space
from scanner.delivery.duties import Duties
from scanner.delivery.models import Message, MessageKind
from targets.models import Authorisation, Organisation
from tests.delivery.office import NOW
from tests.rounds import world

DAY = dt.timedelta(days=1)
HOUR = dt.timedelta(hours=1)
ROOMY = Space(free=50 * 2**30, total=100 * 2**30)


def run(now: dt.datetime, space: Space = ROOMY) -> int:
    """Do what is due in a process that has just begun."""
    return Duties(lambda: space).run(now)


def mails(kind: MessageKind, owner: Organisation | None = None) -> list[Message]:
    rows = Message.objects.filter(kind=kind).order_by("pk")
    return list(rows.filter(organisation=owner) if owner else rows)


def days(kind: MessageKind, begin: dt.datetime, count: int) -> list[int]:
    """Run every twelve hours for ``count`` days; return on which days, from 0, mail of this kind was made."""
    made = []
    duties = Duties(lambda: ROOMY)
    for half in range(2 * count):
        before = Message.objects.filter(kind=kind).count()
        duties.run(begin + half * 12 * HOUR)
        if Message.objects.filter(kind=kind).count() > before:
            made.append(half // 2)
    return made


def authorised(owner: Organisation, until: dt.datetime, document: str = "Order 1") -> Authorisation:
    world.authorise(owner, "192.0.2.0/24", document=document, valid_from=NOW - 100 * DAY, valid_until=until)
    return Authorisation.objects.latest("pk")
