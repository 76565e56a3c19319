"""What pages say, and that what comes from hosts and people stays text."""

from __future__ import annotations

import ast
import datetime as dt
import re
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import get_resolver

from scanner.accounts.models import User
from scanner.accounts.roles import Role
from scanner.api.models import Token
from scanner.audit.models import Entry
from scanner.console.middleware import POLICY
from scanner.console.views.mails import FRAMING
from scanner.delivery.models import Notice
from scanner.installation import ROOT
from scanner.rounds.models import Round
from scanner.webhooks.models import Webhook
from targets.models import Organisation
from tests.console.house import House, account, client
from tests.delivery.office import contact, finding, unit
from tests.pages.test_valid import complaints
from tests.reports.sample import HOSTILE

MOST_QUERIES = 15

FRAME = '<iframe class="letter" sandbox '
"""What shows a mail: it may do nothing, as the mail in it may not by its own policy."""

LARGEST = 100_000
"""Bytes of a page."""


def pages(house: House) -> dict[str, str]:
    operator = house.users[Role.OPERATOR]
    return {
        "overview": "/",
        "organisations": "/organisations/",
        "search": "/organisations/?q=water",
        "organisation": "/organisations/water/",
        "supervisor": "/organisations/city/",
        "add organisation": "/add-organisation/?below=city",
        "change organisation": "/organisations/water/change/",
        "retire organisation": "/organisations/water/retire/",
        "bring organisation back": f"/organisations/{house.retired.slug}/bring-back/",
        "zones": "/zones/",
        "add zone": "/zones/add/",
        "change zone": f"/zones/{house.target.zone_id}/change/",
        "targets": "/targets/?q=192&zone=internet&tag=dmz",
        "target": f"/targets/{house.target.pk}/",
        "change target": f"/targets/{house.target.pk}/change/",
        "add targets": "/targets/add/?of=water",
        "change targets": f"/targets/change/?target={house.target.pk}",
        "retire targets": f"/targets/retire/?target={house.target.pk}",
        "check targets": f"/targets/check/?target={house.target.pk}",
        "authorisations": "/authorisations/?organisation=water&state=",
        "authorisation": f"/authorisations/{house.authorisation.pk}/",
        "end authorisation": f"/authorisations/{house.authorisation.pk}/end/",
        "add authorisation": "/authorisations/add/?of=water",
        "exclusions": "/exclusions/?q=192&organisation=water",
        "add exclusion": "/exclusions/add/",
        "end exclusion": f"/exclusions/{house.exclusion.pk}/end/",
        "add contact": "/organisations/water/contacts/add/",
        "change contact": f"/contacts/{house.contact.pk}/change/",
        "remove contact": f"/contacts/{house.contact.pk}/remove/",
        "plans": "/plans/?days=31",
        "plan": f"/plans/{house.plan.pk}/",
        "add plan": "/plans/add/",
        "change plan": f"/plans/{house.plan.pk}/change/",
        "remove plan": f"/plans/{house.plan.pk}/remove/",
        "import": "/import/",
        "import draft": f"/import/{house.draft.pk}/",
        "findings": "/findings/?overdue=on&q=192.0.2&severity=critical&organisation=water",
        "finding": f"/findings/{house.finding.pk}/",
        "assigned": f"/findings/?assignee=me&organisation=water&state={house.finding.state}",
        "claim findings": f"/findings/claim/?finding={house.finding.pk}&finding={house.exempt.pk}",
        "assign findings": f"/findings/assign/?every=on&organisation=water&severity={house.finding.severity}",
        "decide findings": "/findings/decide/?every=on&asked=on",
        "reopen findings": f"/findings/reopen/?finding={house.exempt.pk}",
        "compare": f"/findings/{house.finding.pk}/compare/",
        "asked": f"/findings/{house.asked.pk}/",
        "exempt": f"/findings/{house.exempt.pk}/",
        "ask": f"/findings/{house.finding.pk}/ask/",
        "reports": "/reports/?organisation=water&round=1",
        "report": f"/reports/{house.report.pk}/",
        "send report": f"/reports/{house.report.pk}/send/",
        "notices": "/notices/?organisation=water&state=open",
        "notice": f"/notices/{house.notice.pk}/",
        "reply": f"/notices/{house.notice.pk}/reply/",
        "issue notice": "/notices/issue/?organisation=library&severity=low",
        "withdraw notice": f"/notices/{house.notice.pk}/withdraw/",
        "bulletins": "/bulletins/",
        "make bulletin": "/bulletins/make/?organisation=city&since=2026-11-01&until=2026-11-25",
        "proposals": "/proposals/?organisation=water&state=waiting",
        "proposal": f"/proposals/{house.proposals['decide'].pk}/",
        "add proposal": "/proposals/add/?of=water",
        "approve proposal": f"/proposals/{house.proposals['decide'].pk}/approve/",
        "decline proposal": f"/proposals/{house.proposals['decide'].pk}/decline/",
        "rounds": "/rounds/",
        "round": f"/rounds/{house.round.pk}/",
        "new round": "/rounds/new/?of=water",
        "mails": "/mails/?state=dead&kind=reminder&organisation=water",
        "mail": f"/mails/{house.mail.pk}/",
        "mail files": f"/mails/{house.mail.pk}/files/",
        "retry mails": "/mails/retry/?dead=on",
        "cancel mails": f"/mails/cancel/?mail={house.mail.pk}",
        "test mail": "/mails/test/",
        "system": "/system/",
        "doctor": "/system/doctor/",
        "audit": "/system/audit/?actor=tests&action=account-added&subject=account&since=2020-01-01&until=2099-01-01",
        "audit entry": f"/system/audit/{Entry.objects.earliest('pk').pk}/",
        "verify": "/system/audit/verify/",
        "all tokens": "/system/tokens/?q=board",
        "webhooks": "/system/webhooks/",
        "webhook": f"/system/webhooks/{Webhook.objects.get().pk}/",
        "add webhook": "/system/webhooks/add/",
        "rotate webhook": f"/system/webhooks/{Webhook.objects.get().pk}/rotate/",
        "remove webhook": f"/system/webhooks/{Webhook.objects.get().pk}/remove/",
        "tokens": "/account/tokens/",
        "add token": "/account/tokens/add/",
        "revoke token": f"/account/tokens/{Token.objects.get().pk}/revoke/",
        "stop": "/stop/",
        "mail server": "/settings/mail/",
        "no mail server": "/settings/mail/none/",
        "people": "/people/",
        "invite": "/people/invite/",
        "person": f"/people/{operator.pk}/",
        "take role": f"/people/{operator.pk}/roles/{operator.memberships.get().pk}/take/",
        "end account": f"/people/{operator.pk}/end/",
        "forget factor": f"/people/{operator.pk}/forget-factor/",
        "unlink": f"/people/{operator.pk}/unlink/",
        "account": "/account/",
        "sessions": "/account/sessions/",
        "second factor": "/account/second-factor/",
        "once more": "/account/second-factor/reauthenticate/",
    }


