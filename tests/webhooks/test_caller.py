"""What is told to whom, once; and how calls that fail are made again."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass, field
from typing import Any

import pytest
from typer.testing import CliRunner

from scanner.accounts import people
from scanner.accounts.models import User
from scanner.accounts.roles import Role
from scanner.audit.models import Entry
from scanner.cli import webhook
from scanner.delivery.retry import TRIES_AT_LEAST
from scanner.engine.errors import InputError
from scanner.remediation.lifecycle import Happened
from scanner.remediation.models import Finding
from scanner.rounds.models import Round
from scanner.webhooks import hooks
from scanner.webhooks.caller import Caller
from scanner.webhooks.hooks import secret_of
from scanner.webhooks.models import Call, Event, Webhook
from scanner.webhooks.post import Told, signature
from targets.models import Organisation
from tests.delivery.office import NOW, finding, followed_round, happened, unit

pytestmark = pytest.mark.django_db

URL = "https://tickets.example/in"
MADE = NOW - dt.timedelta(hours=1)
SOON = NOW + dt.timedelta(minutes=1)


@dataclass
class Receiver:
    """Takes calls, or answers as it is told."""

    answer: Told = field(default_factory=lambda: Told(True, "HTTP 200"))
    heard: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def __call__(self, url: str, body: bytes, headers: dict[str, str], *, private: bool) -> Told:
        self.heard.append(json.loads(body))
        self.headers.append(headers)
        return self.answer

    @property
    def keys(self) -> list[str]:
        return [str(each["key"]).partition(":")[0] for each in self.heard]


def account(role: Role = Role.OPERATOR, owner: Organisation | None = None, email: str = "siem@x.example") -> User:
    user = people.add(email, "SIEM", "tests", MADE)
    people.give(user, role, owner, "tests", MADE)
    return user


def hook(user: User, *events: str, name: str = "tickets") -> str:
    _, secret = hooks.add(user, name, URL, events or Event.values, "ops", MADE)
    return secret


def opened(owner: Organisation, **fields: Any) -> tuple[Finding, Round]:
    this = followed_round(owner)
    Round.objects.filter(pk=this.pk).update(followed=NOW)
    found = finding(owner, **fields)
    happened(found, Happened.OPENED, NOW, this)
    return found, this


def test_everything_is_told_once_signed_and_in_the_form_of_the_interface() -> None:
    secret = hook(account())
    found, this = opened(unit("water"), deadline=NOW - dt.timedelta(minutes=1))
    happened(found, Happened.REOPENED, NOW, this)
    happened(found, Happened.SEEN, NOW, this)
    receiver = Receiver()
    caller = Caller(receiver)
    for moment in (SOON, SOON, SOON + dt.timedelta(days=3)):
        caller.look(moment)

    assert sorted(receiver.keys) == ["finding-opened", "finding-overdue", "finding-recurring", "round-finished"]
    told = receiver.heard[receiver.keys.index("finding-opened")]
    assert told["finding"]["check"] == "SVC-REDIS-UNAUTH"
    headers = receiver.headers[0]
    body = Call.objects.get(key=headers["Roundsman-Key"]).body.encode()
    assert headers["Roundsman-Signature"] == signature(secret.encode(), int(SOON.timestamp()), body)
    assert set(Call.objects.values_list("state", flat=True)) == {"sent"}


def test_only_what_the_account_sees_is_told_and_of_that_what_was_asked_for() -> None:
    water, library = unit("water"), unit("library")
    hook(account(Role.UNIT_MANAGER, water), name="theirs")
    hook(account(email="b@x.example"), Event.FIXED, name="fixed")
    opened(water)
    opened(library)
    receiver = Receiver()
    Caller(receiver).look(SOON)

    assert [(each["event"], each["finding"]["organisation"]) for each in receiver.heard] == [
        ("finding-opened", "water")
    ]


def test_what_happened_before_a_webhook_was_made_is_not_told() -> None:
    owner = unit("water")
    old = finding(owner, deadline=MADE - dt.timedelta(days=1))
    happened(old, Happened.OPENED, MADE - dt.timedelta(days=1))
    hook(account())
    receiver = Receiver()
    Caller(receiver).look(SOON)
    assert receiver.heard == []


def test_a_call_that_fails_is_made_again_later_and_given_up_after_three_days() -> None:
    hook(account(), Event.OPENED)
    opened(unit("water"))
    receiver = Receiver(Told(False, "HTTP 500"))
    caller, now = Caller(receiver), SOON
    caller.look(now)
    caller.look(now + dt.timedelta(seconds=10))
    assert len(receiver.heard) == 1, "it waits a minute or so"
    for _ in range(60):
        now += dt.timedelta(hours=5)
        caller.look(now)

    (made,) = Call.objects.all()
    assert (made.state, made.reply) == ("dead", "HTTP 500")
    assert made.attempt >= TRIES_AT_LEAST
    assert Entry.objects.filter(action="webhook-dead").count() == 1
    receiver.answer = Told(True, "HTTP 200")
    assert hooks.retry("tickets", "ops", now) == 1
    caller.look(now)
    made.refresh_from_db()
    assert made.state == "sent"


def test_one_that_does_not_answer_keeps_no_other_waiting() -> None:
    user = account()
    hook(user, Event.OPENED, name="silent")
    hook(user, Event.OPENED, name="quick")
    water = unit("water")
    opened(water)
    opened(water, host="192.0.2.77")

    class Half(Receiver):
        def __call__(self, url: str, body: bytes, headers: dict[str, str], *, private: bool) -> Told:
            super().__call__(url, body, headers, private=private)
            return Told(url != "https://silent.example/", "")

    Webhook.objects.filter(name="silent").update(url="https://silent.example/")
    receiver = Half()
    Caller(receiver).look(SOON)
    assert Call.objects.filter(webhook__name="quick", state="sent").count() == 2
    assert Call.objects.filter(webhook__name="silent", attempt=0).count() == 1


def test_a_call_that_was_left_behind_is_made_again_with_the_same_key() -> None:
    hook(account(), Event.OPENED)
    opened(unit("water"))

    def killed(*_: object, **__: object) -> Told:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Caller(killed).look(SOON)
    assert Call.objects.get().state == "sending"
    receiver = Receiver()
    Caller(receiver).look(SOON)
    assert receiver.keys == ["finding-opened"]
    assert Call.objects.get().state == "sent"


def test_an_ended_account_and_a_revoked_webhook_are_told_nothing() -> None:
    user = account()
    hook(user, Event.OPENED, name="a")
    other = account(email="b@x.example")
    hook(other, Event.OPENED, name="b")
    hooks.revoke("b", "ops", NOW)
    people.end(user, "tests", NOW)
    opened(unit("water"))
    receiver = Receiver()
    Caller(receiver).look(SOON)
    assert receiver.heard == []


def test_the_database_holds_the_secret_sealed() -> None:
    secret = hook(account())
    assert secret not in str(Webhook.objects.values().get())
    assert hooks.secret_of(Webhook.objects.get()) == secret.encode()
    assert secret not in str(list(Entry.objects.values()))


def test_what_can_not_be_a_webhook_is_refused() -> None:
    user = account()
    hook(user)
    for name, url, events in (
        ("tickets", URL, [Event.OPENED]),
        ("Bad", URL, [Event.OPENED]),
        ("new", "http://tickets.example/", [Event.OPENED]),
        ("new", URL, ["everything"]),
        ("new", URL, []),
    ):
        with pytest.raises(InputError):
            hooks.add(user, name, url, events, "ops", NOW)


def test_the_command_makes_lists_retries_and_revokes() -> None:
    account()

    def run(*arguments: str, status: int = 0) -> str:
        result = CliRunner().invoke(webhook.app, list(arguments))
        assert result.exit_code == status, result.output
        return result.output

    wanted = ["add", "tickets", "--url", URL, "--account", "siem@x.example", "--event", "finding-opened"]
    assert "rms_" in run(*wanted)
    assert "not called yet" in run("list")
    assert "0 call(s)" in run("retry", "tickets")
    assert "revoke it first" in run(*wanted, status=2)
    before = secret_of(Webhook.objects.get())
    secret = run("rotate", "tickets", "--yes").split()[-1]
    assert secret_of(Webhook.objects.get()).decode() == secret != before.decode()
    Webhook.objects.update(url="http://127.0.0.1:1/", private=True)
    assert "Not taken: ConnectionRefusedError" in run("test", "tickets", status=1)
    assert Entry.objects.get(action="webhook-tested").detail["taken"] is False
    run("revoke", "tickets", "--yes")
    assert "There is no webhook" in run("list")
    run("test", "tickets", status=2)
    run("rotate", "tickets", "--yes", status=2)
    run("retry", "tickets", status=2)
