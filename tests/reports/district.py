"""A city with districts that own hosts, inspected round after round by the real flow, on days of our choosing."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace

from scanner.engine.catalogue.load import Language
from scanner.engine.inspect import Observer
from scanner.engine.model import HostInspection, Target
from scanner.engine.plan import Plan, Profile
from scanner.engine.probes.dial import Gate
from scanner.flow import carry_out
from scanner.reports import model
from scanner.reports.bulletin_model import BulletinModel
from scanner.reports.bulletin_query import bulletin_model, period_of
from scanner.rounds.making import RoundRequest, make_round
from scanner.rounds.models import Round
from scanner.rounds.ways import Ways
from targets.models import Organisation
from tests.rounds.world import PORTS, Answer, authorise, open_web, organisation, register

START = dt.datetime(2026, 9, 1, 2, 0, tzinfo=dt.UTC)
"""Tuesday, 10 o'clock in Shanghai; day 0 of every story."""

OFFICE = model.Organisation("", model.Name("监测办公室", "The Office"), str(Language.EN), "Asia/Shanghai", None)


def day(number: float) -> dt.datetime:
    """The moment so many days after the start."""
    return START + dt.timedelta(days=number)


@dataclass
class District:
    """Hosts and what they answer, by address; a host that was given nothing else runs a web server."""

    answers: dict[str, Answer] = field(default_factory=dict)
    moment: dt.datetime = START

    async def __call__(self, plan: Plan, gate: Gate, observer: Observer) -> AsyncIterator[HostInspection]:
        for target in plan.targets:
            yield self._answer(target, plan)

    def _answer(self, target: Target, plan: Plan) -> HostInspection:
        looked = self.answers.get(target.address, open_web)(target, plan)
        self.moment += dt.timedelta(seconds=1)
        return replace(looked, started=self.moment - dt.timedelta(seconds=1), finished=self.moment)

    def unit(self, slug: str, above: Organisation | None, hosts: int, net: int, **fields: object) -> Organisation:
        """Register an organisation with so many hosts at 192.0.``net``.0/24, and authorise all of them."""
        names = {"name_zh": f"{slug}单位", "name_en": f"Unit {slug}", "time_zone": "Asia/Shanghai", **fields}
        owner = organisation(slug, parent=above, **names)
        if hosts:
            register(owner, *(f"192.0.{net}.{number}" for number in range(1, hosts + 1)))
            term = {"valid_from": START - dt.timedelta(days=60), "valid_until": START + dt.timedelta(days=400)}
            authorise(owner, f"192.0.{net}.0/24", document=f"Order {slug}", **term)  # type: ignore[arg-type]  # by name
        return owner

    def round(self, number: float, *owners: Organisation, request: Mapping[str, object] | None = None) -> Round:
        """Inspect all of the owners' hosts on this day, and follow what was found."""
        self.moment = day(number)
        wanted = RoundRequest(tuple(owners), "tester", Profile.STANDARD, PORTS)
        this = make_round(replace(wanted, **(request or {})), self.moment)  # type: ignore[arg-type]  # by name
        carry_out(this.pk, Ways(engine=self, now=lambda: self.moment))
        this.refresh_from_db()
        return this


def bulletin(top: Organisation | None, since: float, last: float, now: float | None = None) -> BulletinModel:
    """The bulletin on the days from ``since`` to ``last``, both included, as it reads on the day ``now``."""
    at = day(now if now is not None else last + 1)
    return bulletin_model(top, OFFICE, period_of(day(since).date(), day(last).date(), "Asia/Shanghai", at))
