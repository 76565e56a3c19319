"""Reports and notices: looked at, saved in every form, sent again, issued, answered and withdrawn."""

from __future__ import annotations

import datetime as dt
import io
import json
import zipfile
from threading import Event
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db.models import QuerySet

from scanner.accounts.roles import Role
from scanner.audit.models import Entry
from scanner.console.papers import LOCKED
from scanner.delivery.models import Message, Notice
from scanner.delivery.tell import drafted
from scanner.engine.catalogue.load import Language
from scanner.remediation.models import Exemption, ProofFile
from scanner.reports import downloads
from scanner.reports.models import Report, ReportFile
from scanner.reports.press import Press
from scanner.reports.query import report_model
from scanner.rounds.models import Plan, PlanKind, Round
from tests.console.house import House, account, client, noticed
from tests.delivery.office import finding, followed_round
from tests.rounds.prepared import within

PDF = b"%PDF-1.7 proof"


def said(answer: Any) -> str:
    return str(answer.content.decode())


def mails(house: House) -> QuerySet[Message]:
    """The mails that were written after the house was built."""
    return Message.objects.exclude(pk=house.mail.pk)


@pytest.fixture
def real(house: House) -> Report:
    """The house's report, as a round would have made it."""
    made = drafted(
        house.round, house.water, report_model(house.water, house.round, house.report.generated), Language.EN
    )
    Report.objects.filter(pk=house.report.pk).update(html=made.html, json=made.json, digest=made.digest)
    return Report.objects.get(pk=house.report.pk)


def test_a_report_is_looked_at_as_a_document_of_no_origin_and_saved_as_a_file(house: House) -> None:
    browser = house.browser(Role.UNIT_MANAGER)
    shown = browser.get(f"/reports/{house.report.pk}/view/")
    assert (shown.content, shown["Content-Type"]) == (b"<p>report</p>", "text/html; charset=utf-8")
    assert shown["Content-Security-Policy"] == LOCKED
    assert LOCKED.startswith("sandbox; default-src 'none'")
    assert "allow-" not in LOCKED

    kept = browser.get(f"/reports/{house.report.pk}/html/")
    assert kept.content == b"<p>report</p>"
    assert kept["Content-Disposition"] == f'attachment; filename="water-{house.round.pk}-en.html"'
    assert kept["Content-Type"] == "application/octet-stream"
    assert browser.get(f"/reports/{house.report.pk}/exe/").status_code == 404


def test_every_form_of_a_report_is_as_it_was_made(house: House, real: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downloads, "PRESS", Press(lambda page: b"%PDF-" + page.encode()[:20]))
    browser = house.browser(Role.UNIT_MANAGER)
    finding(house.water, host="192.0.2.77")
    got = {form: browser.get(f"/reports/{real.pk}/{form}/").content for form in ("pdf", "csv", "xlsx", "sarif", "json")}

    assert got["pdf"].startswith(b"%PDF-<!doctype")
    tables = zipfile.ZipFile(io.BytesIO(got["csv"]))
    stem = f"water-{house.round.pk}"
    assert tables.namelist() == [f"{stem}-findings.csv", f"{stem}-inventory.csv", f"{stem}-gaps.csv"]
    assert b"192.0.2.77" not in tables.read(f"{stem}-findings.csv"), "it was found later"
    assert zipfile.ZipFile(io.BytesIO(got["xlsx"])).testzip() is None
    assert len(json.loads(got["sarif"])["runs"][0]["results"]) == len(json.loads(got["json"])["findings"])
    assert sorted(ReportFile.objects.values_list("form", flat=True)) == ["pdf", "xlsx"], "what is dear is kept"
    Report.objects.update(json=b"")
    assert browser.get(f"/reports/{real.pk}/pdf/").content == got["pdf"]


