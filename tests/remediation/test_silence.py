"""A UDP service that falls silent is neither fixed at once nor open for good."""

from __future__ import annotations

from datetime import timedelta

import pytest

from scanner.engine.model import Transport
from scanner.remediation.doubt import would_be_fixed
from scanner.remediation.follow import follow_round
from scanner.remediation.models import Finding
from scanner.remediation.reinspection import request_reinspection
from scanner.rounds.models import LookNumber, Round
from targets.models import Organisation
from tests.remediation.looks import a_round, day, followed, look
from tests.remediation.time_server import PORT, all_silent, exposed, refused, silent, silent_from_inside
from tests.rounds.world import Answer, authorise, organisation, register, timed_out

pytestmark = pytest.mark.django_db

HOST = "192.0.2.10"


@pytest.fixture
def owner() -> Organisation:
    unit = organisation()
    register(unit, HOST)
    authorise(unit, HOST)
    return unit


def state() -> str:
    return Finding.objects.get(check_id="NTP-MODE6").state


def rounds(owner: Organisation, *days: tuple[float, Answer]) -> str:
    followed(owner, exposed, 0)
    assert state() == "open"
    for when, answer in days:
        followed(owner, answer, when)
    return state()


def test_a_week_of_silence_is_absence(owner: Organisation) -> None:
    assert rounds(owner, *((number, silent) for number in range(1, 8))) == "open"
    followed(owner, silent, 8)
    assert state() == "fixed"


def test_two_rounds_that_are_a_week_apart_are_not_enough(owner: Organisation) -> None:
    assert rounds(owner, (1, silent), (9, silent)) == "open"
    followed(owner, silent, 10)
    assert state() == "fixed"


def test_silence_of_the_whole_host_proves_nothing(owner: Organisation) -> None:
    assert rounds(owner, *((number, all_silent) for number in range(1, 12))) == "open"
    followed(owner, timed_out, 12)
    assert state() == "open"


def test_a_service_that_answered_in_between_must_be_silent_for_another_week(owner: Organisation) -> None:
    days = [(number, exposed if number == 5 else silent) for number in range(1, 12)]
    assert rounds(owner, *days) == "open"
    for number in (12, 13):
        followed(owner, silent, number)
    assert state() == "fixed"


def test_silence_that_another_place_heard_does_not_count(owner: Organisation) -> None:
    assert rounds(owner, (1, silent_from_inside), (4, silent_from_inside), (9, silent), (10, silent)) == "open"


def test_the_second_look_must_be_silent_too(owner: Organisation) -> None:
    rounds(owner, *((number, silent) for number in range(1, 8)))
    this = a_round(owner, 8)
    first = look(this, HOST, silent, 8)
    follow_with_second_look(this, first.pk, exposed)
    assert state() == "open"


def follow_with_second_look(this: Round, first: int, answer: Answer) -> None:
    (again,) = would_be_fixed(this.pk)
    assert (again.result_id, again.ports) == (first, ((80, Transport.TCP), (PORT, Transport.UDP)))
    look(this, HOST, answer, 8.01, LookNumber.AGAIN)
    follow_round(this.pk, day(8) + timedelta(hours=1))


def test_a_second_look_that_hears_a_refusal_proves_at_once_what_a_silent_first_one_could_not(
    owner: Organisation,
) -> None:
    rounds(owner, (1, silent))
    this = a_round(owner, 8)
    first = look(this, HOST, silent, 8)
    follow_with_second_look(this, first.pk, refused)
    assert state() == "fixed"


def test_a_reinspection_asks_a_tcp_port_beside_to_know_whether_the_host_answers(owner: Organisation) -> None:
    followed(owner, exposed, 0)
    this = request_reinspection([Finding.objects.get(check_id="NTP-MODE6")], by="tester", now=day(1))
    assert this.ports == "T:80,U:123"
