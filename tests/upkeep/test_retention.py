"""What is removed when its time is over, and above all what stays."""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path

import pytest
from django.conf import settings
from django.db import DatabaseError
from django.db.models import OuterRef

from scanner.audit.models import Entry
from scanner.delivery.models import Attachment, Message, MessageKind, MessageState
from scanner.delivery.outbox import File, Letter, enqueue, key_of
from scanner.engine.errors import InputError
from scanner.engine.model import Outcome
from scanner.packing import pack
from scanner.remediation.scores import never_answered
from scanner.reports.models import Bulletin, Report
from scanner.reports.query import report_model
from scanner.rounds.models import HostResult, Job, JobKind, JobState, LookNumber, Round, RoundState
from scanner.upkeep import retention
from scanner.upkeep.retention import Policy, Pruned, What, full_mails, old_documents, prune, prune_unattended
from targets.models import Organisation, Target
from tests.rounds.world import organisation, register

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 11, 2, 8, 30, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
POLICY = Policy(facts=90 * DAY, messages=90 * DAY, reports=730 * DAY)


@pytest.fixture(autouse=True)
def data_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setattr(settings, "DATA_DIR", tmp_path)
    return tmp_path


@pytest.fixture
def owner() -> Organisation:
    return organisation()


def sweep(*, dry_run: bool = False, now: dt.datetime = NOW) -> Pruned:
    return prune(now, POLICY, dry_run=dry_run, rest=lambda _: None)


def a_round(owner: Organisation, days: float, **fields: object) -> Round:
    """A round that ended so many days ago and was followed."""
    at = NOW - days * DAY
    values = {"created": at, "started": at, "finished": at, "followed": at, "state": RoundState.DONE, **fields}
    this = Round.objects.create(profile="standard", ports="80", requested_by="tester", **values)
    this.organisations.add(owner)
    return this


def result(
    this: Round, address: str, outcome: Outcome = Outcome.INSPECTED, look: int = LookNumber.FIRST, **fields: object
) -> HostResult:
    owner = this.organisations.get()
    at = this.finished or NOW
    values = {"label": address, "started": at, "finished": at, "facts": b"x" * 100, **fields}
    return HostResult.objects.create(
        round=this, organisation=owner, address=address, outcome=outcome, look=look, **values
    )


def kept() -> set[tuple[int, str]]:
    return set(HostResult.objects.values_list("round", "address"))


def test_results_go_when_they_are_old_and_newer_ones_tell_of_the_host(owner: Organisation) -> None:
    rounds = [a_round(owner, days) for days in (200, 150, 120, 50, 20, 1)]
    for this in rounds:
        result(this, "192.0.2.1")
        result(this, "192.0.2.1", look=LookNumber.AGAIN)
    done = sweep()
    assert done.counts == {What.RESULTS: 5}
    assert {number for number, _ in kept()} == {this.pk for this in rounds[2:]}
    assert HostResult.objects.filter(round=rounds[2]).get().look == LookNumber.FIRST
    assert [this.pruned for this in Round.objects.all()] == [NOW, NOW, NOW, None, None, None]


def test_the_newest_result_of_a_host_stays_and_the_newest_that_really_looked(owner: Organisation) -> None:
    looked, older, newest = a_round(owner, 300), a_round(owner, 200), a_round(owner, 150)
    a_round(owner, 2)
    a_round(owner, 1)
    result(looked, "192.0.2.1", Outcome.PARTIAL)
    result(older, "192.0.2.1", Outcome.UNREACHABLE)
    result(newest, "192.0.2.1", Outcome.UNREACHABLE)
    sweep()
    assert kept() == {(looked.pk, "192.0.2.1"), (newest.pk, "192.0.2.1")}


def test_an_address_that_once_answered_is_still_missed_after_the_sweep(owner: Organisation) -> None:
    register(owner, "192.0.2.0/24")
    target = Target.objects.get()
    for days in (300, 200):
        result(a_round(owner, days), "192.0.2.1", target=target)
    silent = a_round(owner, 1)
    result(silent, "192.0.2.1", Outcome.UNREACHABLE, target=target, silent=True)
    assert never_answered(silent, owner) == set()
    sweep()
    assert never_answered(silent, owner) == set()


def test_the_last_two_whole_rounds_of_an_organisation_stay_however_old(owner: Organisation) -> None:
    rounds = [a_round(owner, days) for days in (400, 300, 200)]
    part = a_round(owner, 150, hosts=["192.0.2.1"])
    for this in (*rounds, part):
        result(this, "192.0.2.1")
    sweep()
    assert {number for number, _ in kept()} == {rounds[1].pk, rounds[2].pk, part.pk}