def test_who_wants_a_pdf_while_it_is_made_is_told_what_to_do(
    house: House, real: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = Event()

    def make(_: str) -> bytes:
        go_on.wait(30)
        return b"%PDF-1.7"

    press = Press(make)
    monkeypatch.setattr(downloads, "PRESS", press)
    monkeypatch.setattr(press, "pdf", lambda key, page: Press.pdf(press, key, page, 0.01))
    browser = house.browser(Role.UNIT_MANAGER)
    waiting = browser.get(f"/reports/{real.pk}/pdf/")
    assert (waiting.status_code, waiting["Refresh"]) == (202, "3")
    assert "The PDF is being made" in said(waiting)

    other = Report.objects.create(
        organisation=house.library, round=house.round, language="en", generated=real.generated,
        html=real.html, json=real.json, digest=real.digest,
    )  # fmt: skip
    theirs = client(house.stranger).get(f"/reports/{other.pk}/pdf/")
    assert (theirs.status_code, theirs["Retry-After"]) == (503, "3")
    assert "one at a time" in said(theirs)

    go_on.set()
    assert within(30, lambda: browser.get(f"/reports/{real.pk}/pdf/").status_code == 200)
    assert browser.get(f"/reports/{real.pk}/pdf/").content == b"%PDF-1.7"
    assert client(house.stranger).get(f"/reports/{other.pk}/pdf/").content == b"%PDF-1.7"


def test_what_can_not_be_made_is_told_and_a_pruned_report_is_gone(house: House) -> None:
    browser = house.browser(Role.UNIT_MANAGER)
    assert "could not be done" in said(browser.get(f"/reports/{house.report.pk}/sarif/", follow=True))
    Report.objects.update(html=b"", json=b"")
    assert "Its content was removed" in said(browser.get(f"/reports/{house.report.pk}/"))
    for part in ("view", "html", "pdf"):
        assert browser.get(f"/reports/{house.report.pk}/{part}/").status_code == 404


def test_a_report_is_sent_again_to_who_gets_it_now_once_for_each_decision(house: House, real: Report) -> None:
    browser = house.browser(Role.OPERATOR)
    asked = browser.get(f"/reports/{real.pk}/send/")
    assert "security@water.example" in said(asked)
    assert not mails(house).exists()

    for _ in range(2):
        done = browser.post(f"/reports/{real.pk}/send/", {"known": "0"}, follow=True)
    assert "a moment ago" in said(done)
    mail = mails(house).get()
    assert (mail.recipient, mail.report, mail.kind) == ("security@water.example", real, "round-report")
    assert Entry.objects.get(action="report-sent-again").actor == "operator@office.example"
    browser.post(f"/reports/{real.pk}/send/", {"known": "1"})
    assert mails(house).count() == 2

    house.water.contacts.update(language="zh-Hans")
    browser.post(f"/reports/{real.pk}/send/", {"known": "2"})
    chinese = mails(house).get(language="zh-Hans")
    assert chinese.report is not None
    assert (chinese.report.language, chinese.report.generated) == ("zh-Hans", real.generated.replace(microsecond=0))


def test_a_notice_is_issued_as_it_was_previewed_and_withdrawn(house: House) -> None:
    browser, address = house.browser(Role.OPERATOR), "/notices/issue/?organisation=library&severity=high"
    shown = said(browser.get(address))
    assert "security@library.example" in shown
    assert f"/findings/{house.other.pk}/" in shown
    digest = shown.partition('name="agreed" value="')[2].partition('"')[0]
    wanted = {"organisation": "library", "severity": "high", "agreed": digest}
    late = finding(house.library, host="192.0.2.78")
    assert "has changed meanwhile" in said(browser.post("/notices/issue/", wanted))
    assert Notice.objects.count() == 1

    late.delete()
    answer = browser.post("/notices/issue/", wanted, follow=True)
    made = Notice.objects.get(organisation=house.library)
    assert f"Notice {made.number} is issued" in said(answer)
    assert (made.issued_by, made.posted is not None) == ("operator@office.example", True)
    assert mails(house).get().recipient == "security@library.example"
    assert "waits for a notice" in said(browser.get(address))

    browser.post(f"/notices/{made.pk}/withdraw/")
    made.refresh_from_db()
    assert (made.withdrawn_by, mails(house).get().state) == ("operator@office.example", "cancelled")


def test_a_notice_is_looked_at_and_saved_with_what_it_is_answered_with(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scanner.console.views.notices.PRESS", Press(lambda page: b"%PDF-" + page.encode()))
    browser, address = house.browser(Role.UNIT_MEMBER), f"/notices/{house.notice.pk}/en"
    shown = browser.get(f"{address}/view/")
    assert shown["Content-Security-Policy"] == LOCKED
    assert b"<p>notice</p>" in shown.content
    names = {
        "html": "notice-{}.html",
        "pdf": "notice-{}.pdf",
        "docx": "notice-{}.docx",
        "slip": "reply-slip-{}.docx",
        "form": "reply-form-{}.csv",
    }
    for form, name in names.items():
        got = browser.get(f"{address}/{form}/")
        assert got["Content-Disposition"] == f'attachment; filename="{name.format(house.notice.number)}"'
        assert got.content
    assert house.notice.documents.get(language="en").pdf, "it is made once"
    assert browser.get(f"{address}/exe/").status_code == 404
    assert browser.get(f"/notices/{house.notice.pk}/fr/html/").status_code == 404


def reply(house: House, role: Role, **fields: object) -> Any:
    item = house.notice.items.get()
    sent = {f"i{item.pk}-{name}": value for name, value in fields.items()}
    return house.browser(role).post(f"/notices/{house.notice.pk}/reply/", {"item": item.pk, **sent}, follow=True)


def test_a_member_answers_that_it_is_fixed_and_has_it_inspected_again(house: House) -> None:
    assert "Say what was done" in said(reply(house, Role.UNIT_MEMBER, answer="fixed"))
    proof = SimpleUploadedFile("after.pdf", PDF + b" of the fix")
    answer = reply(house, Role.UNIT_MEMBER, answer="fixed", told="A password is set.", proof=proof)

    assert "1 answer was taken over" in said(answer)
    assert "inspected again" in said(answer)
    assert "A password is set." in said(answer)
    house.finding.refresh_from_db()
    house.notice.refresh_from_db()
    assert (house.finding.state, house.notice.answered is not None) == ("claimed", True)
    assert Round.objects.get(kind="re-inspection").findings == [house.finding.pk]
    kept = house.notice.items.get().replies.get()
    assert (kept.by, kept.detail["proof"]) == ("unit-member@office.example", "after.pdf")
    assert list(house.finding.proofs.values_list("name", flat=True)) == ["before.pdf", "after.pdf"]
    assert Entry.objects.get(action="replies-imported").actor == "unit-member@office.example"


def test_a_manager_asks_to_accept_a_risk_with_reason_proof_and_end(house: House) -> None:
    wanted = {"answer": "accept", "told": "A new server is ordered.", "responsible": "Director Li"}
    assert "Say until when" in said(reply(house, Role.UNIT_MANAGER, **wanted))
    assert "This day is over" in said(reply(house, Role.UNIT_MANAGER, **wanted, until="2020-01-01"))
    until = (dt.datetime.now(dt.UTC) + dt.timedelta(days=60)).date()
    wrong = SimpleUploadedFile("proof.exe", b"MZ")
    refused = reply(house, Role.UNIT_MANAGER, **wanted, until=until.isoformat(), proof=wrong)
    assert "neither PDF" in said(refused)
    assert not house.finding.exemptions.exists()

    proof = SimpleUploadedFile("../../order.pdf", PDF + b" of the order")
    reply(house, Role.UNIT_MANAGER, **wanted, until=until.isoformat(), proof=proof)

    asked = Exemption.objects.get(finding=house.finding)
    assert (asked.state, asked.owner, asked.proof) == ("requested", "Director Li", "order.pdf")
    assert asked.until.date() == until
    file = ProofFile.objects.get(name="order.pdf")
    got = house.browser(Role.OPERATOR).get(f"/proofs/{file.pk}/")
    assert (got.content, got["Content-Type"]) == (PDF + b" of the order", "application/octet-stream")
    assert "attachment" in got["Content-Disposition"]
    assert client(house.stranger).get(f"/proofs/{file.pk}/").status_code == 404
    assert "Everything in this notice is answered" in said(
        house.browser(Role.UNIT_MANAGER).get(f"/notices/{house.notice.pk}/reply/")
    )


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, "No answer was chosen"),
        ({"told": "Something."}, "Choose an answer"),
        ({"answer": "accept", "told": "No."}, "Select a valid choice"),
        ({"answer": "nonsense", "told": "No."}, "Select a valid choice"),
    ],
)
def test_what_a_member_can_not_answer_is_refused_beside_its_field(
    house: House, fields: dict[str, str], told: str
) -> None:
    assert told in said(reply(house, Role.UNIT_MEMBER, **fields))
    assert not house.notice.items.get().replies.exists()


