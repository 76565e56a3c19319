"""What goes wrong for one organisation, or in one round, keeps nobody else from being told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from scanner.delivery import endings, posting, tell
from scanner.delivery.duties import Duties
from scanner.delivery.letters import Frame, Written
from scanner.delivery.models import Message, MessageKind, Notice
from scanner.delivery.notices import issue
from scanner.flow import Sentinel, hooks
from scanner.remediation import acts, cadence
from scanner.remediation.cadence import make_cadence_rounds
from scanner.remediation.models import Attention, ExemptionKind, Finding
from scanner.rounds import clock
from scanner.rounds.clock import tick
from scanner.rounds.models import Plan, PlanKind, Round, RoundState
from targets.models import Organisation
from tests.delivery.daily import ROOMY
from tests.delivery.office import NOW, finding, installed, unit
from tests.remediation.looks import a_round, day, look
from tests.rounds.world import authorise, open_redis, register

pytestmark = pytest.mark.django_db

HOST = {"power": "192.0.2.20", "water": "192.0.2.10"}


@pytest.fixture(autouse=True)
def office() -> Iterator[None]:
    with installed():
        yield


@pytest.fixture
def owners() -> tuple[Organisation, Organisation]:
    """Two units; the first one, by slug, is the one whose letters can't be written."""
    both = unit("power", english="Power Office"), unit()
    for owner in both:
        register(owner, HOST[owner.slug])
        authorise(owner, "192.0.2.0/24")
    return both


def seen_at(owners: tuple[Organisation, ...], **about: object) -> Round:
    """A round of all these units, each with an open Redis, whose looks are over."""
    this = a_round(owners[0], 0, **about)
    for owner in owners:
        this.organisations.set([owner])
        look(this, HOST[owner.slug], open_redis, 0)
    this.organisations.set(owners)
    Round.objects.filter(pk=this.pk).update(state=RoundState.RUNNING)
    return this


def breaking(name: str, monkeypatch: pytest.MonkeyPatch, module: object = tell) -> None:
    """Let the writing of one kind of letter fail for the first unit."""
    write = getattr(module, name)

    def broken(told: object, *rest: object, **named: object) -> Written:
        frame = next(each for each in (told, *rest) if isinstance(each, Frame))
        if frame.organisation is not None and frame.organisation.slug == "power":
            raise ValueError("this letter can't be written")
        return write(told, *rest, **named)  # type: ignore[no-any-return]  # as the original

    monkeypatch.setattr(module, name, broken)


def follow(this: int, now: datetime) -> None:
    doing = hooks(lambda: now)
    owners = list(Organisation.objects.values_list("pk", flat=True))
    doing.keys(this)
    doing.follow(this, owners)
    Round.objects.filter(pk=this).update(followed=now)
    doing.tell(this, owners)
    doing.close(this)


def told(kind: MessageKind) -> list[str]:
    return sorted(Message.objects.filter(kind=kind).values_list("organisation__slug", flat=True))


def test_who_can_t_be_written_to_holds_up_no_other_and_is_told_later(
    owners: tuple[Organisation, Organisation], monkeypatch: pytest.MonkeyPatch
) -> None:
    this = seen_at(owners)
    with monkeypatch.context() as patched:
        breaking("round_letter", patched)
        breaking("urgent_letter", patched)
        with pytest.raises(ValueError, match="can't be written"):
            follow(this.pk, day(0.1))
    assert (told(MessageKind.ROUND_REPORT), told(MessageKind.URGENT_ALERT)) == (["water"], ["water"])

    follow(this.pk, day(0.2))
    assert (told(MessageKind.ROUND_REPORT), told(MessageKind.URGENT_ALERT)) == (["power", "water"],) * 2


