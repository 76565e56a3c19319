"""Who gets a notice, about what, under which number, and that a crash in between neither loses nor doubles one."""

from __future__ import annotations

import datetime as dt
import io
import itertools
import zipfile
from zoneinfo import ZoneInfo

import pytest
from django.test import override_settings

from scanner.audit.models import Entry
from scanner.delivery import posting
from scanner.delivery.models import Attachment, Message, Notice, NoticeDocument, NoticeItem
from scanner.delivery.notices import answer_by, due_for, issue, notices_due, withdraw
from scanner.delivery.posting import issue_for_round, post, post_waiting
from scanner.engine.errors import InputError
from scanner.engine.model import Severity
from scanner.installation import Settings
from scanner.packing import unpack
from scanner.remediation.lifecycle import Happened
from tests.days import last_second
from tests.delivery.office import NOW, contact, finding, followed_round, happened, installed, plan, unit

pytestmark = pytest.mark.django_db
DAY = dt.timedelta(days=1)


def test_a_round_gives_each_organisation_a_notice_of_what_it_saw_that_is_severe_enough() -> None:
    water, power = unit(), unit("power", english="Power Office")
    this = followed_round(water, power, of=plan("high"))
    wanted = [finding(water, seen_in=this), finding(water, seen_in=this, port=6380, severity="high")]
    finding(water, seen_in=this, port=6381, severity="medium")
    finding(power, seen_in=this, severity="info", deadline=None)

    issue_for_round(this.pk, NOW)

    notice = Notice.objects.get()
    assert (notice.organisation, notice.round, notice.number) == (water, this, "R2026-1")
    assert [item.finding for item in notice.items.all()] == wanted
    assert [item.deadline for item in notice.items.all()] == [each.deadline for each in wanted]


def test_a_round_by_hand_and_a_plan_without_notices_give_none() -> None:
    owner = unit()
    for of in (None, plan("")):
        this = followed_round(owner, of=of)
        finding(owner, seen_in=this, port=1 if of else 2)
        assert issue_for_round(this.pk, NOW) == []


@pytest.mark.parametrize("state", ["claimed", "fixed", "accepted", "false-positive"])
def test_what_is_claimed_fixed_or_exempt_is_not_asked_for(state: str) -> None:
    owner = unit()
    this = followed_round(owner, of=plan())
    marks = {"claimed": {"claimed": NOW}, "fixed": {"fixed": NOW}}.get(state, {"exempt_until": NOW + DAY})
    finding(owner, seen_in=this, state=state, **marks)
    assert notices_due(this) == []


def test_what_the_round_could_not_see_is_left_to_one_that_can() -> None:
    owner = unit()
    this = followed_round(owner, of=plan())
    unseen = finding(owner)
    happened(unseen, Happened.NOT_INSPECTED, NOW, this)
    assert notices_due(this) == []


def test_what_is_merely_possible_is_never_in_the_order_and_alone_gives_no_notice() -> None:
    owner = unit()
    this = followed_round(owner, of=plan())
    possible = finding(owner, seen_in=this, confidence="possible")
    assert notices_due(this) == []

    finding(owner, seen_in=this, port=6380)
    (notice,) = issue_for_round(this.pk, NOW)

    checked = notice.items.get(finding=possible)
    assert (checked.to_check, checked.deadline) == (True, None)
    html = unpack(notice.documents.get(language="en").html).decode()
    assert "Possible findings, to be checked (no deadline)" in html
    demands = html.partition("3. What we ask for")[2].partition("</section>")[0]
    assert f"Finding {possible.pk}" not in demands


def test_a_finding_stands_in_one_live_notice_until_it_comes_back_or_the_notice_is_withdrawn() -> None:
    owner, of = unit(), plan()
    first = followed_round(owner, of=of)
    known = finding(owner, seen_in=first)
    (notice,) = issue_for_round(first.pk, NOW)
    second = followed_round(owner, of=of, at=NOW + DAY)
    happened(known, Happened.SEEN, NOW + DAY, second)
    assert notices_due(second) == []

    happened(known, Happened.REOPENED, NOW + 2 * DAY)
    assert [due.findings for due in notices_due(second)] == [(known,)]

    withdraw(issue(owner, second, [known], by="ops", now=NOW + 3 * DAY), "ops", NOW + 3 * DAY)
    third = followed_round(owner, of=of, at=NOW + 4 * DAY)
    happened(known, Happened.SEEN, NOW + 4 * DAY, third)
    assert [due.findings for due in notices_due(third)] == [(known,)]
    assert notice.withdrawn is None