def test_nothing_outside_of_a_notice_is_answered_by_it(house: House) -> None:
    item = house.notice.items.get()
    foreign = item_of_another(house)
    house.browser(Role.UNIT_MEMBER).post(
        f"/notices/{house.notice.pk}/reply/",
        {"item": [foreign, item.pk], f"i{foreign}-answer": "fixed", f"i{foreign}-told": "x"},
    )
    house.other.refresh_from_db()
    assert house.other.state == "open"
    house.notice.withdrawn = house.notice.issued
    house.notice.save()
    assert reply(house, Role.UNIT_MEMBER, answer="fixed", told="x").status_code == 404


def item_of_another(house: House) -> int:
    """An item of another notice."""
    other, _ = noticed(house.other, house.notice.issued + dt.timedelta(hours=1))
    return other.items.get().pk


def test_a_request_takes_a_file_with_it(house: House) -> None:
    until = (dt.datetime.now(dt.UTC) + dt.timedelta(days=60)).date().isoformat()
    wanted = {"kind": "accepted", "reason": "x", "owner": "Li", "until": until, "proof": "Order 7"}
    address, browser = f"/findings/{house.finding.pk}/ask/", house.browser(Role.UNIT_MANAGER)
    for content in (b"MZ", b"", PDF + b"." * (10 * 1024 * 1024)):
        browser.post(address, {**wanted, "file": SimpleUploadedFile("order.pdf", content)})
        assert not house.finding.exemptions.exists()
    browser.post(address, {**wanted, "file": SimpleUploadedFile("order.pdf", PDF + b" of the order")})

    assert house.finding.exemptions.get().proof == "Order 7, order.pdf"
    assert "order.pdf" in said(house.browser(Role.OPERATOR).get(f"/findings/{house.finding.pk}/"))
    assert Entry.objects.filter(action="proof-kept", actor="unit-manager@office.example").count() == 1


