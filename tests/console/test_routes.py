"""Who gets which page: every address, as every role, and as somebody of another unit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from scanner.accounts.roles import Role
from scanner.api.models import Token
from scanner.audit.models import Entry as AuditEntry
from scanner.console.urls import ROUTES
from scanner.console.views import system
from scanner.webhooks.models import Webhook
from tests.console.house import House, client

ADMIN, OPERATOR, AUDITOR = Role.ADMINISTRATOR, Role.OPERATOR, Role.AUDITOR
SUPERVISOR, MANAGER, MEMBER = Role.SUPERVISOR, Role.UNIT_MANAGER, Role.UNIT_MEMBER
OFFICE = frozenset({ADMIN, OPERATOR, AUDITOR})
ALL = frozenset(Role)

OPEN, OWN = "anybody", "anybody who is signed in"


@dataclass(frozen=True)
class Entry:
    """Who may look at a page, and who may send its form. None: the page does not take that.

    ``mine`` marks pages about a row of the water office: somebody of the library gets 404 there, whatever their role.
    """

    look: frozenset[Role] | str | None
    send: frozenset[Role] | str | None = None
    mine: bool = False


CHOSEN = ("findings/claim/", "findings/assign/", "findings/decide/", "findings/reopen/")
TICKED = ("targets/change/", "targets/retire/", "targets/check/")
"""Pages about what was ticked in a list."""

OPERATE = frozenset({ADMIN, OPERATOR})
CLAIM = frozenset({ADMIN, OPERATOR, MANAGER, MEMBER})
ADMINISTER = frozenset({ADMIN})
KEEP = frozenset({ADMIN, OPERATOR, MANAGER})
CLAIM = frozenset({ADMIN, OPERATOR, MANAGER, MEMBER})
TABLE: dict[str, Entry] = {
    "asset": Entry(OPEN),
    "language": Entry(None, OPEN),
    "invitation": Entry(OPEN, OPEN),
    "account_login": Entry(OPEN, OPEN),
    "account_logout": Entry(OPEN, OPEN),
    "account_inactive": Entry(OPEN),
    "account_reauthenticate": Entry(OWN, OWN),
    "account_change_password": Entry(OWN, OWN),
    "mfa_index": Entry(OWN),
    "mfa_authenticate": Entry(OPEN, OPEN),
    "mfa_reauthenticate": Entry(OWN, OWN),
    "mfa_activate_totp": Entry(OWN, OWN),
    "mfa_deactivate_totp": Entry(OWN, OWN),
    "mfa_view_recovery_codes": Entry(OWN),
    "mfa_generate_recovery_codes": Entry(OWN, OWN),
    "mfa_download_recovery_codes": Entry(OWN),
    "mfa_list_webauthn": Entry(OWN),
    "mfa_add_webauthn": Entry(OWN, OWN),
    "mfa_reauthenticate_webauthn": Entry(OWN, OWN),
    "mfa_edit_webauthn": Entry(OWN, OWN),
    "mfa_remove_webauthn": Entry(OWN, OWN),
    "sign-on": Entry(None, OPEN),
    "sign-on-back": Entry(OPEN),
    "socialaccount_login_cancelled": Entry(OPEN),
    "sign-on-again": Entry(OWN),
    "sign-on-link": Entry(None, OWN),
    "sign-on-unlink": Entry(None, OWN),
    "usersessions_list": Entry(OWN, OWN),
    "account": Entry(OWN),
    "tokens": Entry(OWN),
    "add-token": Entry(OWN, OWN),
    "revoke-token": Entry(OPERATE, OPERATE),
    "overview": Entry(ALL),
    "first-steps": Entry(None, OPERATE),
    "organisations": Entry(ALL),
    "organisation": Entry(ALL, mine=True),
    "bulletins": Entry(ALL),
    "make-bulletin": Entry(ALL, OPERATE),
    "made-bulletin": Entry(OFFICE | {SUPERVISOR}),
    "bulletin": Entry(OFFICE | {SUPERVISOR}, mine=True),
    "add-organisation": Entry(OPERATE, OPERATE),
    "change-organisation": Entry(OPERATE, OPERATE, mine=True),
    "retire-organisation": Entry(OPERATE, OPERATE, mine=True),
    "bring-back-organisation": Entry(OPERATE, OPERATE, mine=True),
    "zones": Entry(OFFICE),
    "add-zone": Entry(OPERATE, OPERATE),
    "change-zone": Entry(OPERATE, OPERATE),
    "targets": Entry(ALL),
    "target": Entry(ALL, mine=True),
    "change-target": Entry(OPERATE, OPERATE, mine=True),
    "add-targets": Entry(OPERATE, OPERATE),
    "change-targets": Entry(OPERATE, OPERATE, mine=True),
    "retire-targets": Entry(OPERATE, OPERATE, mine=True),
    "check-targets": Entry(OPERATE, OPERATE, mine=True),
    "import": Entry(OPERATE, OPERATE),
    "import-draft": Entry(OPERATE, OPERATE),
    "authorisations": Entry(ALL),
    "authorisation": Entry(ALL, OPERATE, mine=True),
    "end-authorisation": Entry(OPERATE, OPERATE, mine=True),
    "add-authorisation": Entry(OPERATE, OPERATE),
    "authorisation-file": Entry(ALL, mine=True),
    "exclusions": Entry(ALL),
    "add-exclusion": Entry(OPERATE, OPERATE),
    "end-exclusion": Entry(OPERATE, OPERATE, mine=True),
    "proposals": Entry(ALL),
    "add-proposal": Entry(KEEP, KEEP),
    "proposal": Entry(ALL, mine=True),
    "approve-proposal": Entry(OPERATE, OPERATE, mine=True),
    "decline-proposal": Entry(OPERATE, OPERATE, mine=True),
    "withdraw-proposal": Entry(None, KEEP, mine=True),
    "add-contact": Entry(KEEP, KEEP, mine=True),
    "change-contact": Entry(KEEP, KEEP, mine=True),
    "remove-contact": Entry(KEEP, KEEP, mine=True),
    "findings": Entry(ALL),
    "claim-findings": Entry(CLAIM, CLAIM),
    "assign-findings": Entry(CLAIM, CLAIM),
    "decide-findings": Entry(OPERATE, OPERATE),
    "reopen-findings": Entry(OPERATE, OPERATE),
    "keep-view": Entry(None, ALL),
    "remove-view": Entry(None, ALL),
    "finding": Entry(ALL, mine=True),
    "compare": Entry(ALL, mine=True),
    "assign": Entry(None, CLAIM, mine=True),
    "comment": Entry(None, CLAIM, mine=True),
    "claim": Entry(None, CLAIM, mine=True),
    "ask": Entry(frozenset({ADMIN, OPERATOR, MANAGER}), frozenset({ADMIN, OPERATOR, MANAGER}), mine=True),
    "decide": Entry(None, OPERATE, mine=True),
    "reopen": Entry(None, OPERATE, mine=True),
    "reports": Entry(ALL),
    "report": Entry(ALL, mine=True),
    "view-report": Entry(ALL, mine=True),
    "send-report": Entry(OPERATE, OPERATE, mine=True),
    "download-report": Entry(ALL, mine=True),
    "proof": Entry(ALL, mine=True),
    "notices": Entry(ALL),
    "issue-notice": Entry(OPERATE, OPERATE),
    "notice": Entry(ALL, mine=True),
    "reply": Entry(CLAIM, CLAIM, mine=True),
    "withdraw-notice": Entry(OPERATE, OPERATE, mine=True),
    "view-notice": Entry(ALL, mine=True),
    "download-notice": Entry(ALL, mine=True),
    "plans": Entry(OFFICE),
    "plan": Entry(OFFICE),
    "add-plan": Entry(OPERATE, OPERATE),
    "change-plan": Entry(OPERATE, OPERATE),
    "pause-plan": Entry(None, OPERATE),
    "resume-plan": Entry(None, OPERATE),
    "run-plan": Entry(None, OPERATE),
    "remove-plan": Entry(OPERATE, OPERATE),
    "rounds": Entry(OFFICE),
    "new-round": Entry(OPERATE, OPERATE),
    "round": Entry(OFFICE),
    "round-progress": Entry(OFFICE),
    "pause-round": Entry(None, OPERATE),
    "resume-round": Entry(None, OPERATE),
    "cancel-round": Entry(OPERATE, OPERATE),
    "mails": Entry(OFFICE),
    "mail": Entry(OFFICE),
    "mail-content": Entry(OFFICE),
    "mail-files": Entry(OFFICE),
    "mail-file": Entry(OFFICE),
    "retry-mails": Entry(OPERATE, OPERATE),
    "cancel-mails": Entry(OPERATE, OPERATE),
    "try-mail": Entry(OPERATE, OPERATE),
    "system": Entry(OFFICE),
    "doctor": Entry(OFFICE, OFFICE),
    "audit": Entry(OFFICE),
    "audit-entry": Entry(OFFICE),
    "verify-audit": Entry(OFFICE, OFFICE),
    "all-tokens": Entry(ADMINISTER),
    "webhooks": Entry(OFFICE),
    "add-webhook": Entry(ADMINISTER, ADMINISTER),
    "webhook": Entry(OFFICE),
    "test-webhook": Entry(None, ADMINISTER),
    "retry-webhook": Entry(None, ADMINISTER),
    "rotate-webhook": Entry(ADMINISTER, ADMINISTER),
    "remove-webhook": Entry(ADMINISTER, ADMINISTER),
    "stop": Entry(OPERATE, OPERATE),
    "mail-server": Entry(ADMINISTER, ADMINISTER),
    "test-mail": Entry(None, ADMINISTER),
    "no-mail-server": Entry(ADMINISTER, ADMINISTER),
    "people": Entry(ADMINISTER),
    "invite": Entry(ADMINISTER, ADMINISTER),
    "account-of": Entry(ADMINISTER, ADMINISTER),
    "take-role": Entry(ADMINISTER, ADMINISTER),
    "change-access": Entry(ADMINISTER, ADMINISTER),
}


def patterns(resolver: URLResolver | None = None, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every address of the site with its name."""
    for each in (resolver or get_resolver("scanner.console.urls")).url_patterns:
        if isinstance(each, URLResolver):
            yield from patterns(each, prefix + str(each.pattern))
        elif isinstance(each, URLPattern):
            yield each.name or "", prefix + str(each.pattern)


