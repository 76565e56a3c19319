"""Tokens, and what holds for every route: pace, tags, keys, errors in one form."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.db import DatabaseError
from django.test import Client

from scanner.accounts import people
from scanner.accounts.roles import Role
from scanner.accounts.sight import Sight
from scanner.api import door, tokens
from scanner.api.models import Kept, Token
from scanner.api.pace import AT_ONCE, Pace
from scanner.api.scopes import Scope, covers
from scanner.audit.models import Entry
from scanner.engine.errors import InputError
from scanner.remediation.models import FindingEvent
from scanner.rounds.models import Round
from tests.api.programs import AT, Programs, program
from tests.console.house import House

NOW = dt.datetime(2026, 11, 26, 3, 0, tzinfo=dt.UTC)
JSON = "application/json"


def code_of(answer: Any) -> str:
    assert answer.headers["Content-Type"] == "application/problem+json"
    document = answer.json()
    assert document["status"] == answer.status_code
    return str(document["code"])


def test_a_secret_is_kept_nowhere_and_its_making_is_on_record(house: House) -> None:
    user = house.users[Role.AUDITOR]
    made, secret = tokens.add(user, "siem", ["findings:read"], "ops", NOW)

    assert secret.startswith("rmt_")
    assert len(secret) > 40
    assert secret not in str(Token.objects.values().get(pk=made.pk))
    entry = Entry.objects.get(action="token-added", subject="token siem")
    assert entry.detail["scopes"] == ["findings:read"]
    assert secret not in str(entry.detail)


def test_a_token_works_until_it_expires_or_is_revoked_or_its_account_ends(house: House) -> None:
    user = house.users[Role.AUDITOR]
    _, secret = tokens.add(user, "siem", ["findings:read"], "ops", NOW, lasts=dt.timedelta(days=1))
    _, other = tokens.add(user, "other", ["findings:read"], "ops", NOW)
    day = dt.timedelta(days=1)

    assert tokens.recognised(secret, NOW + day / 2) is not None
    assert tokens.recognised(secret, NOW + day) is None
    assert tokens.recognised(secret + "x", NOW) is None
    tokens.revoke("siem", "ops", NOW)
    assert tokens.recognised(secret, NOW) is None
    assert Entry.objects.filter(action="token-revoked", subject="token siem").exists()
    people.end(user, "ops", NOW)
    assert tokens.recognised(other, NOW) is None


def test_what_can_not_be_a_token_is_refused(house: House) -> None:
    user = house.users[Role.AUDITOR]
    tokens.add(user, "siem", ["findings:read"], "ops", NOW)
    for name, scopes, days in (
        ("siem", ["findings:read"], 1),
        ("Siem", ["findings:read"], 1),
        ("new", [], 1),
        ("new", ["findings:all"], 1),
        ("new", ["findings:read"], 367),
    ):
        with pytest.raises(InputError):
            tokens.add(user, name, scopes, "ops", NOW, lasts=dt.timedelta(days=days))
    tokens.revoke("siem", "ops", NOW)
    tokens.add(user, "siem", ["findings:read"], "ops", NOW)


def test_last_use_is_noted_once_a_minute_and_a_clock_that_steps_back_is_no_matter(house: House) -> None:
    made, secret = tokens.add(house.users[Role.AUDITOR], "siem", ["findings:read"], "ops", NOW)

    def used(at: dt.datetime) -> dt.datetime | None:
        tokens.recognised(secret, at)
        made.refresh_from_db()
        return made.last_used

    assert used(NOW) == NOW
    assert used(NOW + dt.timedelta(seconds=59)) == NOW
    assert used(NOW + dt.timedelta(seconds=61)) == NOW + dt.timedelta(seconds=61)
    assert used(NOW - dt.timedelta(hours=1)) == NOW - dt.timedelta(hours=1)


def test_to_write_includes_to_read_and_nothing_else() -> None:
    assert covers(["findings:write"], Scope.FINDINGS_READ)
    assert not covers(["findings:read"], Scope.FINDINGS_WRITE)
    assert not covers(["findings:write"], Scope.ROUNDS_READ)


def test_nobody_comes_in_without_a_token_that_works(house: House) -> None:
    for browser in (Client(), program("rmt_wrong"), program(""), Client(headers={"authorization": "Basic eA=="})):
        answer = browser.get(f"{AT}/findings")
        assert code_of(answer) == "unauthorised"
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    signed_in = house.browser(Role.ADMINISTRATOR)
    assert signed_in.get(f"{AT}/findings").status_code == 401


def test_errors_have_one_form(programs: Programs, house: House) -> None:
    program = programs.of(Role.OPERATOR)
    claim = f"{AT}/findings/{house.finding.pk}/claim"

    assert code_of(program.get(f"{AT}/nothing")) == "not-found"
    assert code_of(program.get(f"{AT}/findings/999999")) == "not-found"
    assert code_of(program.get(f"{AT}/findings/{2**70}")) == "invalid"
    assert code_of(program.get(f"{AT}/findings?severity=awful")) == "invalid"
    assert code_of(program.get(f"{AT}/findings?cursor=%00")) == "invalid"
    assert code_of(program.get(f"{AT}/findings?limit=201")) == "invalid"
    refused = program.delete(f"{AT}/findings/{house.finding.pk}")
    assert (code_of(refused), refused.headers["Allow"]) == ("method-not-allowed", "GET")
    assert refused.headers["Content-Disposition"] == 'attachment; filename="api.json"'
    for body in ("{", "[" * 100_000, "\ud800".encode("utf-8", "surrogatepass"), "[]", "null", '{"note": "\\ud800"}'):
        assert program.post(claim, body, content_type=JSON).status_code in (400, 422), body[:20]
    assert code_of(program.post(claim, {"note": "x", "state": "fixed"}, content_type=JSON)) == "invalid"
    for kind in ("text/plain", "multipart/form-data; boundary=x", "application/xml"):
        assert code_of(program.post(claim, b"{}", content_type=kind)) == "not-json"
    house.finding.refresh_from_db()
    assert house.finding.state == "open"


def test_an_error_of_ours_tells_no_more_than_that(programs: Programs, monkeypatch: pytest.MonkeyPatch) -> None:
    program = programs.of(Role.OPERATOR)

    def broken(*_: object) -> None:
        raise failures[-1]

    failures: list[Exception] = []
    monkeypatch.setattr(Sight, "rows", broken)
    for failure, code in ((RuntimeError("secret"), "failed"), (DatabaseError("secret"), "unavailable")):
        failures.append(failure)
        answer = program.get(f"{AT}/findings")
        assert code_of(answer) == code
        assert "secret" not in answer.content.decode()


def test_a_scope_lets_no_account_do_more_and_no_token_more_than_its_scopes(
    programs: Programs, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    claim = f"{AT}/findings/{house.finding.pk}/claim"
    reader = programs.of(Role.OPERATOR, ["findings:read"])
    assert code_of(reader.post(claim, {}, content_type=JSON)) == "scope-missing"
    assert code_of(reader.get(f"{AT}/rounds")) == "scope-missing"
    auditor = programs.of(Role.AUDITOR)
    assert code_of(auditor.post(claim, {}, content_type=JSON)) == "forbidden"
    assert f"POST {claim} was refused to auditor@office.example (token " in caplog.text


def test_a_read_that_changed_nothing_is_not_sent_again(programs: Programs, house: House) -> None:
    program = programs.of(Role.OPERATOR)
    first = program.get(f"{AT}/findings/{house.finding.pk}")
    known = {"if-none-match": first.headers["ETag"]}
    again = program.get(f"{AT}/findings/{house.finding.pk}", headers=known)
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", first.headers["ETag"])

    program.post(f"{AT}/findings/{house.finding.pk}/claim", {}, content_type=JSON)
    assert program.get(f"{AT}/findings/{house.finding.pk}", headers=known).status_code == 200


def test_a_write_with_a_key_is_done_once(programs: Programs, house: House) -> None:
    program = programs.of(Role.OPERATOR)
    wanted = {"organisations": ["water"]}

    def send(body: dict[str, list[str]], key: str = "one") -> Any:
        return program.post(f"{AT}/rounds", body, content_type=JSON, headers={"idempotency-key": key})

    before = Round.objects.count()
    first, second = send(wanted), send(wanted)
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.content == second.content
    assert second.headers["Idempotency-Replayed"] == "true"
    assert Round.objects.count() == before + 1
    assert code_of(send({"organisations": ["library"]})) == "key-used"
    assert send(wanted, "two").status_code == 201
    assert code_of(send(wanted, "\x7f")) == "invalid"

    other = programs.of(Role.OPERATOR)
    theirs = other.post(f"{AT}/rounds", wanted, content_type=JSON, headers={"idempotency-key": "one"})
    assert "Idempotency-Replayed" not in theirs.headers, "a key belongs to its token"


def test_what_failed_is_not_kept_and_an_answer_is_kept_for_a_day(programs: Programs, house: House) -> None:
    program = programs.of(Role.OPERATOR)
    where, key = f"{AT}/findings/{house.finding.pk}/reopen", {"idempotency-key": "one"}
    assert code_of(program.post(where, {}, content_type=JSON, headers=key)) == "refused"
    assert not Kept.objects.exists()

    claim = f"{AT}/findings/{house.finding.pk}/claim"
    program.post(claim, {"note": "done"}, content_type=JSON, headers=key)
    (kept,) = Kept.objects.all()
    Kept.objects.update(created=kept.created - door.KEPT_FOR)
    again = program.post(claim, {"note": "done"}, content_type=JSON, headers=key)
    assert "Idempotency-Replayed" not in again.headers
    assert FindingEvent.objects.filter(finding=house.finding, kind="claimed").count() == 1


def test_who_did_it_is_the_account_and_the_token(programs: Programs, house: House) -> None:
    programs.of(Role.OPERATOR).post(f"{AT}/findings/{house.finding.pk}/claim", {}, content_type=JSON)
    (entry,) = Entry.objects.filter(action="finding-claimed")
    assert entry.actor == "operator@office.example (token program-1)"


def test_a_token_that_asks_too_often_waits_and_no_other_does(
    programs: Programs, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    monkeypatch.setattr(door, "PACE", Pace(lambda: clock[0]))
    program, other = programs.of(Role.OPERATOR), programs.of(Role.OPERATOR)
    where = f"{AT}/rounds?limit=1"
    assert {program.get(where).status_code for _ in range(AT_ONCE)} == {200}
    late = program.get(where)
    assert (code_of(late), late.headers["Retry-After"]) == ("too-many", "1")
    assert other.get(where).status_code == 200
    clock[0] = 0.2
    assert program.get(where).status_code == 200
