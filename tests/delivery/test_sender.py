"""Mail arrives once: over real servers, through their faults, and through ours."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
from django.conf import settings
from django.db import OperationalError
from django.test import override_settings

from scanner.delivery import retry, sender, smtp
from scanner.delivery.letters import REPORT_MARK
from scanner.delivery.models import Message, MessageKind, MessageState
from scanner.delivery.reports import Post
from scanner.delivery.sender import Mailer, claim, due, record, take_up_lost
from scanner.delivery.smtp import Answer, Fate, Server
from scanner.packing import pack
from scanner.reports.models import Report
from scanner.rounds.models import Round
from tests.delivery.office import contact
from tests.delivery.post_office import (
    NOW,
    Clock,
    Office,
    Wire,
    letter,
    open_office,
    plain,
    post_letters,
    scripted,
    settings_of,
)
from tests.rounds.world import organisation

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def mail_settings() -> Iterator[None]:
    with installed(mail_from="roundsman@office.example", mail_rate=1000):
        yield


def installed(**fields: object) -> override_settings:
    return override_settings(INSTALLATION=settings.INSTALLATION.model_copy(update=fields))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def how(tmp_path: Path) -> Post:
    return settings_of(tmp_path)


def one() -> Message:
    return Message.objects.get()


def mailer(clock: Clock, how: Post, to: Server | None) -> Mailer:
    return Mailer(clock, to=to, how=how, monotonic=clock.monotonic)


def test_what_is_due_arrives_over_one_connection_and_leaves_nothing_waiting(clock: Clock, how: Post) -> None:
    post_letters(*(letter(number) for number in range(1, 4)))
    office = Office()
    with open_office(office) as port:
        tally = mailer(clock, how, plain(port)).run_once()
    assert (tally.sent, tally.tried, office.sessions) == (3, 3, 1)
    assert [address for address, _ in office.received] == [f"contact{n}@water.example" for n in (1, 2, 3)]
    assert [each.state for each in Message.objects.all()] == [MessageState.SENT] * 3
    assert "250" in Message.objects.all()[0].reply


def test_urgent_alerts_leave_first_then_the_oldest(clock: Clock, how: Post) -> None:
    post_letters(letter(1), letter(2, kind=MessageKind.URGENT_ALERT), letter(3))
    assert [pk for pk, _, _ in due(clock())] == [Message.objects.get(key=f"test:{n}").pk for n in (2, 1, 3)]


def test_a_refused_recipient_is_given_up_and_the_others_still_get_theirs(clock: Clock, how: Post) -> None:
    post_letters(*(letter(number) for number in range(1, 4)))
    office = Office(to=lambda address: "550 no such user" if address.startswith("contact2") else None)
    with open_office(office) as port:
        tally = mailer(clock, how, plain(port)).run_once()
    assert (tally.sent, tally.dead, office.sessions) == (2, 1, 1)
    dead = Message.objects.get(state=MessageState.DEAD)
    assert (dead.recipient, dead.reply) == ("contact2@water.example", "recipient: 550 no such user")
    assert dead.finished == clock()


def test_greylisting_is_waited_for_and_the_mail_then_arrives(clock: Clock, how: Post) -> None:
    post_letters(letter())
    answers = iter(["451 try again in a minute", None])
    office = Office(to=lambda address: next(answers))
    with open_office(office) as port:
        to = plain(port)
        assert mailer(clock, how, to).run_once().later == 1
        assert mailer(clock, how, to).run_once().tried == 0, "it waits"
        clock.now += timedelta(seconds=76)
        assert mailer(clock, how, to).run_once().sent == 1
    assert one().attempt == 2


def test_a_server_that_is_down_for_hours_costs_no_mail_and_one_look_a_pass(clock: Clock, how: Post) -> None:
    post_letters(*(letter(number) for number in range(1, 11)))
    nobody = plain(1)
    for _ in range(5 * 60):
        mailer(clock, how, nobody).run_once()
        clock.now += timedelta(minutes=1)
    assert {each.state for each in Message.objects.all()} == {MessageState.QUEUED}
    assert all(6 <= each.attempt <= 10 for each in Message.objects.all()), "waits double"
    assert "connect: " in Message.objects.all()[0].reply
    clock.now += timedelta(hours=5)
    office = Office()
    with open_office(office) as port:
        assert mailer(clock, how, plain(port)).run_once().sent == 10


def test_after_72_hours_of_trying_a_mail_is_given_up_and_kept(clock: Clock, how: Post) -> None:
    post_letters(letter())
    for _ in range(100):
        mailer(clock, how, plain(1)).run_once()
        clock.now += timedelta(hours=1)
    finished = one().finished
    assert one().state == MessageState.DEAD
    assert finished is not None
    assert timedelta(hours=72) <= finished - one().created < timedelta(hours=78)


def test_a_clock_set_three_days_forward_gives_nothing_up(clock: Clock, how: Post) -> None:
    post_letters(letter())
    clock.now += timedelta(days=3)
    mailer(clock, how, plain(1)).run_once()
    assert one().state == MessageState.QUEUED


def test_a_clock_set_back_delays_neither_new_mail_nor_a_retry_for_long(clock: Clock, how: Post) -> None:
    post_letters(letter())
    clock.now -= timedelta(hours=2)
    assert len(due(clock())) == 1
    mailer(clock, how, plain(1)).run_once()
    clock.now -= timedelta(days=30)
    assert len(due(clock())) == 1


def test_an_answer_that_never_comes_after_the_last_dot_is_tried_again_with_the_same_message_id(
    clock: Clock, how: Post
) -> None:
    post_letters(letter())
    taken: list[str] = []

    def hang_up(wire: Wire) -> None:
        wire.greet()
        taken.append(wire.take())

    with scripted(hang_up) as port:
        mailer(clock, how, plain(port)).run_once()
        assert "may arrive twice" in one().reply
        clock.now += timedelta(minutes=2)
        mailer(clock, how, plain(port)).run_once()
    assert taken == [one().message_id] * 2
    assert one().state == MessageState.QUEUED


@pytest.mark.parametrize("banner", ["\x00\x01\x02 hello", "HTTP/1.1 400 Bad Request", "999 what", "554 go away"])
def test_a_server_that_answers_garbage_costs_no_mail(clock: Clock, how: Post, banner: str) -> None:
    post_letters(letter())
    with scripted(lambda wire: wire.say(banner)) as port:
        assert mailer(clock, how, plain(port)).run_once().later == 1
    assert one().reply.startswith("connect: ")


def test_garbage_in_mid_conversation_costs_no_mail(clock: Clock, how: Post) -> None:
    post_letters(letter())

    def babble(wire: Wire) -> None:
        wire.greet()
        wire.hear()
        wire.say("\x1b[31mwhat?")

    with scripted(babble) as port:
        assert mailer(clock, how, plain(port)).run_once().later == 1
    assert "not SMTP" in one().reply
    assert "\x1b" not in one().reply


def test_a_server_that_says_nothing_is_left_after_the_timeout(clock: Clock, how: Post) -> None:
    post_letters(letter(1), letter(2))
    with scripted(lambda wire: wire.hear()) as port:
        mailer(clock, how, plain(port, timeout=0.3)).run_once()
    assert {each.reply for each in Message.objects.all()} == {"connect: no answer in time"}


def test_a_server_that_drips_is_left_when_patience_ends(clock: Clock, how: Post) -> None:
    post_letters(letter())

    def drip(wire: Wire) -> None:
        wire.greet()
        wire.hear()
        for _ in range(100):
            wire.say("250-still thinking")
            Event().wait(0.2)

    with scripted(drip) as port:
        begun = time.monotonic()
        assert mailer(clock, how, plain(port, patience=0.4)).run_once().later == 1
    assert time.monotonic() - begun < 10


def test_a_server_that_falls_silent_does_not_keep_a_mailer_that_is_told_to_end(
    clock: Clock, how: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "GRACE", 0.2)
    post_letters(letter())
    stop = Event()

    def fall_silent(wire: Wire) -> None:
        wire.greet()
        wire.hear()
        stop.set()
        wire.hear()  # until the other side ends the connection

    with scripted(fall_silent) as port:
        Mailer(clock, to=plain(port, timeout=60), how=how, monotonic=clock.monotonic, stop=stop).run()
    assert (one().state, one().reply) == (MessageState.QUEUED, "sender: no answer within the time there was")


def test_a_mail_that_the_server_calls_too_large_is_given_up_with_its_words(clock: Clock, how: Post) -> None:
    post_letters(letter(), letter(2))
    office = Office(content=lambda address: "552 message too big" if address.startswith("contact1") else None)
    with open_office(office) as port:
        tally = mailer(clock, how, plain(port)).run_once()
    assert (tally.sent, tally.dead) == (1, 1)
    assert Message.objects.get(state=MessageState.DEAD).reply == "content: 552 message too big"


def test_a_poisoned_message_is_given_up_and_blocks_nobody(clock: Clock, how: Post) -> None:
    post_letters(
        letter(1, recipient="no-address"),
        letter(2, recipient="李@water.example"),
        letter(3),
        letter(4),
    )
    Message.objects.filter(key="test:3").update(language="tlh")
    office = Office()
    with open_office(office) as port:
        tally = mailer(clock, how, plain(port)).run_once()
    assert (tally.sent, tally.dead) == (1, 3)
    replies = list(Message.objects.filter(state=MessageState.DEAD).order_by("key").values_list("reply", flat=True))
    assert "is no mail address" in replies[0]
    assert "must be ASCII" in replies[1]
    assert "could not be built" in replies[2]


def test_one_domain_gets_no_more_than_its_rate_while_others_go_on(clock: Clock, how: Post) -> None:
    post_letters(*(letter(number) for number in range(1, 6)), letter(6, recipient="x@other.example"))
    office = Office()
    with installed(mail_rate=3), open_office(office) as port:
        slow = mailer(clock, how, plain(port))
        assert slow.send_due().sent == 4
        assert slow.send_due().sent == 0
        clock.elapsed += 61
        assert slow.send_due().sent == 2
        slow._hang_up()
    assert len(office.received) == 6


def test_without_a_server_mail_is_written_to_files_that_only_the_owner_can_read(clock: Clock, how: Post) -> None:
    post_letters(letter())
    assert mailer(clock, how, None).run_once().sent == 1
    (path,) = (how.data_dir / "mail").iterdir()
    assert path.name == f"20261126T080000Z-round-report-operators-{one().pk}.eml"
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert b"Subject: Letter 1" in path.read_bytes()
    assert str(path) in one().reply


def test_a_claim_can_be_won_once_and_only_its_owner_can_record(clock: Clock) -> None:
    post_letters(letter())
    ((pk, attempt, _),) = due(clock())
    first = claim(pk, attempt, clock())
    assert first is not None
    assert claim(pk, attempt, clock()) is None
    take_up_lost(clock())
    second = claim(pk, attempt + 1, clock())
    assert second is not None
    assert record(first, Answer(Fate.REFUSED, "late"), clock()) is None
    assert record(second, Answer(Fate.ACCEPTED, "250"), clock()) is MessageState.SENT


def test_a_claim_lapses_by_the_time_that_passed_and_not_by_the_clock_on_the_wall(clock: Clock, how: Post) -> None:
    post_letters(letter())
    ((pk, attempt, _),) = due(clock())
    claim(pk, attempt, clock())
    watching = mailer(clock, how, None)
    clock.now += timedelta(hours=2)
    assert watching.send_due().tried == 0
    clock.elapsed += sender.LEASE.total_seconds() + 1
    assert watching.send_due().sent == 1
    assert one().attempt == 2


def test_the_mailer_runs_until_it_is_stopped_and_survives_a_database_that_fails(
    clock: Clock, how: Post, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    post_letters(letter())
    waits: list[float] = []
    failing = iter([OperationalError("database is locked"), OSError("disk full")])

    def unsteady(now: datetime) -> list[tuple[int, int, str]]:
        for error in failing:
            raise error
        return due(now)

    class Stop(Event):
        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout or 0)
            return self.is_set()

    def stop_when_taken(address: str) -> None:
        stop.set()

    stop = Stop()
    monkeypatch.setattr(sender, "due", unsteady)
    with open_office(Office(content=stop_when_taken)) as port:
        Mailer(clock, to=plain(port), how=how, monotonic=clock.monotonic, stop=stop).run()
    assert one().state == MessageState.SENT
    assert waits == [2, 4, sender.IDLE]
    assert "tries again" in caplog.text


def test_what_a_server_took_is_written_down_once_the_database_works_again(
    clock: Clock, how: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    post_letters(letter())
    failing = iter([OperationalError("database is locked")] * 3)

    def unsteady(message: Message, answer: Answer, now: datetime) -> MessageState | None:
        for error in failing:
            raise error
        return record(message, answer, now)

    monkeypatch.setattr(sender, "record", unsteady)
    office = Office()
    with open_office(office) as port:
        assert mailer(clock, how, plain(port)).run_once().sent == 1
    assert (len(office.received), one().state) == (1, MessageState.SENT)


def test_a_server_that_keeps_breaking_off_is_left_alone_until_the_next_pass(clock: Clock, how: Post) -> None:
    post_letters(*(letter(number) for number in range(10)))
    conversations: list[str] = []

    def break_off(wire: Wire) -> None:
        wire.greet()
        conversations.append(wire.hear())

    with scripted(break_off) as port:
        mailer(clock, how, plain(port)).send_due()
    assert len(conversations) == sender.BROKEN_IN_A_ROW
    assert Message.objects.filter(attempt=0).count() == 10 - sender.BROKEN_IN_A_ROW


def test_a_report_is_left_out_when_the_server_takes_less_than_the_setting_allows(clock: Clock, how: Post) -> None:
    owner = organisation()
    contact(owner, email="contact1@water.example")
    this = Round.objects.create(profile="standard", ports="22", requested_by="ops", created=NOW)
    page = pack(b"x" * 100_000)
    report = Report.objects.create(
        organisation=owner, round=this, language="en", generated=NOW, html=page, json=page, digest="0"
    )
    post_letters(letter(report=report, organisation=owner, text=REPORT_MARK))
    office = Office()
    with open_office(office, data_size_limit=50_000) as port:
        assert mailer(clock, how, plain(port)).run_once().sent == 1
    assert "too large" in str(office.mails[0].get_body(("plain",)))


@pytest.mark.parametrize(
    ("urgent", "attempt", "least", "most"),
    [(False, 1, 45, 75), (False, 4, 360, 600), (False, 30, 10_800, 18_000), (True, 30, 675, 1125)],
)
def test_waits_double_up_to_a_limit_and_are_the_same_for_the_same_mail(
    urgent: bool, attempt: int, least: int, most: int
) -> None:
    waits = {retry.wait(f"mail {n}", attempt, urgent=urgent).total_seconds() for n in range(200)}
    assert least <= min(waits) < max(waits) <= most
    assert len(waits) > 150, "those that failed together don't come back together"
    assert retry.wait("mail", attempt, urgent=urgent) == retry.wait("mail", attempt, urgent=urgent)


def test_a_folder_that_can_t_be_written_to_costs_no_mail(clock: Clock, how: Post) -> None:
    post_letters(letter())
    blocked = how.data_dir / "mail"
    blocked.write_text("a file where the folder should be")
    assert mailer(clock, how, None).run_once().later == 1
    assert "could not be written" in one().reply
    blocked.unlink()
    clock.now += timedelta(minutes=2)
    assert mailer(clock, how, None).run_once().sent == 1


def test_who_left_while_a_mail_waited_does_not_get_it_and_the_operators_hear_of_it(clock: Clock, how: Post) -> None:
    above = organisation("city")
    owner = organisation(parent=above)
    left, stays, supervisor = contact(owner), contact(owner, "technical"), contact(above, "leader")
    told = (left.email, stays.email.upper(), supervisor.email, "ops@office.example")
    letters = [letter(number, recipient, organisation=owner) for number, recipient in enumerate(told)]
    post_letters(*letters)
    left.retired_at = NOW
    left.save()
    with installed(mail_from="roundsman@office.example", operators=("ops@office.example",)):
        tally = mailer(clock, how, None).run_once()
    assert (tally.sent, tally.dead) == (3, 1)
    dead = Message.objects.get(state=MessageState.DEAD)
    assert (dead.recipient, dead.reply) == (left.email, sender.NO_CONTACT)


def test_of_an_organisation_that_was_retired_no_mail_leaves(clock: Clock, how: Post) -> None:
    owner = organisation()
    post_letters(letter(recipient=contact(owner).email, organisation=owner))
    owner.retired_at = NOW
    owner.save()
    assert mailer(clock, how, None).run_once().dead == 1


def test_two_installations_of_an_office_never_give_two_letters_the_same_message_id() -> None:
    ids = set()
    for secret in ("of the pilot", "of the one after it", "of the pilot"):
        with override_settings(SECRET_KEY=secret):
            post_letters(letter())
        ids.add(one().message_id)
        Message.objects.all().delete()
    assert len(ids) == 2


def test_an_urgent_alert_does_not_wait_until_a_slow_server_has_taken_what_was_there_before(
    clock: Clock, how: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    post_letters(*(letter(number) for number in range(10)))
    taken: list[str] = []

    def slowly(_: Mailer, message: Message) -> Answer:
        if not taken:
            post_letters(letter(99, kind=MessageKind.URGENT_ALERT), now=clock())
        clock.elapsed += 45
        taken.append(message.kind)
        return Answer(Fate.ACCEPTED, "250 at last")

    monkeypatch.setattr(Mailer, "_deliver", slowly)
    mailer(clock, how, None).run_once()
    assert (len(taken), taken.index("urgent-alert")) == (11, 2)
