"""Who gets which route: every one, with every role's token, without its scope, and as somebody of another unit."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from ninja.operation import Operation

from scanner.accounts.roles import Role
from scanner.api.door import Bearer
from scanner.api.scopes import Scope
from scanner.api.site import SITE, document
from scanner.delivery.models import Message
from scanner.installation import ROOT
from tests.api.programs import AT, Programs
from tests.console.house import House, account

ADMIN, OPERATOR, AUDITOR = Role.ADMINISTRATOR, Role.OPERATOR, Role.AUDITOR
SUPERVISOR, MANAGER, MEMBER = Role.SUPERVISOR, Role.UNIT_MANAGER, Role.UNIT_MEMBER
ALL = frozenset(Role)
OFFICE = frozenset({ADMIN, OPERATOR, AUDITOR})
OPERATE = frozenset({ADMIN, OPERATOR})
CLAIM = frozenset({ADMIN, OPERATOR, MANAGER, MEMBER})
ASK = frozenset({ADMIN, OPERATOR, MANAGER})

NOVEMBER = {"since": "2026-11-01", "until": "2026-11-25"}
UNTIL = {"owner": "Director", "reason": "A new server is ordered.", "until": "2026-12-31"}


@dataclass(frozen=True)
class Entry:
    """Who may use a route, with which scope, and what is sent to it.

    ``mine`` marks routes about a row of the water office: somebody of the library gets 404 there, whatever their role.
    """

    scope: Scope
    roles: frozenset[Role]
    body: dict[str, object] | None = None
    mine: bool = False
    query: dict[str, str] = field(default_factory=dict)


TABLE: dict[str, Entry] = {
    "list_organisations": Entry(Scope.REGISTER_READ, ALL),
    "show_organisation": Entry(Scope.REGISTER_READ, ALL, mine=True),
    "list_contacts": Entry(Scope.REGISTER_READ, ALL, mine=True),
    "list_targets": Entry(Scope.REGISTER_READ, ALL),
    "list_authorisations": Entry(Scope.REGISTER_READ, ALL),
    "list_exclusions": Entry(Scope.REGISTER_READ, ALL),
    "list_zones": Entry(Scope.REGISTER_READ, OFFICE),
    "put_zone": Entry(Scope.REGISTER_WRITE, OPERATE, {"vantage": "internet"}),
    "put_organisation": Entry(Scope.REGISTER_WRITE, OPERATE, {"name_en": "Water Office"}, mine=True),
    "put_target": Entry(
        Scope.REGISTER_WRITE, OPERATE, {"organisation": "water", "address": "192.0.2.9", "zone": "internet"}
    ),
    "retire_target": Entry(Scope.REGISTER_WRITE, OPERATE, {}, mine=True),
    "put_authorisation": Entry(
        Scope.REGISTER_WRITE,
        OPERATE,
        {
            "organisation": "water",
            "document": "Order 2",
            "allowed_by": "Director",
            "valid_from": "2026-01-01",
            "valid_until": "2026-12-31",
            "scope": ["192.0.2.9"],
        },
    ),
    "retire_authorisation": Entry(Scope.REGISTER_WRITE, OPERATE, {}, mine=True),
    "put_exclusion": Entry(
        Scope.REGISTER_WRITE, OPERATE, {"organisation": "water", "address": "192.0.2.9", "reason": "old"}
    ),
    "retire_exclusion": Entry(Scope.REGISTER_WRITE, OPERATE, {}, mine=True),
    "list_plans": Entry(Scope.PLANS_READ, OFFICE),
    "list_due": Entry(Scope.PLANS_READ, OFFICE),
    "show_plan": Entry(Scope.PLANS_READ, OFFICE),
    "make_plan": Entry(Scope.PLANS_WRITE, OPERATE, {"name": "hourly", "schedule": "every 1d"}),
    "pause_plan": Entry(Scope.PLANS_WRITE, OPERATE, {}),
    "resume_plan": Entry(Scope.PLANS_WRITE, OPERATE, {}),
    "run_plan_now": Entry(Scope.PLANS_WRITE, OPERATE, {}),
    "remove_plan": Entry(Scope.PLANS_WRITE, OPERATE, {}),
    "list_rounds": Entry(Scope.ROUNDS_READ, OFFICE),
    "show_round": Entry(Scope.ROUNDS_READ, OFFICE),
    "show_round_status": Entry(Scope.ROUNDS_READ, OFFICE),
    "make_round_now": Entry(Scope.ROUNDS_WRITE, OPERATE, {}),
    "pause_round": Entry(Scope.ROUNDS_WRITE, OPERATE, {}),
    "resume_round": Entry(Scope.ROUNDS_WRITE, OPERATE, {}),
    "cancel_round": Entry(Scope.ROUNDS_WRITE, OPERATE, {}),
    "list_findings": Entry(Scope.FINDINGS_READ, ALL),
    "show_finding": Entry(Scope.FINDINGS_READ, ALL, mine=True),
    "list_events": Entry(Scope.FINDINGS_READ, ALL, mine=True),
    "assign_finding": Entry(Scope.FINDINGS_WRITE, CLAIM, {"assignee": "unit-member@office.example"}, mine=True),
    "comment_finding": Entry(Scope.FINDINGS_WRITE, CLAIM, {"text": "Behind the VPN."}, mine=True),
    "claim_finding": Entry(Scope.FINDINGS_WRITE, CLAIM, {}, mine=True),
    "dispute_finding": Entry(Scope.FINDINGS_WRITE, ASK, {"kind": "accepted", **UNTIL}, mine=True),
    "accept_finding": Entry(Scope.FINDINGS_WRITE, OPERATE, dict(UNTIL), mine=True),
    "decide_request": Entry(Scope.FINDINGS_WRITE, OPERATE, {"grant": False}, mine=True),
    "reopen_finding": Entry(Scope.FINDINGS_WRITE, OPERATE, {}, mine=True),
    "list_reports": Entry(Scope.REPORTS_READ, ALL),
    "download_report": Entry(Scope.REPORTS_READ, ALL, mine=True),
    "list_notices": Entry(Scope.REPORTS_READ, ALL),
    "show_notice": Entry(Scope.REPORTS_READ, ALL, mine=True),
    "download_notice": Entry(Scope.REPORTS_READ, ALL, mine=True),
    "answer_notice": Entry(
        Scope.FINDINGS_WRITE,
        CLAIM,
        {"answers": [{"finding": 1, "answer": "fixed", "told": "A password is set."}]},
        mine=True,
    ),
    "show_bulletin": Entry(Scope.REPORTS_READ, ALL, mine=True, query=NOVEMBER),
    "download_bulletin": Entry(Scope.REPORTS_READ, ALL, mine=True, query=NOVEMBER),
    "list_messages": Entry(Scope.MAIL_READ, OFFICE),
    "show_message": Entry(Scope.MAIL_READ, OFFICE),
    "retry_message": Entry(Scope.MAIL_WRITE, OPERATE, {}),
    "cancel_message": Entry(Scope.MAIL_WRITE, OPERATE, {}),
    "show_switch": Entry(Scope.SWITCH_READ, OFFICE),
    "stop": Entry(Scope.SWITCH_WRITE, OPERATE, {}),
    "resume": Entry(Scope.SWITCH_WRITE, OPERATE, {}),
    "show_doctor": Entry(Scope.SYSTEM_READ, OFFICE),
    "list_audit": Entry(Scope.SYSTEM_READ, OFFICE),
}


def routes() -> Iterator[tuple[str, str, str, Operation]]:
    """The name, method and address of every operation, from the same place that Django's addresses are made of."""
    for bound in SITE._get_bound_routers():
        for path, view in bound.path_operations.items():
            for operation in view.operations:
                for method in operation.methods:
                    yield operation.view_func.__name__, method, path, operation