NOVEMBER = {"since": "2026-11-01", "until": "2026-11-25"}


def test_a_supervisor_compares_its_units_with_and_without_names(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scanner.console.views.bulletins.PRESS", Press(lambda page: b"%PDF-" + page.encode()))
    browser, wanted = house.browser(Role.SUPERVISOR), {"organisation": "city", **NOVEMBER}
    assert f"/bulletins/{house.bulletin.pk}/view/" in said(browser.get("/bulletins/"))
    assert browser.get(f"/bulletins/{house.bulletin.pk}/html/").content == b"<p>report</p>"
    ready = said(browser.get("/bulletins/make/", wanted))
    assert "since=2026-11-01" in ready
    assert "Send it by mail" not in ready
    named = browser.get("/bulletins/make/view/", wanted)
    assert named["Content-Security-Policy"] == LOCKED
    assert "Water Office" in said(named)
    nameless = {**wanted, "anonymous": "on"}
    for form in ("html", "json", "pdf"):
        got = browser.get(f"/bulletins/make/{form}/", nameless)
        assert got["Content-Disposition"] == f'attachment; filename="bulletin-city-2026-11-25-without-names.{form}"'
        assert "Water Office" not in said(got)
    assert browser.post("/bulletins/make/", wanted).status_code == 403


@pytest.mark.parametrize(
    "changed",
    [
        {"organisation": ""},
        {"organisation": "water"},
        {"since": "2026-12-01"},
        {"since": "2199-01-01", "until": "2199-12-31"},
    ],
)
def test_a_bulletin_is_about_units_that_are_all_in_sight_and_days_that_were(
    house: House, changed: dict[str, str]
) -> None:
    wanted = {"organisation": "city", **NOVEMBER, **changed}
    browser = house.browser(Role.SUPERVISOR)
    assert browser.get("/bulletins/make/html/", wanted).status_code == 404
    assert "Look at" not in said(browser.get("/bulletins/make/", wanted))


def test_who_manages_a_supervising_organisation_alone_reads_nothing_of_its_units(house: House) -> None:
    browser = client(account("manager@city.example", Role.UNIT_MANAGER, house.city))
    assert browser.get(f"/bulletins/{house.bulletin.pk}/view/").status_code == 404
    assert browser.get("/bulletins/make/view/", {"organisation": "city", **NOVEMBER}).status_code == 404


def test_an_operator_sends_a_bulletin_once(house: House) -> None:
    browser, wanted = house.browser(Role.OPERATOR), {"organisation": "city", **NOVEMBER}
    assert "security@city.example" in said(browser.get("/bulletins/make/", wanted))
    assert "in the outbox for 1 address" in said(browser.post("/bulletins/make/", wanted, follow=True))
    assert "nothing was sent" in said(browser.post("/bulletins/make/", wanted, follow=True))
    assert mails(house).get().recipient == "security@city.example"


def test_campaigns_show_how_they_get_on_to_who_takes_part(house: House) -> None:
    plan = Plan.objects.create(
        name="no-redis", kind=PlanKind.CAMPAIGN, profile="quick", ports="6379", created=house.notice.issued
    )
    this = followed_round(house.water, of=plan, at=dt.datetime.now(dt.UTC))
    for number, state in enumerate(("open", "fixed")):
        gone = {"fixed": house.notice.issued} if state == "fixed" else {}
        finding(house.water, seen_in=this, host=f"192.0.2.{90 + number}", state=state, **gone)
    shown = said(house.browser(Role.UNIT_MEMBER).get("/bulletins/"))
    assert "1 of 2 findings proven fixed" in shown
    assert "Hosts inspected in the newest round: 1 of 1. Rounds: 1." in shown
    assert "no-redis" not in said(client(house.stranger).get("/bulletins/"))