def test_an_alert_that_can_t_be_written_holds_up_no_alert_of_another_unit_or_round(
    owners: tuple[Organisation, Organisation], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen_at(owners[:1])
    seen_at(owners)
    sentinel = Sentinel()
    with monkeypatch.context() as patched:
        breaking("urgent_letter", patched)
        sentinel.look(day(0.1))
        assert told(MessageKind.URGENT_ALERT) == ["water"]
    sentinel.look(day(0.2))
    assert told(MessageKind.URGENT_ALERT) == ["power", "water"]


def test_a_round_that_only_has_to_be_told_holds_up_neither_its_plan_nor_looks_between_rounds(
    owners: tuple[Organisation, Organisation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "tool_versions", lambda: {"nmap": "7.93"})
    plan = Plan.objects.create(
        name="daily",
        kind=PlanKind.ROUTINE,
        schedule="every 1d",
        profile="standard",
        ports="80",
        created=day(-1),
        next_due=day(1),
    )
    this = seen_at(owners, plan=plan, kind=PlanKind.ROUTINE, due=day(0))
    with monkeypatch.context() as patched:
        breaking("round_letter", patched)
        with pytest.raises(ValueError, match="can't be written"):
            follow(this.pk, day(0.1))
    assert Round.objects.get(pk=this.pk).state == RoundState.RUNNING
    Attention.objects.update(due=day(0.5))
    assert {each.kind for each in make_cadence_rounds(day(0.6))} == {"cadence"}
    assert [each.due for each in tick(day(1))] == [day(1)]


def test_a_notice_that_can_t_be_written_holds_up_no_other(
    owners: tuple[Organisation, Organisation], monkeypatch: pytest.MonkeyPatch
) -> None:
    for owner in owners:
        issue(owner, None, [finding(owner)], by="ops", now=NOW)
    with monkeypatch.context() as patched:
        breaking("write", patched, posting)
        Duties(lambda: ROOMY).run(NOW)
    assert told(MessageKind.NOTICE) == ["water"]
    Duties(lambda: ROOMY).run(NOW)
    assert told(MessageKind.NOTICE) == ["power", "water"]
    assert not Notice.objects.filter(posted=None).exists()


def test_the_end_of_an_exemption_that_can_t_be_announced_holds_up_no_other(
    owners: tuple[Organisation, Organisation], monkeypatch: pytest.MonkeyPatch
) -> None:
    for owner in owners:
        until = NOW + timedelta(days=5)
        acts.grant(finding(owner), ExemptionKind.ACCEPTED, "Wang", "old", "", until, "ops", NOW - timedelta(days=1))
    assert Finding.objects.filter(state="accepted").count() == 2
    with monkeypatch.context() as patched:
        breaking("write", patched, endings)
        Duties(lambda: ROOMY).run(NOW)
    assert told(MessageKind.EXEMPTION_ENDING) == ["water"]
    Duties(lambda: ROOMY).run(NOW)
    assert told(MessageKind.EXEMPTION_ENDING) == ["power", "water"]


def test_a_time_zone_that_nobody_knows_any_more_holds_up_no_other_unit_or_plan(
    owners: tuple[Organisation, Organisation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock, "tool_versions", lambda: {"nmap": "7.93"})
    monkeypatch.setattr(cadence, "tool_versions", lambda: {"nmap": "7.93"})
    for owner in owners:
        finding(owner, deadline=NOW + timedelta(hours=20))
        Attention.objects.create(organisation=owner, host=HOST[owner.slug], hours=12, due=NOW)
    Organisation.objects.filter(slug="power").update(time_zone="Mars/Olympus")
    Duties(lambda: ROOMY).run(NOW)
    assert told(MessageKind.REMINDER) == ["water"]
    assert Message.objects.filter(kind=MessageKind.DIGEST).exists()
    assert [each.organisations.get().slug for each in make_cadence_rounds(NOW)] == ["water"]
    for name, due in (("gone", NOW), ("gone-later", NOW + timedelta(days=300)), ("stays", NOW)):
        zone = "UTC" if name == "stays" else "Mars/Olympus"
        Plan.objects.create(
            name=name,
            kind="routine",
            schedule="0 3 * * *",
            profile="standard",
            ports="80",
            created=NOW,
            next_due=due,
            time_zone=zone,
        )
    assert [each.plan.name for each in tick(NOW) if each.plan] == ["stays"]