ROUTES = {name: (method, path) for name, method, path, _ in routes()}


def address(name: str, house: House) -> str:
    """The address of the water office's row on which this can be done."""
    path = ROUTES[name][1]
    number = {
        "findings": (house.asked if "decide" in path else house.exempt if "reopen" in path else house.finding).pk,
        "rounds": house.round.pk,
        "reports": house.report.pk,
        "notices": house.notice.pk,
        "targets": house.target.pk,
        "authorisations": house.water.authorisations.get().pk,
        "exclusions": house.water.exclusions.get().pk,
        "messages": Message.objects.get(kind="digest").pk,
    }.get(path.split("/")[1], 0)
    filled = {"{number}": str(number), "{slug}": "water", "{form}": "html", "{language}": "en", "{name}": "weekly"}
    for part, value in filled.items():
        path = path.replace(part, value)
    return f"{AT}{path}"


def ask(program: Client, name: str, house: House) -> int:
    """Use a route on the row of the water office on which this can be done; return the status."""
    method, where = ROUTES[name][0], address(name, house)
    entry = TABLE[name]
    if method == "GET":
        return program.get(where, entry.query).status_code
    return program.generic(method, where, json.dumps(entry.body), content_type="application/json").status_code


def test_every_route_has_an_entry_and_every_entry_a_route() -> None:
    names = [name for name, *_ in routes()]
    assert len(set(names)) == len(names)
    assert set(names) == set(TABLE)
    assert len(names) == sum(len(methods) for methods in document()["paths"].values())