def address(pattern: str, house: House) -> str:
    """The address of the water office's row of which this can be done, or of whatever fits."""
    membership = house.users[OPERATOR].memberships.get()
    number = {
        "findings": (house.asked if "decide" in pattern else house.exempt if "reopen" in pattern else house.finding).pk,
        "targets": house.target.pk,
        "import": house.draft.pk,
        "authorisations": (house.file if "files" in pattern else house.authorisation).pk,
        "exclusions": house.exclusion.pk,
        "contacts": house.contact.pk,
        "plans": house.plan.pk,
        "mails": house.mail.pk,
        "account": Token.objects.get().pk,
        "system": Webhook.objects.get().pk if "webhooks" in pattern else AuditEntry.objects.order_by("pk")[0].pk,
        "rounds": house.round.pk,
        "reports": house.report.pk,
        "notices": house.notice.pk,
        "proofs": house.proof.pk,
        "proposals": house.proposals["withdraw" if "withdraw" in pattern else "decide"].pk,
        "bulletins": house.bulletin.pk,
        "people": house.users[OPERATOR].pk,
        "zones": house.target.zone_id,
    }.get(pattern.split("/")[0], 0)
    values = {
        "<int:number>": number,
        "<int:held>": membership.pk,
        "<int:part>": 0,
        "<int:pk>": 0,
        "<str:name>": "none",
        "<slug:slug>": "water",
        "<slug:form>": "html",
        "<slug:act>": "forget-factor",
        "<slug:language>": "en",
        "<slug:digest>": "none",
        "<slug:token>": "none",
    }
    if pattern.endswith("/bring-back/"):
        values["<slug:slug>"] = house.retired.slug
    if pattern.endswith("<slug:slug>/retire/"):
        values["<slug:slug>"] = "city"  # as the water office is needed further on
    for name, value in values.items():
        pattern = pattern.replace(name, str(value))
    if "bulletins/make/" in pattern:
        pattern += "?organisation=city&since=2026-11-01&until=2026-11-25"
    ticked = f"?target={house.target.pk}" if pattern in TICKED else ""
    ticked = f"?finding={house.finding.pk}" if pattern in CHOSEN else ticked
    return f"/{pattern}{ticked}"