@pytest.mark.parametrize("fields", [{"state": RoundState.RUNNING}, {"state": RoundState.PAUSED}, {"followed": None}])
def test_a_round_that_is_not_over_keeps_everything(owner: Organisation, fields: dict[str, object]) -> None:
    result(a_round(owner, 300, **fields), "192.0.2.1")
    for days in (200, 2, 1):
        result(a_round(owner, days), "192.0.2.1")
    assert sweep().counts == {}


def test_a_pruned_round_is_neither_rendered_nor_judged_again(owner: Organisation) -> None:
    first = a_round(owner, 300)
    result(first, "192.0.2.1")
    for days in (200, 2, 1):
        result(a_round(owner, days), "192.0.2.1")
    sweep()
    first.refresh_from_db()
    with pytest.raises(InputError, match=r"was pruned on 2026-11-02, as ROUNDSMAN_KEEP_FACTS_DAYS says"):
        report_model(owner, first, NOW)


def test_a_dry_run_tells_the_same_and_changes_nothing(owner: Organisation) -> None:
    for days in (300, 200, 2, 1):
        result(a_round(owner, days), "192.0.2.1")
    before = kept()
    told = sweep(dry_run=True)
    assert (kept(), Round.objects.exclude(pruned=None).count(), Entry.objects.count()) == (before, 0, 0)
    done = sweep()
    assert (told.counts, told.size) == (done.counts, done.size)
    entry = Entry.objects.get()
    assert (entry.action, entry.actor, entry.detail) == ("prune", "roundsman", {"host results": 1, "size": 700})
    assert sweep().counts == {}


def test_a_sweep_that_is_broken_off_goes_on_where_it_stopped(
    owner: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "BATCH", 10)
    old = a_round(owner, 300)
    newer = [a_round(owner, days) for days in (200, 2, 1)]
    for number in range(25):
        result(old, f"192.0.2.{number}")
        result(newer[0], f"192.0.2.{number}")

    def break_off(_: float) -> None:
        raise DatabaseError("database is locked")

    with pytest.raises(DatabaseError):
        prune(NOW, POLICY, rest=break_off)
    assert HostResult.objects.filter(round=old).count() == 15
    result(newer[1], "192.0.2.1")
    assert sweep().counts == {What.RESULTS: 15}
    assert {number for number, _ in kept()} == {newer[0].pk, newer[1].pk}


def test_jobs_of_rounds_that_ended_go_after_thirty_days(owner: Organisation) -> None:
    old, new, running = a_round(owner, 31), a_round(owner, 29), a_round(owner, 31, state=RoundState.RUNNING)
    for this in (old, new, running):
        Job.objects.create(round=this, kind=JobKind.LOOK, state=JobState.DONE, created=NOW)
    assert sweep().counts == {What.JOBS: 1}
    assert set(Job.objects.values_list("round", flat=True)) == {new.pk, running.pk}


def a_report(owner: Organisation, days: float, language: str = "en") -> Report:
    content = pack(b"<p>secret</p>")
    generated = NOW - days * DAY
    return Report.objects.create(
        organisation=owner,
        round=a_round(owner, days),
        language=language,
        generated=generated,
        html=content,
        json=content,
        digest="d" * 64,
    )


def a_bulletin(owner: Organisation | None, days: float, *, nameless: bool = False) -> Bulletin:
    content = pack(b"<p>secret</p>")
    generated = NOW - days * DAY
    return Bulletin.objects.create(
        organisation=owner,
        first=generated.date(),
        last=generated.date(),
        nameless=nameless,
        language="en",
        generated=generated,
        html=content,
        json=content,
        digest="d" * 64,
    )


def test_an_old_bulletin_loses_its_content_but_the_newest_of_each_sort_and_what_is_still_to_be_sent_stay(
    owner: Organisation,
) -> None:
    of_all = [a_bulletin(None, days) for days in (1000, 900)]
    of_one = [a_bulletin(owner, days) for days in (1000, 950, 900)]
    nameless = a_bulletin(owner, 1100, nameless=True)
    waiting = a_mail(MessageKind.BULLETIN, 950, MessageState.QUEUED)
    Message.objects.filter(pk=waiting.pk).update(bulletin=of_one[1])
    assert sweep().counts == {What.BULLETINS: 2}
    for each in (*of_all, *of_one, nameless):
        each.refresh_from_db()
    assert [each.is_pruned for each in (*of_all, *of_one, nameless)] == [True, False, True, False, False, False]