def test_a_withdrawn_notice_keeps_its_number_and_is_not_issued_again_for_its_round() -> None:
    owner = unit()
    this = followed_round(owner, of=plan())
    known = finding(owner, seen_in=this)
    (notice,) = issue_for_round(this.pk, NOW)
    withdraw(notice, "ops", NOW)
    assert issue_for_round(this.pk, NOW) == [notice]
    assert issue(owner, None, [known], by="ops", now=NOW).number == "R2026-2"
    with pytest.raises(InputError, match="withdrawn before"):
        withdraw(notice, "ops", NOW)


def test_mail_of_a_withdrawn_notice_that_has_not_left_is_cancelled_and_no_other() -> None:
    owner = unit()
    contact(owner, "leader")
    with installed():
        for port in range(11):
            post(issue(owner, None, [finding(owner, port=port)], by="ops", now=NOW), NOW)
    notice = Notice.objects.get(number="R2026-1")
    sent = Message.objects.filter(key__startswith=f"notice:{notice.pk}:", recipient__startswith="leader")
    sent.update(state="sent")
    withdraw(notice, "ops", NOW)
    states = Message.objects.filter(key__startswith=f"notice:{notice.pk}:").order_by("recipient")
    assert list(states.values_list("state", flat=True)) == ["sent", "cancelled"]
    assert Message.objects.filter(state="queued").count() == 20


def test_numbers_run_without_gaps_and_begin_anew_with_the_year_of_the_office() -> None:
    owner = unit()
    known = finding(owner)
    new_year_in_shanghai = dt.datetime(2026, 12, 31, 16, 0, tzinfo=dt.UTC)
    moments = [NOW, NOW + DAY, new_year_in_shanghai - dt.timedelta(seconds=1), new_year_in_shanghai]
    with installed(notice_number="×网办函〔{year}〕{serial}号"), override_settings(TIME_ZONE="Asia/Shanghai"):
        numbers = [issue(owner, None, [known], by="ops", now=now).number for now in moments]
    assert numbers == ["×网办函〔2026〕1号", "×网办函〔2026〕2号", "×网办函〔2026〕3号", "×网办函〔2027〕1号"]


def test_an_issue_that_fails_leaves_no_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = unit()
    known = finding(owner)

    def broken(*_: object) -> None:
        raise OSError("the disk is full")

    with monkeypatch.context() as patched:
        patched.setattr(NoticeItem.objects, "bulk_create", broken)
        with pytest.raises(OSError, match="full"):
            issue(owner, None, [known], by="ops", now=NOW)
    assert issue(owner, None, [known], by="ops", now=NOW).serial == 1


@pytest.mark.parametrize(
    "pattern", ["{serial}", "{year}", "{year}{serial}{year}", "{year}/{serial}/{x}", "{year}\n{serial}"]
)
def test_a_pattern_that_would_not_number_notices_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="year"):
        Settings(notice_number=pattern)


def test_a_reply_is_due_after_ten_days_or_with_the_first_critical_finding_at_the_end_of_that_local_day() -> None:
    owner = unit()
    shanghai = ZoneInfo("Asia/Shanghai")
    high = finding(owner, severity="high", deadline=NOW + 2 * DAY)
    critical = finding(owner, port=1, deadline=NOW + 3 * DAY)
    overdue = finding(owner, port=2, deadline=NOW - DAY)
    assert answer_by([high], shanghai, NOW) == dt.datetime(2026, 12, 6, 16, 0, tzinfo=dt.UTC)
    assert answer_by([high, critical], shanghai, NOW) == dt.datetime(2026, 11, 29, 16, 0, tzinfo=dt.UTC)
    assert answer_by([overdue], shanghai, NOW) == dt.datetime(2026, 12, 6, 16, 0, tzinfo=dt.UTC)


def test_the_day_of_the_answer_ends_at_local_midnight_in_summer_and_in_winter() -> None:
    owner = unit()
    known = finding(owner, severity="high")
    london = ZoneInfo("Europe/London")
    before_summer = dt.datetime(2027, 3, 20, 12, 0, tzinfo=dt.UTC)
    assert answer_by([known], london, before_summer) == dt.datetime(2027, 3, 30, 23, 0, tzinfo=dt.UTC)
    assert answer_by([known], london, before_summer - 10 * DAY) == dt.datetime(2027, 3, 21, 0, 0, tzinfo=dt.UTC)