def in_language(user: User, language: str) -> Client:
    User.objects.filter(pk=user.pk).update(language=language)
    return client(User.objects.get(pk=user.pk))


@pytest.mark.parametrize("language", ["en", "zh-Hans"])
def test_every_page_is_small_has_a_title_and_a_heading_and_asks_the_database_little(
    house: House, language: str
) -> None:
    for number in range(12):
        owner = unit(f"unit-{number}", parent=house.water, english=f"Unit {number}")
        finding(owner, seen_in=house.round)
        contact(owner, "leader")
        house.round.organisations.add(owner)
        account(f"member@unit-{number}.example", Role.UNIT_MEMBER, owner, factor=False)
    browser = in_language(house.users[Role.ADMINISTRATOR], language)
    much = {}
    for name, address in pages(house).items():
        with CaptureQueriesContext(connection) as asked:
            answer = browser.get(address)
        html = answer.content.decode()
        assert answer.status_code == 200, name
        assert html.count("<h1") == 1, name
        assert f'<html lang="{language}">' in html
        assert re.search(r"<title>.+ · Roundsman</title>", html), name
        assert len(answer.content) < LARGEST, name
        if len(asked) > MOST_QUERIES:
            much[name] = len(asked)
    assert much == {}


def test_who_has_one_organisation_reads_the_times_of_its_clocks(house: House) -> None:
    Organisation.objects.filter(pk=house.water.pk).update(time_zone="America/New_York")
    for path in ("/findings/", "/targets/", "/account/"):
        assert "New_York" in house.browser(Role.UNIT_MEMBER).get(path).content.decode()
        assert "New_York" not in house.browser(Role.OPERATOR).get(path).content.decode()