def test_an_old_report_loses_its_content_and_says_so_but_the_newest_in_each_language_stays(owner: Organisation) -> None:
    old, newest, chinese = a_report(owner, 1000), a_report(owner, 900), a_report(owner, 1100, "zh-Hans")
    assert sweep().counts == {What.REPORTS: 1}
    for report in (old, newest, chinese):
        report.refresh_from_db()
    assert [report.is_pruned for report in (old, newest, chinese)] == [True, False, False]
    assert (old.digest, bytes(old.json)) == ("d" * 64, b"")


def a_mail(
    kind: MessageKind, days: float, state: MessageState = MessageState.SENT, report: Report | None = None
) -> Message:
    number = Message.objects.count()
    letter = Letter(
        key_of(kind, "unit@example.org", number), kind, "unit@example.org", "en", "Subject", "text", "<p>html</p>",
        files=(File("form.csv", "text/csv", b"a,b"),), report=report,
    )  # fmt: skip
    at = NOW - days * DAY
    enqueue(letter, at)
    message = Message.objects.get(key=letter.key)
    Message.objects.filter(pk=message.pk).update(
        state=state, finished=None if state in (MessageState.QUEUED, MessageState.SENDING) else at
    )
    return message


def test_a_report_that_is_still_to_be_mailed_keeps_its_content(owner: Organisation) -> None:
    old, _ = a_report(owner, 1000), a_report(owner, 900)
    message = a_mail(MessageKind.ROUND_REPORT, 1000, MessageState.QUEUED, report=old)
    assert sweep().counts == {}
    message.refresh_from_db()
    assert message.text == "text"


def test_a_mail_loses_its_content_and_keeps_what_hinders_that_it_is_sent_twice() -> None:
    old, dead, new = (
        a_mail(MessageKind.URGENT_ALERT, 91),
        a_mail(MessageKind.REMINDER, 91, MessageState.DEAD),
        a_mail(MessageKind.URGENT_ALERT, 89),
    )
    assert sweep().counts == {What.CONTENTS: 2}
    for message in (old, dead, new):
        message.refresh_from_db()
    assert [(message.text, message.html) for message in (old, dead, new)] == [
        ("", ""),
        ("", ""),
        ("text", "<p>html</p>"),
    ]
    assert Attachment.objects.get().message == new
    again = Letter(old.key, MessageKind.URGENT_ALERT, old.recipient, "en", "Subject", "text", "<p>html</p>")
    assert not enqueue(again, NOW)
    assert sweep().counts == {}


@pytest.mark.sqlite
def test_mails_and_reports_to_be_emptied_are_found_without_reading_the_others() -> None:
    assert "message_full_by_end (state=? AND finished<?)" in full_mails(NOW).explain()
    waiting = Message.objects.filter(report=OuterRef("pk"))
    assert "report_by_age (generated<?)" in old_documents(Report, ("organisation", "language"), waiting, NOW).explain()


def test_that_a_mail_was_sent_is_known_for_good() -> None:
    sent = [a_mail(kind, 8000) for kind in MessageKind]
    assert sweep().counts == {What.CONTENTS: len(sent)}
    assert {message.key for message in Message.objects.all()} == {message.key for message in sent}


def test_written_mails_go_by_their_age_and_links_are_left_alone(data_dir: Path) -> None:
    elsewhere = data_dir / "elsewhere.txt"
    (data_dir / "mail" / "2026").mkdir(parents=True)
    old, new, link = (data_dir / "mail" / name for name in ("2026/old.eml", "new.eml", "link.eml"))
    for path in (elsewhere, old, new):
        path.write_text("mail")
    link.symlink_to(elsewhere)
    for path, days in ((elsewhere, 400), (old, 100), (new, 10)):
        _set_age(path, days)
    assert sweep().counts == {What.FILES: 1}
    assert [path.exists() for path in (elsewhere, old, new, link)] == [True, False, True, True]


def _set_age(path: Path, days: float) -> None:
    at = (NOW - days * DAY).timestamp()
    os.utime(path, (at, at))


def test_a_machine_that_starts_with_a_clock_years_ahead_prunes_nothing_by_itself(owner: Organisation) -> None:
    rounds = [a_round(owner, days) for days in (300, 200, 20, 10, 1)]
    for this in rounds:
        result(this, "192.0.2.1")

    assert prune_unattended(NOW + 3650 * DAY, POLICY, lambda _: None).counts == {}
    assert HostResult.objects.count() == 5
    assert prune_unattended(NOW, POLICY, lambda _: None).counts == {What.RESULTS: 1}
