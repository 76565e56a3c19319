"""``roundsman init`` and ``roundsman user``: who may sign in."""

from __future__ import annotations

import re

import pytest
from django.utils.translation import override
from typer.testing import CliRunner

from scanner.accounts.models import User
from scanner.audit.models import Entry
from scanner.cli import init, prompts, user
from scanner.delivery.models import Message
from tests.rounds.world import organisation

pytestmark = pytest.mark.django_db

FIRST = ["--email", "Li@office.example", "--name", "Li Wei"]
WANG = ["wang@water.example", "--name", "Wang Fang"]


def run(*arguments: str, status: int = 0, said: str = "") -> str:
    """Run ``roundsman user`` with these arguments, and return what it printed."""
    result = CliRunner().invoke(user.app, list(arguments), input=said)
    assert result.exit_code == status, result.output
    return result.output


def begin(*arguments: str, status: int = 0, said: str = "") -> str:
    result = CliRunner().invoke(init.app, list(arguments), input=said)
    assert result.exit_code == status, result.output
    return result.output


def test_the_first_administrator_comes_in_by_a_link_and_there_is_no_second_first() -> None:
    assert "--email and --name" in begin(status=2)
    assert re.search(r"http://127\.0\.0\.1:8440/invitation/[\w-]{43}/", begin(*FIRST))
    assert "administrator already" in begin("--email", "b@office.example", "--name", "B", status=2)
    made = User.objects.get()
    assert (made.email, made.has_usable_password()) == ("li@office.example", False)


def test_at_a_terminal_what_is_wrong_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter(
        ["short", "li@office.example", "seven roundsmen walk", "seven roundsmen run", *["seven roundsmen walk"] * 2]
    )
    monkeypatch.setattr(init, "getpass", lambda prompt: next(answers))
    monkeypatch.setattr(init, "is_terminal", lambda: True)

    assert "li is no mail address" in begin("--email", "li", status=2)
    assert not User.objects.exists()
    with override("zh-hans"):  # as an office's language may be; the command line speaks English
        output = begin(said="li@office\nLi@office.example\nLi Wei\n")

    for said in ("li@office is no mail address", "too short", "can’t be too similar", "not the same"):
        assert output.count(said) == 1
    assert "/invitation/" not in output
    assert "seven roundsmen" not in output + str(list(Entry.objects.values_list("detail")))
    made = User.objects.get()
    assert (made.email, made.name) == ("li@office.example", "Li Wei")
    assert made.check_password("seven roundsmen walk")


def test_people_are_let_in_given_roles_and_ended() -> None:
    begin(*FIRST)
    organisation("water")
    assert "is no role" in run("invite", *WANG, "--role", "king", status=2)
    assert "No active organisation" in run("invite", *WANG, "--role", "unit-member", "--organisation", "fire", status=2)
    assert not User.objects.filter(email=WANG[0]).exists(), "all or nothing"

    assert "in the outbox" in run("invite", *WANG, "--role", "unit-member", "--organisation", "water")
    assert Message.objects.get().recipient == WANG[0]
    assert "wang@water.example  Wang Fang  unit-member of water  signed in never" in run("list")
    run("give", WANG[0], "--role", "unit-manager", "--organisation", "water")
    run("take", WANG[0], "--organisation", "water")
    assert "has no role there" in run("take", WANG[0], status=2)
    run("give", WANG[0], "--role", "auditor")
    assert "/invitation/" in run("link", WANG[0])
    assert "in the outbox" in run("link", WANG[0], "--mail")
    assert "has none" in run("forget-factor", WANG[0], "--yes")
    assert "has none" in run("unlink", WANG[0])
    run("end", WANG[0], "--yes")
    assert "auditor  signed in never  ENDED" in run("list")
    assert "only administrator" in run("end", "li@office.example", "--yes", status=2)
    assert "There is no account" in run("end", "x@x.example", "--yes", status=2)


def test_ending_an_account_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    begin(*FIRST)
    run("invite", *WANG, "--role", "operator", "--link")
    monkeypatch.setattr(prompts, "is_terminal", lambda: True)
    assert "Nothing was changed" in run("end", WANG[0], status=1, said="n\n")
    assert User.objects.get(email=WANG[0]).is_active