@pytest.mark.parametrize("path", ["/authorisations/", "/exclusions/", "/plans/"])
def test_on_a_phone_each_cell_of_a_list_is_a_line_that_is_in_sight(house: House, path: str) -> None:
    html = house.browser(Role.OPERATOR).get(path).content.decode()
    assert '<table class="rows roomy stack">' in html
    assert "data-label=" in html


def test_lists_about_several_write_days_as_each_organisation_has_them(house: House) -> None:
    end = dt.datetime(2030, 3, 2, 5, tzinfo=dt.UTC)  # of 1 March in New York
    Organisation.objects.filter(pk=house.water.pk).update(time_zone="America/New_York")
    house.water.findings.update(deadline=end - dt.timedelta(seconds=1))
    Notice.objects.update(answer_by=end)
    house.water.authorisations.update(valid_until=end)
    house.water.exclusions.update(until=end)
    for path in ("/findings/", "/notices/", "/authorisations/", "/exclusions/"):
        html = house.browser(Role.OPERATOR).get(f"{path}?organisation=water").content.decode()
        assert "1 Mar 2030" in html, path
        assert "2 Mar 2030" not in html, path


@pytest.mark.slow
@pytest.mark.lab
def test_every_page_is_valid(house: House, tmp_path: Path) -> None:
    """By the Nu Html Checker of the W3C. Where a browser knows no dates, it offers a field of text, which will do."""
    Round.objects.filter(pk=house.round.pk).update(state="running", followed=None)
    watched = {"watched round": f"/rounds/{house.round.pk}/?watch=on"}
    for language in ("en", "zh-Hans"):
        browser = in_language(house.users[Role.ADMINISTRATOR], language)
        for name, address in (pages(house) | watched).items():
            (tmp_path / f"{name.replace(' ', '-')}-{language}.html").write_bytes(browser.get(address).content)
        nobody = Client(headers={"accept-language": language})
        (tmp_path / f"sign-in-{language}.html").write_bytes(nobody.get("/account/sign-in/").content)
        (tmp_path / f"nowhere-{language}.html").write_bytes(nobody.get("/nowhere/").content)
    assert [each for each in complaints(tmp_path) if "The “date” input type" not in each] == []


def test_no_page_runs_a_script_or_styles_itself_or_loads_from_elsewhere(house: House) -> None:
    browser = house.browser(Role.ADMINISTRATOR)
    for name, address in pages(house).items():
        answer = browser.get(address)
        html = answer.content.decode()
        assert answer["Content-Security-Policy"] == (FRAMING if name == "mail" else POLICY)
        assert "unsafe" not in answer["Content-Security-Policy"]
        html = html.replace(FRAME, "")
        assert not re.search(r"<script|<iframe|<object|<embed|<style|\sstyle=|\son[a-z]+=|javascript:", html), name
        assert not re.search(r'(?:src|href|action)="(?:https?:)?//', html), name
        assert answer["Cache-Control"] == "no-store"
        assert answer["X-Content-Type-Options"] == "nosniff"
        assert answer["X-Frame-Options"] == "DENY"
        assert answer["Referrer-Policy"] == "same-origin"
        assert answer["Cross-Origin-Opener-Policy"] == "same-origin"


def test_the_one_style_sheet_is_kept_by_browsers_under_an_address_of_its_content(house: House) -> None:
    browser = house.browser(None)
    (address,) = re.findall(r'<link rel="stylesheet" href="([^"]+)"', browser.get("/account/sign-in/").content.decode())
    answer = browser.get(address)
    assert "immutable" in answer["Cache-Control"]
    assert answer["Content-Type"].startswith("text/css")
    assert not re.search(r"@import|url\(", answer.content.decode())


def test_what_hosts_and_people_say_stays_text(house: House) -> None:
    exchanges = [{"sent": HOSTILE, "received": HOSTILE, "at": "2026-11-26T00:00:00Z"}]
    row = finding(house.water, host="192.0.2.66", params=[["version", HOSTILE]], exchanges=exchanges)
    house.water.name_en = "<script>alert(1)</script>"
    house.water.save()
    User.objects.update(name="<b onmouseover=alert(1)>")
    browser = house.browser(Role.ADMINISTRATOR)
    for address in (f"/findings/{row.pk}/", "/findings/", "/organisations/", "/organisations/water/", "/people/", "/"):
        html = browser.get(address).content.decode()
        assert not re.search(r"<script|<b onmouseover|\x1b|\u202e", html), address