def let_in(browser: Client, method: str, where: str) -> bool:
    """Tell whether the door opened: what is shown, or done, behind it may still be refused for what was sent."""
    answer = browser.get(where) if method == "look" else browser.post(where, {})
    refused = answer.status_code in (403, 404, 405)
    to_sign_in = answer.status_code == 302 and answer["Location"].startswith("/account/sign-in/")
    return not refused and not to_sign_in


ADDRESSES = dict(patterns())


def test_every_address_has_an_entry_and_every_entry_an_address() -> None:
    assert set(ADDRESSES) == set(TABLE)
    assert "" not in ADDRESSES


def test_what_asks_once_more_who_it_is_leads_back_to_a_page_that_asks_as_well() -> None:
    fresh = {route.name: route for route in ROUTES if route.fresh}
    assert {"mail-server", "test-mail", "add-token", "add-webhook"} <= set(fresh)
    without_page = [route for route in fresh.values() if not route.shows]
    assert [route.name for route in without_page if not fresh[route.back].shows] == []
    assert [route.name for route in ROUTES if route.back and route not in without_page] == []


@pytest.fixture(autouse=True)
def quick_doctor(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the doctor looks at is tested with the doctor."""
    monkeypatch.setattr(system, "examine", lambda now: [])


@pytest.mark.parametrize("role", list(Role))
def test_a_role_gets_its_pages_and_no_other(house: House, role: Role) -> None:
    wrong = []
    addresses = {name: address(pattern, house) for name, pattern in ADDRESSES.items()}
    for name, entry in TABLE.items():
        where = addresses[name]
        for method, allowed in (("look", entry.look), ("send", entry.send)):
            if isinstance(allowed, frozenset) and let_in(house.browser(role), method, where) != (role in allowed):
                wrong.append((name, method))
    assert wrong == []


@pytest.mark.parametrize("name", [name for name, entry in TABLE.items() if entry.mine])
def test_somebody_of_another_unit_finds_nothing_and_does_nothing(house: House, name: str) -> None:
    where = address(ADDRESSES[name], house)
    browser = client(house.stranger)

    assert browser.get(where).status_code in (403, 404, 405)
    assert browser.post(where, {}).status_code in (403, 404, 405)
    house.finding.refresh_from_db()
    assert house.finding.state == "open"
    assert list(house.asked.exemptions.values_list("state", flat=True)) == ["requested"]
    assert list(house.exempt.exemptions.values_list("state", flat=True)) == ["granted"]


def test_lists_show_a_unit_its_own_rows_alone(house: House) -> None:
    mine, theirs = house.browser(MEMBER), client(house.stranger)

    for where in ("/findings/?state=", "/organisations/"):
        assert "City Library" not in mine.get(where).content.decode()
        assert "Water Office" not in theirs.get(where).content.decode()
    assert f"/findings/{house.other.pk}/" not in mine.get("/findings/").content.decode()
    assert f"/findings/{house.finding.pk}/" in mine.get("/findings/").content.decode()


def test_a_supervisor_sees_the_units_below_and_does_nothing_to_them(house: House) -> None:
    browser = house.browser(SUPERVISOR)

    page = browser.get("/organisations/").content.decode()
    assert all(name in page for name in ("Example City", "Water Office", "City Library"))
    assert browser.post(f"/findings/{house.finding.pk}/claim/").status_code == 403


def test_nobody_gets_past_the_entrance(house: House) -> None:
    browser = house.browser(None)
    for name, entry in TABLE.items():
        where = address(ADDRESSES[name], house)
        if OPEN not in (entry.look, entry.send):
            assert not let_in(browser, "look", where), name
            assert not let_in(browser, "send", where), name


def test_an_account_without_a_role_sees_itself_and_nothing_else(house: House) -> None:
    from tests.console.house import account

    browser = client(account("new@office.example", None))

    assert browser.get("/account/").status_code == 200
    assert browser.get("/").status_code == 403
    assert browser.get("/findings/").status_code == 403
