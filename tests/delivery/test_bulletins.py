"""Bulletins reach those who oversee others, once for each period, and nobody else."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from scanner.delivery.bulletin_files import Wanted
from scanner.delivery.bulletins import last_span, send_bulletin, send_due_bulletin
from scanner.delivery.duties import Duties
from scanner.delivery.models import Message, MessageKind
from scanner.packing import unpack
from targets.models import Organisation
from tests.delivery.daily import ROOMY
from tests.delivery.office import contact, installed
from tests.reports.district import District, day
from tests.rounds.world import open_redis

pytestmark = pytest.mark.django_db

SEPTEMBER = (dt.date(2026, 9, 1), dt.date(2026, 9, 30))


@pytest.fixture(autouse=True)
def office() -> Iterator[None]:
    with installed():
        yield


@pytest.fixture
def city() -> Organisation:
    """A city with a security contact who reads English, a leader who reads Chinese, a technician, and five units."""
    district = District()
    city = district.unit("city", None, 0, 0, name_zh="滨海市网信办", name_en="City Office")
    contact(city)
    contact(city, "leader", "zh-Hans")
    contact(city, "technical")
    units = [district.unit(f"unit{net}x", city, 3, net) for net in range(1, 6)]
    for each in units:
        contact(each)
    district.answers["192.0.2.1"] = open_redis
    district.round(1, *units)
    return city


def letters() -> list[Message]:
    return list(Message.objects.filter(kind=MessageKind.BULLETIN).order_by("recipient"))


def page(message: Message) -> str:
    assert message.bulletin is not None
    return unpack(message.bulletin.html).decode()


def test_it_goes_to_the_security_and_leader_contacts_each_in_their_language(city: Organisation) -> None:
    told = send_bulletin(Wanted(city, *SEPTEMBER), day(30))

    assert {each.address for each in told} == {"security@city.example", "leader@city.example"}
    leader, security = letters()
    assert leader.subject == "【情况通报】滨海市网信办（2026年9月1日至2026年9月30日）：逾期隐患 1 项"
    assert security.subject == "[Bulletin] City Office, 1 Sept 2026 to 30 Sept 2026: 1 overdue"
    assert 'lang="zh-Hans"' in page(leader)
    assert "Unit unit2x" in page(security)
    for message in (leader, security):
        assert "unit2x" in message.text
        assert "unit2x" in message.html
        assert len(message.html.encode()) < 100_000


def test_a_period_is_told_once_to_each_however_often_it_is_sent(city: Organisation) -> None:
    send_bulletin(Wanted(city, *SEPTEMBER), day(30))
    contact(city, email="new@city.example")

    assert [each.address for each in send_bulletin(Wanted(city, *SEPTEMBER), day(31))] == ["new@city.example"]
    assert send_bulletin(Wanted(city, *SEPTEMBER), day(32)) == ()
    assert len(letters()) == 3


def test_the_letter_without_names_gives_none_away(city: Organisation) -> None:
    send_bulletin(Wanted(city, *SEPTEMBER, nameless=True), day(30))

    for message in letters():
        for text in (message.subject, message.text, message.html, page(message)):
            assert "unit2x" not in text
            assert "192.0.2." not in text
        assert page(message)


def test_an_organisation_without_overseers_has_its_bulletin_sent_to_the_operators(city: Organisation) -> None:
    city.contacts.exclude(role="technical").update(retired_at=day(0))

    (told,) = send_bulletin(Wanted(city, *SEPTEMBER), day(30))

    assert (told.address, told.instead) == ("ops@office.example", True)


def test_the_bulletin_on_everyone_goes_to_the_operators(city: Organisation) -> None:
    (told,) = send_bulletin(Wanted(None, *SEPTEMBER), day(30))

    assert told.address == "ops@office.example"
    (message,) = letters()
    assert message.organisation is None
    assert "Unit unit1x" in page(message)


def test_nothing_is_sent_by_itself_unless_that_is_set(city: Organisation) -> None:
    Duties(lambda: ROOMY).run(day(30))

    assert letters() == []


def test_the_month_that_is_over_is_sent_once_in_the_morning_to_who_supervises_others(city: Organisation) -> None:
    with installed(bulletin="monthly"):
        duties = Duties(lambda: ROOMY)
        for hours in range(0, 24 * 4, 6):
            duties.run(day(28) + dt.timedelta(hours=hours))

    assert [each.recipient for each in letters()] == ["leader@city.example", "security@city.example"]
    assert all(
        each.created.astimezone(dt.timezone(dt.timedelta(hours=8))).date() == dt.date(2026, 10, 1) for each in letters()
    )
    assert "30 Sept 2026" in letters()[1].subject


def test_a_month_in_which_no_round_ended_is_passed_over(city: Organisation) -> None:
    with installed(bulletin="monthly"):
        told = [send_due_bulletin(city, day(number)) for number in (31, 62)]

    assert told == [2, 0]


def test_what_was_sent_by_hand_is_not_sent_again_by_the_month(city: Organisation) -> None:
    send_bulletin(Wanted(city, *SEPTEMBER), day(30))
    with installed(bulletin="monthly"):
        assert send_due_bulletin(city, day(31)) == 0

    assert len(letters()) == 2


@pytest.mark.parametrize(
    ("today", "months", "span"),
    [
        (dt.date(2026, 10, 1), 1, SEPTEMBER),
        (dt.date(2026, 10, 31), 1, SEPTEMBER),
        (dt.date(2026, 1, 1), 1, (dt.date(2025, 12, 1), dt.date(2025, 12, 31))),
        (dt.date(2026, 10, 1), 3, (dt.date(2026, 7, 1), dt.date(2026, 9, 30))),
        (dt.date(2026, 12, 31), 3, (dt.date(2026, 7, 1), dt.date(2026, 9, 30))),
        (dt.date(2026, 2, 28), 3, (dt.date(2025, 10, 1), dt.date(2025, 12, 31))),
    ],
)
def test_the_span_that_is_over(today: dt.date, months: int, span: tuple[dt.date, dt.date]) -> None:
    assert last_span(today, months) == span
