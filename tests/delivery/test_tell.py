"""What a round found is told once, to the right people, in their language, and never to another organisation."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.db import transaction

from scanner import bulk
from scanner.delivery.letters import REPORT_MARK
from scanner.delivery.models import Message, MessageKind
from scanner.delivery.tell import alert_urgent, tell_round
from scanner.engine.errors import InputError
from scanner.packing import unpack
from scanner.remediation.acts import claim
from scanner.remediation.follow import follow_round
from scanner.remediation.models import Finding
from scanner.remediation.urgent import urgent_of
from scanner.reports.models import Report, ReportFile
from scanner.rounds.models import PlanKind
from targets.models import Organisation
from tests.delivery.office import contact, installed, unit
from tests.remediation.looks import a_round, day, followed, look
from tests.remediation.time_server import exposed, silent
from tests.rounds.world import authorise, open_redis, open_web, register, retire, timed_out

pytestmark = pytest.mark.django_db

REDIS = "SVC-REDIS-UNAUTH"
HOST = "192.0.2.10"


@pytest.fixture(autouse=True)
def installation() -> Iterator[None]:
    with installed(office_contact="soc@office.example"):
        yield


@pytest.fixture
def owner() -> Organisation:
    owner = unit()
    register(owner, HOST)
    authorise(owner, "192.0.2.0/24")
    return owner


def mails(kind: MessageKind) -> list[Message]:
    return list(Message.objects.filter(kind=kind).order_by("pk"))


def test_a_round_is_reported_in_each_contact_s_language_with_the_report_that_it_goes_with(owner: Organisation) -> None:
    contact(owner, "technical", "zh-Hans")
    this = followed(owner, open_redis, 1)
    assert tell_round(this.pk, day(1.1)) == 2
    english, chinese = (Message.objects.get(language=language) for language in ("en", "zh-Hans"))
    assert english.subject.startswith("[Inspection report] Water Office, round ")
    assert chinese.subject.startswith("【巡检报告】水务局第")
    for mail, title, page in (
        (english, "Redis serves anyone without credentials", "Network risk"),
        (chinese, "Redis 缓存数据库存在未授权访问", "网络安全风险巡检报告"),
    ):
        assert mail.report is not None
        assert mail.report.language == mail.language
        assert page in unpack(mail.report.html).decode()
        for body in (mail.text, mail.html):
            assert title in body
            assert f"{HOST}:6379/tcp" in body
            assert REPORT_MARK in body
            assert "soc@office.example" in body
    assert {each.language for each in Report.objects.all()} == {"en", "zh-Hans"}


def test_telling_again_after_a_kill_adds_what_is_missing_and_nothing_else(
    owner: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    contact(owner, "technical", "zh-Hans")
    followed(owner, open_redis, 1)
    followed(owner, open_web, 2)
    this = followed(owner, open_redis, 3)

    class Killed(BaseException):
        """Nothing that is caught."""

    left: Iterator[bool] = iter(())

    def dying(real: Callable[..., object]) -> Callable[..., object]:
        def write(rows: object) -> object:
            if next(left):
                raise Killed
            return real(rows)

        return write

    with monkeypatch.context() as patched:
        patched.setattr(ReportFile.objects, "bulk_create", dying(ReportFile.objects.bulk_create))
        patched.setattr(bulk, "insert_missing", dying(bulk.insert_missing))
        for point in range(4):  # two reports, their letters, and those of what came back
            left = iter([*[False] * point, True])
            with pytest.raises(Killed):
                tell_round(this.pk, day(3.1))
    tell_round(this.pk, day(3.1))
    assert tell_round(this.pk, day(3.1)) == 0
    kinds = [each.kind for each in Message.objects.all()]
    assert sorted(kinds) == ["recurrence"] * 2 + ["round-report"] * 2
    assert Report.objects.count() == 2


def test_a_person_of_two_organisations_gets_one_mail_each_and_neither_names_the_other(owner: Organisation) -> None:
    other = unit("power", english="Power Office", chinese="供电局")
    register(other, "192.0.2.20")
    authorise(other, "192.0.2.0/24")
    for each in (owner, other):
        each.contacts.update(email="wang@shared.example")
    this = a_round(owner, 1)
    this.organisations.set([owner])
    look(this, HOST, open_redis, 1)
    this.organisations.set([other])
    look(this, "192.0.2.20", open_redis, 1)
    this.organisations.set([owner, other])
    follow_round(this.pk, day(1.05))
    assert tell_round(this.pk, day(1.1)) == 2
    for mine, theirs in ((owner, other), (other, owner)):
        mail = Message.objects.get(organisation=mine)
        assert mail.recipient == "wang@shared.example"
        host = "192.0.2.20" if theirs is other else HOST
        for text in (mail.text, mail.html, mail.subject, unpack(mail.report.html).decode()):  # type: ignore[union-attr]  # kept
            assert theirs.name_en not in text
            assert host not in text


def test_a_round_between_rounds_reports_nothing_but_what_came_back(owner: Organisation) -> None:
    followed(owner, open_redis, 1)
    followed(owner, open_web, 2)
    this = followed(owner, open_redis, 3, kind=PlanKind.CADENCE, hosts=(HOST,))
    assert tell_round(this.pk, day(3.1)) == 1
    (mail,) = mails(MessageKind.RECURRENCE)
    assert mail.subject == "[Recurrence] Water Office: 1 finding that had been fixed is back"
    assert "First seen 2 Mar 2026, proven fixed by 3 Mar 2026, seen again 4 Mar 2026; came back once." in mail.html
    assert "First seen 2 Mar 2026" in mail.text


def test_a_campaign_says_that_it_looked_at_a_part(owner: Organisation) -> None:
    this = followed(owner, open_redis, 1, kind=PlanKind.CAMPAIGN, checks=(REDIS,))
    tell_round(this.pk, day(1.1))
    (mail,) = mails(MessageKind.ROUND_REPORT)
    assert "This was a campaign" in mail.text
    assert "This was a campaign" in mail.html


def test_a_round_that_inspected_nothing_counts_nothing_in_its_mail(owner: Organisation) -> None:
    tell_round(followed(owner, timed_out, 1).pk, day(1.1))
    (mail,) = mails(MessageKind.ROUND_REPORT)
    assert "nothing could be inspected; known before: 0 critical or high" in mail.subject
    for said in (mail.text, mail.html):
        assert "0 new" not in said
        assert "nothing can be said about changes" in " ".join(said.split())


def claimed(owner: Organisation) -> Finding:
    followed(owner, open_redis, 1)
    finding = Finding.objects.get(check_id=REDIS)
    claim(finding, by="unit", note="closed", now=day(1.2))
    return finding


@pytest.mark.parametrize(
    ("answer", "english", "said"),
    [
        (open_web, "1 fixed, 0 still there, 0 could not", "gone both times"),
        (open_redis, "0 fixed, 1 still there, 0 could not", "Seen again: "),
        (timed_out, "0 fixed, 0 still there, 1 could not", "It did not finish in the time allowed."),
    ],
)
def test_a_re_inspection_tells_what_became_of_a_claim_and_why(
    owner: Organisation, answer: object, english: str, said: str
) -> None:
    finding = claimed(owner)
    this = followed(owner, answer, 2, kind=PlanKind.REINSPECTION, hosts=(HOST,), findings=(finding.pk,))  # type: ignore[arg-type]  # by name
    assert tell_round(this.pk, day(2.1)) == 1
    (mail,) = mails(MessageKind.REINSPECTION)
    assert english in mail.subject
    for body in (mail.text, mail.html):
        assert said in " ".join(body.split())
    assert mail.report is None
    assert not mails(MessageKind.ROUND_REPORT)


def test_a_re_inspection_says_that_a_udp_port_kept_silent_and_what_would_show_more(owner: Organisation) -> None:
    followed(owner, exposed, 1)
    finding = Finding.objects.get(check_id="NTP-MODE6")
    claim(finding, by="unit", note="firewall", now=day(1.2))
    this = followed(owner, silent, 2, kind=PlanKind.REINSPECTION, hosts=(HOST,), findings=(finding.pk,))
    tell_round(this.pk, day(2.1))
    (mail,) = mails(MessageKind.REINSPECTION)
    assert "It counts as fixed once it has been silent for seven days" in " ".join(mail.text.split())


def urgent(owner: Organisation) -> list[Finding]:
    return list(Finding.objects.filter(organisation=owner, severity="critical").select_related("organisation"))


def test_an_urgent_finding_is_alerted_once_in_its_life_and_again_when_it_is_back(owner: Organisation) -> None:
    contact(owner, "leader")
    followed(owner, open_redis, 1)
    with transaction.atomic():
        assert alert_urgent(urgent(owner), day(1.1)) == 1
    assert alert_urgent(urgent(owner), day(1.2)) == 0
    followed(owner, open_web, 2)
    followed(owner, open_redis, 3)
    assert alert_urgent(urgent(owner), day(3.1)) == 1
    first, _ = mails(MessageKind.URGENT_ALERT)
    assert first.recipient == "security@water.example"
    assert first.subject == "[Urgent] Water Office: 1 finding that can't wait"
    assert HOST not in first.subject
    for body in (first.text, first.html):
        assert f"{HOST}:6379/tcp" in body
        assert "Cut it off" in body


def test_many_urgent_findings_make_several_letters_that_no_mail_program_cuts(owner: Organisation) -> None:
    followed(owner, open_redis, 1)
    (first,) = urgent(owner)
    for number in range(50):
        first.pk, first.port = None, 7000 + number
        first.save()
    assert alert_urgent(urgent(owner), day(1.1)) == 3
    letters = mails(MessageKind.URGENT_ALERT)
    assert all(len(each.html.encode()) < 100_000 for each in letters)
    told = "".join(each.text for each in letters)
    assert all(f"{HOST}:{7000 + number}/tcp" in told for number in range(50))
    assert alert_urgent(urgent(owner), day(1.2)) == 0


def test_an_alert_says_in_chinese_what_to_do_within_hours(owner: Organisation) -> None:
    owner.contacts.update(language="zh-Hans")
    followed(owner, open_redis, 1)
    alert_urgent(urgent(owner), day(1.1))
    (mail,) = mails(MessageKind.URGENT_ALERT)
    assert mail.subject == "【紧急告警】水务局：发现须立即处置的风险隐患 1 项"
    for body in (mail.text, mail.html):
        for said in ("Redis 缓存数据库存在未授权访问", "紧急原因", "数小时内应完成的工作", f"{HOST}:6379/tcp"):
            assert said in body


def test_an_alert_reaches_the_operators_when_the_organisation_has_no_contact(owner: Organisation) -> None:
    owner.contacts.all().delete()
    followed(owner, open_redis, 1)
    assert alert_urgent(urgent(owner), day(1.1)) == 1
    (mail,) = mails(MessageKind.URGENT_ALERT)
    assert mail.recipient == "ops@office.example"
    assert "This mail is for Water Office, where no contact is registered" in mail.html


def test_what_nobody_could_be_told_is_told_when_there_is_someone(owner: Organisation) -> None:
    owner.contacts.all().delete()
    followed(owner, open_redis, 1)
    with installed(operators=()):
        assert alert_urgent(urgent(owner), day(1.1)) == 0
    contact(owner)
    assert alert_urgent(urgent(owner), day(1.2)) == 1


def test_a_round_that_was_not_followed_has_nothing_to_tell(owner: Organisation) -> None:
    this = a_round(owner)
    with pytest.raises(InputError, match="not followed yet"):
        tell_round(this.pk, day(1))


def test_a_retired_organisation_gets_no_report(owner: Organisation) -> None:
    this = followed(owner, open_redis, 1)
    Organisation.objects.filter(pk=owner.pk).update(retired_at=day(1))
    assert tell_round(this.pk, day(1.1)) == 0
    assert not Report.objects.exists()


def test_a_host_that_left_the_register_before_its_round_was_told_is_alerted_to_nobody(owner: Organisation) -> None:
    for number, answer in enumerate((open_redis, open_web)):
        followed(owner, answer, number)
    this = followed(owner, open_redis, 2)
    assert [each.check_id for each in urgent_of(this.pk)] == [REDIS]
    retire(owner, HOST)
    assert urgent_of(this.pk) == []
    tell_round(this.pk, day(2.1))
    assert mails(MessageKind.RECURRENCE) == []


def test_an_alert_is_repeated_once_when_attackers_begin_to_use_what_was_critical(owner: Organisation) -> None:
    followed(owner, open_redis, 1)
    finding = Finding.objects.get(check_id=REDIS)
    assert [alert_urgent([finding], day(1.1)) for _ in range(2)] == [1, 0]
    finding.known_exploited = True
    assert [alert_urgent([finding], day(2)) for _ in range(2)] == [1, 0]
    finding.known_exploited = False
    assert alert_urgent([finding], day(3)) == 0


def test_an_organisation_with_nothing_registered_gets_no_report(owner: Organisation) -> None:
    supervisor = unit("city")
    this = a_round(owner, 1)
    look(this, HOST, open_redis, 1)
    this.organisations.set([owner, supervisor])
    follow_round(this.pk, day(1.05))
    tell_round(this.pk, day(1.1))
    assert {each.organisation_id for each in mails(MessageKind.ROUND_REPORT)} == {owner.pk}
