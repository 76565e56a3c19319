"""The first steps of a new installation, up to the first mailed report: what is done, and what comes next."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.urls import reverse

from scanner.accounts.roles import Right
from scanner.accounts.sight import Sight
from scanner.console.requests import PageRequest
from scanner.console.standing import Standing
from scanner.delivery.mail_server import chosen, is_set
from scanner.engine.errors import RoundsmanError
from scanner.rounds.models import Plan, Round
from targets.models import Authorisation, Contact, Organisation, Target

COOKIE = "first-steps"
"""Set in a browser whose reader does not want to see the steps."""

HIDDEN = "hidden"

THEN = "then"
"""What the address of a step's page carries, so that one comes back to the steps when it is done."""

OVERVIEW = "overview"


_BACK = f"{THEN}={OVERVIEW}"


def after(request: PageRequest, otherwise: str) -> str:
    """Return where to go when a step is done: to the other steps, for who came from them."""
    return reverse("overview") if request.GET.get(THEN) == OVERVIEW else otherwise


@dataclass(frozen=True, slots=True)
class Step:
    """One step. ``address`` is where it is made; empty where nobody makes it, or its reader may not."""

    name: str
    done: bool
    address: str = ""


def first_steps(sight: Sight, standings: Iterable[Standing], now: datetime) -> tuple[Step, ...]:
    """Return the steps in their order; nothing once all are done. ``standings`` are the worst of all organisations.

    Where one of these was inspected as a whole and told of, the database is not asked: that took all that comes
    before. Else it is asked once, and not at all while there is no organisation.
    """
    rows = list(standings)
    server = _mail_leaves()
    if any(each.last.inspected for each in rows):
        done: Mapping[str, object] = dict.fromkeys(("targets", "authorisation", "contact", "round", "report"), True)
    else:
        done = _done(sight, now) if rows else {}
    steps = (
        Step("organisation", bool(rows), f"{reverse('add-organisation')}?{_BACK}"),
        *_of_organisation(done, str(done.get("slug", ""))),
        Step("mail", server, reverse("mail-server") if sight.may(Right.ADMINISTER) else ""),
        Step("round", bool(done.get("round")), reverse("new-round") if rows else ""),
        Step("report", bool(done.get("report"))),
    )
    return () if all(each.done for each in steps) else steps


def _of_organisation(done: Mapping[str, object], slug: str) -> Iterable[Step]:
    of = f"?of={slug}&{_BACK}"
    addresses = {
        "targets": f"{reverse('add-targets')}{of}",
        "authorisation": f"{reverse('add-authorisation')}{of}",
        "contact": f"{reverse('add-contact', args=[slug])}?{_BACK}" if slug else "",
    }
    for name, address in addresses.items():
        yield Step(name, bool(done.get(name)), address if slug else "")


def _done(sight: Sight, now: datetime) -> dict[str, object]:
    """Return what was done for the organisation that has come furthest, its slug, and whether a round is to come."""
    mine: dict[str, QuerySet[Any]] = {
        "targets": sight.rows(Target),
        "authorisation": sight.rows(Authorisation).filter(valid_until__gt=now),
        "contact": sight.rows(Contact),
    }
    has = {
        f"has_{name}": Exists(rows.filter(organisation=OuterRef("pk"), retired_at=None)) for name, rows in mine.items()
    }
    to_come = Exists(sight.rows(Round)) | Exists(sight.rows(Plan).filter(retired_at=None))
    rows = sight.rows(Organisation).filter(retired_at=None).annotate(**has, has_round=to_come)
    furthest = rows.order_by(*(f"-{name}" for name in has), "pk").values("slug", "has_round", *has).first()
    return {name.removeprefix("has_"): value for name, value in (furthest or {}).items()}


def _mail_leaves() -> bool:
    try:
        return is_set() or chosen() is not None
    except RoundsmanError:
        return False