def test_a_search_shows_what_was_searched_for_as_text(house: House) -> None:
    html = house.browser(Role.OPERATOR).get("/organisations/", {"q": '"><script>x</script>'}).content.decode()
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    assert "No organisation fits" in html


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/nowhere/", 404),
        ("/findings/999999/", 404),
        ("/organisations/%00/", 404),
        ("/findings/?page=x&state=zzz&severity=0&organisation=%27", 200),
        ("/findings/?q=%00%E2%80%AE", 200),
        ("/findings/?organisation=%00&assignee=%00&view=%00", 200),
        ("/findings/99999999999999999999999/", 404),
        ("/rounds/?page=-1", 200),
        ("/mails/?state=%00&kind=%27&organisation=%E2%80%AE&page=-1", 200),
        ("/mails/99999999999999999999999/content/html/", 404),
        ("/system/audit/?actor=%00&action=%27&since=%E2%80%AE&page=x", 200),
    ],
)
def test_odd_addresses_get_a_page_of_ours(house: House, address: str, status: int) -> None:
    answer = house.browser(Role.OPERATOR).get(address)
    assert answer.status_code == status
    assert "Roundsman</title>" in answer.content.decode()


def test_a_form_from_elsewhere_changes_nothing(house: House) -> None:
    strict = Client(enforce_csrf_checks=True, headers={"accept-language": "en"})
    strict.force_login(house.users[Role.OPERATOR])
    answer = strict.post("/stop/", {"act": "stop"})
    assert answer.status_code == 403
    assert "no longer valid" in answer.content.decode()


def test_a_host_that_is_not_ours_is_refused(house: House) -> None:
    answer = house.browser(None).get("/account/sign-in/", headers={"host": "evil.example"})
    assert answer.status_code == 400


def test_an_error_of_ours_shows_a_page_that_says_nothing_of_it(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = house.browser(Role.OPERATOR)
    browser.raise_request_exception = False
    monkeypatch.setattr("scanner.console.views.overview.overall", lambda *_: 1 / 0)
    answer = browser.get("/")
    assert answer.status_code == 500
    assert "Something went wrong" in answer.content.decode()
    assert "division" not in answer.content.decode()


def test_a_unit_s_first_page_is_its_own_and_shows_how_it_stands(house: House) -> None:
    browser = house.browser(Role.UNIT_MEMBER)
    assert browser.get("/").headers["Location"] == "/organisations/water/"
    html = browser.get("/organisations/water/").content.decode()
    assert f"/findings/{house.finding.pk}/" in html
    assert "Rounds</a>" not in html
    assert f"/reports/{house.report.pk}/" in html


def test_the_overview_names_what_needs_somebody(house: House) -> None:
    html = house.browser(Role.OPERATOR).get("/").content.decode()
    for need in (
        "new critical findings",
        "1 request to decide",
        "2 proposals of targets to decide",
        "1 overdue finding",
    ):
        assert need in html


def test_pages_reach_rows_through_the_sight_alone() -> None:
    """No view asks a manager, which would answer with everybody's rows."""
    own_account = {f"scanner/console/{name}.py" for name in ("keys", "views/entry", "views/people")}
    found = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "scanner" / "console").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("objects", "_default_manager")
    }
    assert found <= own_account


def test_all_templates_are_used_and_none_is_missing() -> None:
    folder = ROOT / "scanner" / "console" / "templates"
    sources = [
        path.read_text(encoding="utf-8")
        for path in (ROOT / "scanner" / "console").rglob("*")
        if path.suffix in (".py", ".html")
    ]
    of_allauth = ("account/", "mfa/", "usersessions/", "429.html")
    for path in folder.rglob("*.html"):
        name = str(path.relative_to(folder))
        assert name.startswith(of_allauth) or any(f'"{name}"' in each for each in sources), name
    assert get_resolver().urlconf_name == "scanner.urls"


def test_the_console_has_no_loose_ends() -> None:
    """Each link and form of a template names a route that exists; each route is named by a template or a view."""
    names = {name for name in get_resolver().reverse_dict if isinstance(name, str)}
    text = "".join(
        Path(path).read_text(encoding="utf-8") for path in (ROOT / "scanner" / "console" / "templates").rglob("*.html")
    )
    named = set(re.findall(r"url\('([a-z_-]+)'|p\.to\('([a-z_-]+)'", text))
    assert {first or second for first, second in named} <= names