def test_every_route_demands_the_scope_of_its_entry() -> None:
    for name, method, _, operation in routes():
        (door,) = operation.auth_callbacks
        assert isinstance(door, Bearer)
        assert door.scope == TABLE[name].scope
        assert door.scope.endswith(":read") == (method == "GET"), name


@pytest.mark.parametrize("role", list(Role))
def test_a_role_gets_its_routes_and_no_other(house: House, programs: Programs, role: Role) -> None:
    program = programs.of(role)
    wrong = []
    for name, entry in TABLE.items():
        with transaction.atomic():
            status = ask(program, name, house)
            transaction.set_rollback(True)
        if (status in (403, 404)) == (role in entry.roles) or status in (400, 405, 422) or status >= 500:
            wrong.append((name, status))
    assert wrong == []


def test_without_its_scope_no_route_opens(house: House, programs: Programs) -> None:
    """With all scopes but the needed one, and the one that includes it."""
    for name, entry in TABLE.items():
        area = entry.scope.partition(":")[0]
        held = {Scope.FINDINGS_READ, Scope.ROUNDS_READ} - {entry.scope}
        if entry.scope.endswith(":read"):
            held = {each for each in Scope if not each.startswith(f"{area}:")}
        elif f"{area}:read" in set(Scope):
            held = set(Scope) - {entry.scope}
        assert ask(programs.of(ADMIN, held), name, house) == 403, name


@pytest.mark.parametrize("name", [name for name, entry in TABLE.items() if entry.mine])
def test_somebody_of_another_unit_finds_nothing_and_does_nothing(house: House, programs: Programs, name: str) -> None:
    assert ask(programs.stranger, name, house) in (403, 404)
    house.finding.refresh_from_db()
    assert house.finding.state == "open"
    assert list(house.asked.exemptions.values_list("state", flat=True)) == ["requested"]
    assert list(house.exempt.exemptions.values_list("state", flat=True)) == ["granted"]


@pytest.mark.parametrize("name", [name for name, entry in TABLE.items() if name.startswith("list_") and not entry.mine])
def test_lists_show_a_unit_its_own_rows_alone(house: House, programs: Programs, name: str) -> None:
    mine, theirs = programs.of(MEMBER), programs.stranger
    where = f"{AT}{ROUTES[name][1]}"
    if TABLE[name].roles == ALL:
        assert "library" not in mine.get(where).content.decode()
        assert "water" not in theirs.get(where).content.decode()
    for filtered in (f"{where}?organisation=water", f"{where}?parent=city"):
        assert "water" not in theirs.get(filtered).content.decode()


def test_nobody_gets_past_the_door(house: House) -> None:
    for name in TABLE:
        assert ask(Client(), name, house) == 401


def test_a_bulletin_is_for_who_sees_every_unit_of_it(house: House, programs: Programs) -> None:
    """Whoever manages the city's own unit does not see those below it, of which its bulletin tells."""
    manager = account("city@office.example", MANAGER, house.city)
    where = f"{AT}/organisations/city/bulletin"
    assert programs.of(SUPERVISOR).get(where, NOVEMBER).json()["organisation"]["slug"] == "city"
    assert programs.acting_for(manager).get(where, NOVEMBER).status_code == 404
    assert programs.acting_for(manager).get(f"{AT}/organisations/city").status_code == 200
    assert programs.of(ADMIN).get(where, {"since": "0001-01-01", "until": "9999-12-31"}).status_code == 409


def test_routes_reach_rows_through_the_sight_alone() -> None:
    """No route asks a manager, which would answer with everybody's rows; figures are of the installation."""
    found = {
        path.name
        for path in (ROOT / "scanner" / "api").glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("objects", "_default_manager")
    }
    assert found == {"door.py", "monitoring.py", "tokens.py"}


def test_a_read_takes_few_queries_however_much_it_lists(house: House, programs: Programs) -> None:
    """Those that count all over the installation have bounds of their own."""
    everything = {"show_bulletin", "download_bulletin", "show_doctor"}
    program = programs.of(ADMIN)
    for name in [name for name, (method, _) in ROUTES.items() if method == "GET" and name not in everything]:
        where = address(name, house)
        with CaptureQueriesContext(connection) as queries:
            assert program.get(where).status_code == 200
        assert len(queries) <= 15, name