def test_a_notice_never_takes_up_another_organisations_finding() -> None:
    water, power = unit(), unit("power", english="Power Office")
    with pytest.raises(InputError, match="none of water's"):
        issue(water, None, [finding(power)], by="ops", now=NOW)
    with pytest.raises(InputError, match="nothing to ask"):
        issue(water, None, [], by="ops", now=NOW)
    assert not Notice.objects.exists()


def shown(file: Attachment) -> str:
    content = unpack(file.content)
    if not file.name.endswith(".docx"):
        return content.decode()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read("word/document.xml").decode()


def test_each_contact_gets_document_and_form_in_their_language_and_nothing_of_another_organisation() -> None:
    water, power = unit(), unit("power", english="Power Office", chinese="电力局")
    contact(water, "leader", "zh-Hans")
    contact(power, email="security@water.example")
    this = followed_round(water, power, of=plan())
    finding(water, seen_in=this, host="10.1.1.1")
    finding(power, seen_in=this, host="10.2.2.2")

    issue_for_round(this.pk, NOW)

    mails = {(each.organisation, each.recipient): each for each in Message.objects.all()}
    assert set(mails) == {
        (water, "security@water.example"),
        (water, "leader@water.example"),
        (power, "security@power.example"),
        (power, "security@water.example"),
    }
    for (owner, _), mail in mails.items():
        parts = [
            mail.subject,
            mail.text,
            mail.html,
            *(shown(f) for f in mail.attachments.all()),
        ]
        told = "\n".join(parts)
        others = ("Power Office", "电力局", "10.2.2.2") if owner == water else ("Water Office", "水务局", "10.1.1.1")
        assert [word for word in others if word in told] == []
        assert len(parts) == 6
    assert "【整改通知】R2026-2：水务局" in mails[water, "leader@water.example"].subject


@pytest.mark.parametrize("step", ["render_notice", "enqueue_all", "recipients"])
def test_a_crash_between_the_number_and_the_mail_loses_and_doubles_nothing(
    monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    owner = unit()
    this = followed_round(owner, of=plan())
    finding(owner, seen_in=this)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(posting, step, killed)
        with pytest.raises(KeyboardInterrupt):
            issue_for_round(this.pk, NOW)
    assert (Notice.objects.count(), Message.objects.count(), NoticeDocument.objects.count()) == (1, 0, 0)

    assert post_waiting(NOW) == 1
    for again in (issue_for_round(this.pk, NOW), post_waiting(NOW)):
        assert again in ([Notice.objects.get()], 0)
    assert (Notice.objects.count(), Message.objects.count(), NoticeDocument.objects.count()) == (1, 1, 2)


def test_a_notice_that_was_withdrawn_before_it_left_is_not_mailed() -> None:
    owner = unit()
    notice = issue(owner, None, [finding(owner)], by="ops", now=NOW)
    withdraw(notice, "ops", NOW)
    assert post(notice, NOW) == ()
    assert post_waiting(NOW) == 0
    assert not Message.objects.exists()


def test_time_begins_with_the_notice_for_what_nobody_was_told_of_before() -> None:
    owner = unit()
    untold = finding(owner, severity="high", reported=None, deadline=None)
    notice = issue(owner, None, [untold], by="ops", now=NOW)
    untold.refresh_from_db()
    due = last_second(NOW + 7 * DAY, owner.time_zone)
    assert (untold.reported, untold.deadline) == (NOW, due)
    assert notice.items.get().deadline == due


def test_issuing_and_withdrawing_leave_their_trace() -> None:
    owner = unit()
    withdraw(issue(owner, None, [finding(owner)], by="ann", now=NOW), "bob", NOW)
    entries = [(entry.actor, entry.action, entry.subject) for entry in Entry.objects.order_by("pk")]
    assert entries == [("ann", "notice-issued", "notice R2026-1"), ("bob", "notice-withdrawn", "notice R2026-1")]


def test_worst_findings_stand_first_and_a_lesser_one_is_left_out_by_hand_too() -> None:
    owner = unit()
    for port, severity in zip(itertools.count(1), ("low", "high", "critical", "medium", "info"), strict=False):
        finding(owner, port=port, severity=severity)
    assert [each.severity for each in due_for(owner, Severity.MEDIUM).findings] == ["critical", "high", "medium"]
