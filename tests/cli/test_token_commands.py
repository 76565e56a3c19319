"""``roundsman token``: how programs come in."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from typer.testing import CliRunner

from scanner.accounts import people
from scanner.accounts.roles import Role
from scanner.api.tokens import recognised
from scanner.cli import token

pytestmark = pytest.mark.django_db

NEW = ["add", "siem", "--account", "li@office.example"]


def run(*arguments: str, status: int = 0) -> str:
    result = CliRunner().invoke(token.app, list(arguments))
    assert result.exit_code == status, result.output
    return result.output


@pytest.fixture(autouse=True)
def account() -> None:
    now = dt.datetime.now(dt.UTC)
    people.give(people.add("li@office.example", "Li Wei", "tests", now), Role.AUDITOR, None, "tests", now)


def test_a_token_is_shown_once_works_and_is_revoked() -> None:
    (secret,) = re.findall(r"^rmt_[\w-]{43}$", run(*NEW, "--scope", "findings:read", "--days", "7"), re.MULTILINE)
    assert recognised(secret, dt.datetime.now(dt.UTC)) is not None

    listed = run("list")
    assert secret[:8] in listed
    assert secret not in listed
    assert "findings:read" in listed
    assert "last used never" not in listed

    assert "Add --yes" in run("revoke", "siem", status=2)
    run("revoke", "siem", "--yes")
    assert recognised(secret, dt.datetime.now(dt.UTC)) is None
    assert "There is no token" in run("list")
    assert "revoked" in run("list", "--all")
    assert "There is no token siem" in run("revoke", "siem", "--yes", status=2)


def test_what_can_not_be_made_is_refused_with_what_to_do() -> None:
    assert "the scopes are register:read" in run(*NEW, "--scope", "everything", status=2)
    assert "no account" in run("add", "x", "--account", "nobody@x.example", "--scope", "findings:read", status=2)
    run(*NEW, "--scope", "findings:read")
    assert "revoke it first" in run(*NEW, "--scope", "findings:read", status=2)
