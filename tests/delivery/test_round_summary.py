"""Operators can see how a round went, and are told after whole rounds where that is set."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from scanner.delivery.models import Attachment, Message, MessageKind, MessageState
from scanner.delivery.round_summary import Coverage, Found, Mails, round_summary, summary_json
from scanner.delivery.summary_letter import duration, send_round_summary, summary_page
from scanner.engine.catalogue.load import Language
from scanner.engine.errors import InputError
from scanner.engine.model import GapReason
from scanner.reports.words import words
from scanner.rounds.models import Job, Round
from targets.models import Organisation
from tests.delivery.office import contact, installed
from tests.reports.district import District, day
from tests.rounds.world import authorise, half_seen_redis, open_redis, register, silent, timed_out

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def office() -> Iterator[None]:
    with installed():
        yield


@pytest.fixture
def district() -> District:
    return District()


@pytest.fixture
def water(district: District) -> Organisation:
    water = district.unit("water", None, 4, 1)
    contact(water)
    district.answers.update({"192.0.1.1": open_redis, "192.0.1.2": timed_out, "192.0.1.3": half_seen_redis})
    return water


def test_it_counts_hosts_findings_and_mail(district: District, water: Organisation) -> None:
    roads = district.unit("roads", None, 3, 2)
    this = district.round(1, water, roads)
    Message.objects.filter(kind=MessageKind.URGENT_ALERT, organisation=water).update(state=MessageState.SENT)

    said = round_summary(this)

    assert said.coverage == Coverage(hosts=7, inspected=5, partial=1, missed=1, unused=0)
    assert said.found == Found(new=1, reopened=0, fixed=0)
    assert said.gaps == ((GapReason.PROTOCOL_ERROR, 1), (GapReason.TIMED_OUT, 1))
    lines = {each.slug: each for each in said.organisations}
    assert lines["water"].mails == Mails(sent=1, waiting=1, dead=0, cancelled=0)
    assert lines["roads"].coverage == Coverage(3, 3, 0, 0, 0)
    assert (lines["roads"].score, lines["roads"].found) == (100, Found(0, 0, 0))
    assert {each.host for each in said.slowest} >= {"192.0.1.1"}
    assert said.seconds == pytest.approx(7, abs=1)


def test_mail_about_another_round_is_not_counted(district: District, water: Organisation) -> None:
    first = district.round(1, water)
    district.round(8, water)

    assert round_summary(first).mails == Mails(sent=0, waiting=2, dead=0, cancelled=0)


def test_addresses_that_were_never_used_are_in_no_other_count(district: District) -> None:
    lone = district.unit("lone", None, 0, 0)
    register(lone, "192.0.7.0/30")
    authorise(lone, "192.0.7.0/24", valid_from=day(-9), valid_until=day(99))
    district.answers.update({f"192.0.7.{host}": silent for host in (0, 1, 3)})
    this = district.round(1, lone)

    said = round_summary(this)

    assert (said.coverage.hosts, said.coverage.unused) == (1, said.coverage.unused)
    assert said.coverage.unused >= 1
    assert said.gaps == ()


def test_jobs_that_were_begun_again_are_told(district: District, water: Organisation) -> None:
    this = district.round(1, water)
    Job.objects.filter(round=this, kind="look").update(attempt=3, failures=2, losses=1)

    work = round_summary(this).work

    assert (work.retried, work.failures, work.losses) == (1, 2, 1)


def test_the_number_of_queries_does_not_grow_with_the_organisations(district: District, water: Organisation) -> None:
    def queries(this: Round) -> int:
        with CaptureQueriesContext(connection) as caught:
            round_summary(this)
        return len(caught)

    few = queries(district.round(1, water))
    more = [district.unit(f"unit{net}", None, 3, net) for net in range(20, 26)]

    assert queries(district.round(2, water, *more)) == few


def test_what_was_pruned_is_not_told_half(district: District, water: Organisation) -> None:
    this = district.round(1, water)
    this.pruned = day(99)

    with pytest.raises(InputError, match="pruned"):
        round_summary(this)


@pytest.mark.parametrize("language", Language)
def test_the_page_and_the_document_say_the_same_each_time(
    district: District, water: Organisation, language: Language
) -> None:
    said = round_summary(district.round(1, water))

    assert summary_page(said, language, "UTC", day(2)) == summary_page(said, language, "UTC", day(2))
    document = json.loads(summary_json(said))
    assert (document["schema"], document["gaps"]["timed-out"]) == ("roundsman.round-summary/1", 1)


def test_the_operators_are_told_only_where_that_is_set(district: District, water: Organisation) -> None:
    district.round(1, water)
    assert not Message.objects.filter(kind=MessageKind.ROUND_SUMMARY).exists()
    with installed(round_summary=True):
        this = district.round(2, water)
        assert send_round_summary(this.pk, day(3)) == 0

    (mail,) = Message.objects.filter(kind=MessageKind.ROUND_SUMMARY)
    assert mail.recipient == "ops@office.example"
    assert mail.subject == f"[Round summary] Round {this.pk} (by hand): hosts inspected 2 of 4, failed 0"
    assert "Unit water: hosts inspected 2 of 4" in mail.text
    assert Attachment.objects.get(message=mail).name == f"round-{this.pk}.html"


def test_a_round_about_a_part_is_not_summed_up(district: District, water: Organisation) -> None:
    with installed(round_summary=True):
        district.round(1, water, request={"hosts": ("192.0.1.1",)})

    assert not Message.objects.filter(kind=MessageKind.ROUND_SUMMARY).exists()


def test_a_round_that_inspected_nothing_is_not_said_to_have_left_nothing_out(district: District) -> None:
    dark = district.unit("dark", None, 0, 5)
    this = district.round(1, dark)
    for language, said in ((Language.EN, "No host was inspected."), (Language.ZH_HANS, "未检测任何主机。")):
        assert said in summary_page(round_summary(this), language, "Asia/Shanghai", day(2))


def test_a_duration_has_the_units_that_matter() -> None:
    t = words(Language.EN)

    assert [duration(each, t) for each in (None, 1.25, 90, 7265)] == ["—", "1.2 s", "1 min 30 s", "2 h 1 min"]
