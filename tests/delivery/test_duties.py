"""Each daily duty on the right day, once, to the right people, whatever the clock and the machine do."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from scanner import bulk
from scanner.delivery import duties, outbox, recipients, reminders
from scanner.delivery.duties import Duties
from scanner.delivery.models import Message, MessageKind, Notice
from scanner.delivery.notices import issue
from scanner.remediation import acts
from scanner.remediation.models import ExemptionKind, Finding
from targets.models import Authorisation, Organisation
from tests.delivery.daily import DAY, HOUR, ROOMY, authorised, days, mails, run
from tests.delivery.office import NOW, contact, finding, installed, unit

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def office() -> Iterator[None]:
    with installed():
        yield


def test_a_deadline_is_reminded_of_three_days_before_the_day_after_and_then_weekly() -> None:
    finding(unit(), severity="high", deadline=NOW + 7 * DAY, reported=NOW)
    assert days(MessageKind.REMINDER, NOW, 24) == [4, 8, 15, 22]


def test_a_short_deadline_is_reminded_of_the_day_before() -> None:
    finding(unit(), deadline=NOW + 3 * DAY, reported=NOW)
    assert days(MessageKind.REMINDER, NOW, 6) == [2, 4]


def test_after_days_of_silence_there_is_one_reminder_and_not_one_for_each_that_was_missed() -> None:
    finding(unit(), severity="high", deadline=NOW - 20 * DAY, reported=NOW - 27 * DAY)
    assert days(MessageKind.REMINDER, NOW, 7) == [0, 2]


def test_one_letter_lists_all_that_is_due_and_names_date_and_time_zone() -> None:
    owner = unit()
    contact(owner, "technical", "zh-Hans")
    for port in (1, 2, 3):
        finding(owner, port=port, severity="high", deadline=NOW + port * DAY, reported=NOW - 6 * DAY)
    assert finding(owner, port=4, severity="low", deadline=NOW + 90 * DAY).pk
    run(NOW)
    english, chinese = sorted(mails(MessageKind.REMINDER), key=lambda mail: mail.language)
    assert english.subject == "[Reminder] Water Office: 0 overdue, 3 due soon"
    assert "29 Nov 2026" in english.text
    assert "Asia/Shanghai" in english.text
    assert ":4/tcp" not in english.text + english.html
    assert chinese.subject == "【整改催办】水务局：逾期 0 项，即将到期 3 项"
    assert "2026年11月29日" in chinese.html


def test_what_is_merely_possible_is_listed_apart_to_be_checked() -> None:
    owner = unit()
    finding(owner, port=1, deadline=NOW - DAY, confidence="possible")
    finding(owner, port=2, deadline=NOW - DAY)
    run(NOW)
    (mail,) = mails(MessageKind.REMINDER)
    sure, _, possible = mail.text.partition("Merely possible: please check, and answer")
    assert mail.subject == "[Reminder] Water Office: 1 overdue, 0 due soon"
    assert (":2/tcp" in sure, ":1/tcp" in sure, ":1/tcp" in possible) == (True, False, True)


@pytest.mark.parametrize("state", ["claimed", "fixed"])
def test_what_was_claimed_or_fixed_is_not_reminded_of(state: str) -> None:
    finding(unit(), deadline=NOW - DAY, state=state, **{state: NOW})  # type: ignore[arg-type]  # by name
    run(NOW)
    assert mails(MessageKind.REMINDER) == []


def test_reminders_can_be_declined_and_notices_can_not() -> None:
    owner = unit()
    owner.contacts.update(declined=["reminder", "notice"])
    late = finding(owner, deadline=NOW - DAY)
    issue(owner, None, [late], by="ops", now=NOW)
    run(NOW)
    assert (mails(MessageKind.REMINDER), len(mails(MessageKind.NOTICE))) == ([], 1)


def test_a_host_that_left_the_register_is_not_reminded_of() -> None:
    owner = unit()
    finding(owner, deadline=NOW - 2 * DAY)
    owner.targets.update(retired_at=NOW)
    run(NOW)
    assert mails(MessageKind.REMINDER) == []


def test_nobody_is_written_to_before_the_morning_of_their_own_day() -> None:
    for slug, zone in (("east", "Asia/Shanghai"), ("west", "America/Los_Angeles")):
        finding(unit(slug, english=slug, time_zone=zone), host=f"{slug}.example", deadline=NOW - 2 * DAY)
    midnight_in_the_west = dt.datetime(2026, 11, 26, 8, 0, tzinfo=dt.UTC)
    at: dict[str, int] = {}
    for hour in range(24):
        run(midnight_in_the_west + hour * HOUR)
        for mail in mails(MessageKind.REMINDER):
            at.setdefault(mail.recipient, hour)
    assert at == {"security@east.example": 0, "security@west.example": 8}


@pytest.mark.parametrize(
    ("zone", "deadline", "expected"),
    [
        ("Europe/London", dt.datetime(2027, 3, 28, 12, 0, tzinfo=dt.UTC), dt.date(2027, 3, 25)),
        ("Europe/London", dt.datetime(2027, 3, 28, 23, 30, tzinfo=dt.UTC), dt.date(2027, 3, 26)),
        ("Europe/London", dt.datetime(2026, 10, 25, 0, 30, tzinfo=dt.UTC), dt.date(2026, 10, 22)),
        ("Asia/Shanghai", dt.datetime(2028, 3, 1, 15, 59, tzinfo=dt.UTC), dt.date(2028, 2, 27)),
        ("Asia/Shanghai", dt.datetime(2026, 12, 31, 16, 0, tzinfo=dt.UTC), dt.date(2026, 12, 29)),
        ("Pacific/Kiritimati", dt.datetime(2026, 12, 31, 10, 0, tzinfo=dt.UTC), dt.date(2026, 12, 29)),
    ],
)
def test_days_are_counted_by_the_local_calendar_over_clock_changes_month_ends_and_leap_days(
    zone: str, deadline: dt.datetime, expected: dt.date
) -> None:
    owner = unit(time_zone=zone)
    finding(owner, severity="medium", deadline=deadline, reported=deadline - 30 * DAY)
    for hour in range(5 * 24):
        run(deadline - 4 * DAY + hour * HOUR)
        if mails(MessageKind.REMINDER):
            break
    (mail,) = mails(MessageKind.REMINDER)
    local = mail.created.astimezone(ZoneInfo(zone))
    assert (local.date(), local.hour) == (expected, 8)


def test_running_twice_or_with_a_clock_that_steps_back_tells_nobody_twice() -> None:
    finding(unit(), deadline=NOW - 2 * DAY, reported=NOW - 5 * DAY)
    for step in (0 * HOUR, HOUR, -2 * HOUR, 3 * HOUR, -DAY, 4 * HOUR):
        run(NOW + step)
    assert (len(mails(MessageKind.REMINDER)), len(mails(MessageKind.ESCALATION))) == (1, 2)


def supervised() -> tuple[Organisation, Organisation]:
    above = unit("city", english="City Office", chinese="市政府")
    return above, unit(parent=above)


def test_a_serious_finding_past_its_deadline_goes_to_the_supervising_organisation_once_and_once_more_much_later() -> (
    None
):
    above, owner = supervised()
    contact(above, "leader", "zh-Hans")
    late = finding(owner, severity="high", deadline=NOW, reported=NOW - 7 * DAY)
    assert days(MessageKind.ESCALATION, NOW - 2 * DAY, 14) == [3, 10]
    told = [(mail.recipient, mail.subject) for mail in mails(MessageKind.ESCALATION)[:3]]
    assert told == [
        ("leader@city.example", "【逾期未整改】水务局：1 项隐患超过整改时限"),
        ("security@city.example", "[Overdue] Water Office: 1 finding past its deadline"),
        ("security@water.example", "[Overdue] Water Office: 1 finding reported to City Office"),
    ]
    copy = mails(MessageKind.ESCALATION)[2]
    assert "City Office was told today, at: leader@city.example, security@city.example" in copy.text.replace("\n", " ")
    assert f"No. {late.pk}" in copy.text
    assert "To City Office:" in mails(MessageKind.ESCALATION)[1].text


def test_a_medium_finding_goes_up_only_when_it_took_twice_its_time() -> None:
    _, owner = supervised()
    finding(owner, severity="medium", deadline=NOW, reported=NOW - 30 * DAY)
    run(NOW + 29 * DAY)
    assert mails(MessageKind.ESCALATION) == []
    run(NOW + 31 * DAY)
    assert len(mails(MessageKind.ESCALATION)) == 2


def test_what_is_merely_possible_or_waits_for_the_offices_decision_does_not_go_up() -> None:
    _, owner = supervised()
    finding(owner, confidence="possible", deadline=NOW - DAY, reported=NOW - 5 * DAY)
    asked = finding(owner, port=1, deadline=NOW - DAY, reported=NOW - 5 * DAY)
    acts.request_exemption(asked, ExemptionKind.ACCEPTED, "Ann", "needed", "", None, "ann", NOW)
    run(NOW)
    assert mails(MessageKind.ESCALATION) == []


def test_without_anyone_above_the_operators_are_told() -> None:
    finding(unit(), deadline=NOW - DAY, reported=NOW - 5 * DAY)
    run(NOW)
    assert [mail.recipient for mail in mails(MessageKind.ESCALATION)] == [
        "ops@office.example",
        "security@water.example",
    ]
    assert "No organisation above it has a contact for this, so you are told." in " ".join(
        mails(MessageKind.ESCALATION)[0].text.split()
    )


def test_a_finding_that_came_back_with_a_new_deadline_is_reminded_of_and_escalated_anew() -> None:
    _, owner = supervised()
    late = finding(owner, deadline=NOW - DAY, reported=NOW - 4 * DAY)
    run(NOW)
    Finding.objects.filter(pk=late.pk).update(reported=NOW + 30 * DAY, deadline=NOW + 33 * DAY)
    assert days(MessageKind.ESCALATION, NOW + 30 * DAY, 5) == [4]


def test_authorisations_are_announced_thirty_fourteen_seven_and_one_day_before_they_end() -> None:
    owner = unit()
    authorised(owner, NOW + 40 * DAY)
    assert days(MessageKind.AUTHORISATION_ENDING, NOW, 45) == [10, 26, 33, 39]
    assert {mail.recipient for mail in mails(MessageKind.AUTHORISATION_ENDING)} == {
        "security@water.example",
        "ops@office.example",
    }
    copy = next(mail for mail in mails(MessageKind.AUTHORISATION_ENDING) if mail.recipient == "ops@office.example")
    assert "A copy for the operators; the contacts of Water Office got the same." in copy.text
    assert "valid up to and including 5 Jan 2027, 14 days left" in mails(MessageKind.AUTHORISATION_ENDING)[2].text


def test_an_authorisation_that_another_takes_over_from_is_not_announced_and_a_narrower_one_does_not() -> None:
    owner = unit()
    authorised(owner, NOW + 10 * DAY)
    authorised(owner, NOW + 400 * DAY, document="Order 2")
    run(NOW)
    assert mails(MessageKind.AUTHORISATION_ENDING) == []
    Authorisation.objects.filter(document="Order 2").update(scope=["192.0.2.1"])
    run(NOW)
    assert len(mails(MessageKind.AUTHORISATION_ENDING)) == 2


def exempt(owner: Organisation, until: dt.datetime, port: int = 1) -> Finding:
    held = finding(owner, port=port)
    acts.grant(held, ExemptionKind.ACCEPTED, "Ann", "the pumps need it", "", until, "ops", NOW)
    return held


def test_an_exemption_is_announced_thirty_days_before_its_end_and_when_it_has_ended() -> None:
    held = exempt(unit(), NOW + 40 * DAY)
    assert days(MessageKind.EXEMPTION_ENDING, NOW, 50) == [10, 40]
    ahead, ended = mails(MessageKind.EXEMPTION_ENDING)
    assert ahead.subject == "[Exemption] Water Office: 1 about to end, 0 ended"
    assert "Reason: the pumps need it" in ahead.text
    assert ended.subject == "[Exemption] Water Office: 0 about to end, 1 ended"
    held.refresh_from_db()
    assert held.state == "open"


def test_a_notice_counts_as_answered_when_its_findings_were_claimed_by_other_ways() -> None:
    asked = finding(unit())
    issue(asked.organisation, None, [asked], by="ops", now=NOW)
    acts.claim(asked, "ann", "closed", NOW + HOUR)
    run(NOW + 2 * HOUR)
    assert Notice.objects.get().answered == NOW + 2 * HOUR


def everything_due() -> None:
    """One of each: a reminder, an escalation, endings, a notice that was left behind, a digest."""
    _, owner = supervised()
    late = finding(owner, deadline=NOW - DAY, reported=NOW - 4 * DAY)
    authorised(owner, NOW + 10 * DAY)
    exempt(owner, NOW + 20 * DAY, port=7)
    issue(owner, None, [late], by="ops", now=NOW)


ALL_TOLD = [
    ("authorisation-ending", "ops@office.example"),
    ("authorisation-ending", "security@water.example"),
    ("digest", "ops@office.example"),
    ("escalation", "security@city.example"),
    ("escalation", "security@water.example"),
    ("exemption-ending", "security@water.example"),
    ("notice", "security@water.example"),
    ("reminder", "security@water.example"),
]


def test_killed_after_any_write_and_run_again_everything_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    everything_due()
    left = 0

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def write(*arguments: object, **options: object) -> object:
            nonlocal left
            left -= 1
            if left == 0:
                raise KeyboardInterrupt
            return real(*arguments, **options)

        return write

    monkeypatch.setattr(outbox, "enqueue", counted(outbox.enqueue))
    monkeypatch.setattr(bulk, "insert_missing", counted(bulk.insert_missing))
    kills, killed = 0, True
    while killed:
        kills, killed = kills + 1, False
        with transaction.atomic():
            left = kills
            try:
                run(NOW)
            except KeyboardInterrupt:
                killed = True
            run(NOW)
            assert sorted((mail.kind, mail.recipient) for mail in Message.objects.all()) == ALL_TOLD
            assert run(NOW + HOUR) == 0
            transaction.set_rollback(True)
    assert kills > 10


def test_trouble_at_one_organisation_keeps_nobody_else_from_being_told(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for slug in ("a", "b"):
        finding(unit(slug, english=slug.upper()), host=f"{slug}.example", deadline=NOW - 2 * DAY)

    def broken(organisation: Organisation, kind: MessageKind) -> object:
        if organisation.slug == "a":
            raise ValueError("a row that can't be read")
        return recipients.recipients(organisation, kind)

    process = Duties(lambda: ROOMY)
    with monkeypatch.context() as patched:
        patched.setattr(reminders, "recipients", broken)
        process.run(NOW)
    assert [mail.recipient for mail in mails(MessageKind.REMINDER)] == ["security@b.example"]
    assert "could not remind a" in caplog.text

    process.run(NOW + HOUR)
    assert [mail.recipient for mail in mails(MessageKind.REMINDER)] == ["security@b.example", "security@a.example"]


def test_a_contact_of_two_organisations_gets_a_mail_for_each_and_no_mail_speaks_of_both() -> None:
    above = unit("city", english="City Office", chinese="市政府")
    water = unit(parent=above)
    power = unit("power", english="Power Office", chinese="电力局", parent=above)
    contact(power, email="security@water.example")
    for owner, host in ((water, "10.1.1.1"), (power, "10.2.2.2")):
        finding(owner, host=host, deadline=NOW - DAY, reported=NOW - 4 * DAY)
        authorised(owner, NOW + 10 * DAY, document=f"Order {owner.slug}")
        exempt(owner, NOW + 20 * DAY, port=7)
        issue(owner, None, list(owner.findings.all()[:1]), by="ops", now=NOW)
    run(NOW)
    names = {
        water: ("Water Office", "水务局", "10.1.1.1", "Order water"),
        power: ("Power Office", "电力局", "10.2.2.2", "Order power"),
    }
    theirs = [mail for mail in Message.objects.all() if mail.kind != MessageKind.DIGEST]
    assert {mail.kind for mail in theirs} == {
        "reminder", "escalation", "authorisation-ending", "exemption-ending", "notice",
    }  # fmt: skip
    shared = [mail.organisation for mail in theirs if mail.recipient == "security@water.example"]
    assert {shared.count(water), shared.count(power)} == {5}
    for mail in theirs:
        other = names[power] if mail.organisation == water else names[water]
        assert [word for word in other if word in mail.subject + mail.text + mail.html] == []


def test_what_others_wrote_adds_no_header_no_mark_up_and_no_line_of_its_own() -> None:
    evil = "Office\r\nBcc: x@example.org <img src=x>\u202e"
    owner = unit(english=evil, chinese=evil)
    finding(owner, deadline=NOW - DAY, reported=NOW - 4 * DAY, params=[["version", "<script>\r\n.\r\n"]])
    held = finding(owner, port=7)
    acts.grant(held, ExemptionKind.ACCEPTED, "Ann", "<b>why</b>\nBcc: y", "", NOW + 20 * DAY, "ops", NOW)
    authorised(owner, NOW + 10 * DAY, document="Order <i>1</i>")
    run(NOW)
    assert len(Message.objects.all()) > 5
    for mail in Message.objects.all():
        assert mail.subject.isprintable()
        told = mail.html + mail.text
        assert [mark for mark in ("<img", "<script", "<b>why", "<i>1") if mark in mail.html] == []
        assert [mark for mark in ("\nBcc", "\u202e", "\r") if mark in told] == []


def test_organisations_with_nothing_to_be_told_take_no_more_questions() -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as questions:
            assert run(NOW + HOUR) == 0
        return len(questions)

    for slug in ("a", "b", "c", "d"):
        owner = unit(slug, english=slug.upper())
        late = finding(owner, host=f"{slug}.example", deadline=NOW - 2 * DAY)
        authorised(owner, NOW + 10 * DAY, document=f"Order {slug}")
        issue(owner, None, [late], by="ops", now=NOW)
        run(NOW)
        if slug == "a":
            few = asked()
    ending = 2 * 3  # of the others, whose authorisations are about to end: which, and what was told of it
    assert asked() <= few + ending


def test_what_can_not_be_asked_for_all_is_asked_for_each(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> object:
        raise ValueError("a row that can't be read")

    everything_due()
    for each in ("pressing", "all_answered", "with_authorisations_ending", "with_bulletins"):
        monkeypatch.setattr(duties, each, broken)
    run(NOW)
    assert sorted((mail.kind, mail.recipient) for mail in Message.objects.all()) == ALL_TOLD
    assert "could not find pressing findings" in caplog.text


def test_a_notice_that_was_answered_by_deeds_is_marked_and_others_wait() -> None:
    answered, waiting = (
        issue(
            owner, None, [finding(owner, host=f"{owner.slug}.example", port=port) for port in (1, 2)], by="o", now=NOW
        )
        for owner in (unit(slug, english=slug) for slug in ("a", "b"))
    )
    for item in answered.items.all():
        acts.claim(item.finding, "ann", "closed", NOW + HOUR)
    first = waiting.items.first()
    assert first is not None
    acts.claim(first.finding, "ann", "closed", NOW + HOUR)
    run(NOW + DAY)
    assert [each.answered for each in Notice.objects.order_by("pk")] == [NOW + DAY, None]
