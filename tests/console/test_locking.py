"""Wrong tries are counted in the database, and owners of accounts are told what was done to them, or tried."""

from __future__ import annotations

import datetime as dt
import json

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils.connection import ConnectionProxy

from scanner.accounts import people
from scanner.accounts.models import Tally, User
from scanner.accounts.origins import is_elsewhere, network_of
from scanner.accounts.roles import Role
from scanner.accounts.tallies import Tallies
from scanner.delivery.models import Message, MessageKind
from tests.console.house import account
from tests.console.test_signing_in import person, sign_in
from tests.delivery.office import unit

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 11, 26, 3, 0, tzinfo=dt.UTC)


def told(user: User) -> list[Message]:
    return list(Message.objects.filter(kind=MessageKind.ACCOUNT, recipient=user.email))


def test_tries_that_were_counted_hold_in_another_process_and_after_a_restart() -> None:
    person()
    for _ in range(5):
        sign_in(Client(), password="wrong")
    assert isinstance(cache, ConnectionProxy)
    another = Tallies("", {})
    assert Tally.objects.count() > 0
    assert sign_in(Client()) == ""
    another.clear()
    assert sign_in(Client()) == "/"


def test_a_count_ends_by_itself_and_one_of_many_takes_a_lock() -> None:
    tallies = Tallies("", {})
    tallies.set("a", [1.5, 2], 60)
    tallies.set("b", "over", -1)
    assert (tallies.get("a"), tallies.get("b"), tallies.get("c", "none")) == ([1.5, 2], None, "none")
    assert [tallies.add("lock", value=True) for _ in range(2)] == [True, False]
    assert [tallies.delete("lock") for _ in range(2)] == [True, False]
    assert tallies.add("b", "again")
    assert (tallies.touch("b", None), tallies.touch("c")) == (True, False)
    assert {len(each.digest) for each in Tally.objects.all()} == {64}, "no address or network is readable in it"
    assert all(json.dumps(each.value) for each in Tally.objects.all()), "nothing that runs when it is read"


def test_the_owner_of_a_locked_account_is_told_once_a_day_and_nobody_else_is() -> None:
    user = person()
    user.language = "zh-Hans"
    user.save()
    for email in (user.email, "nobody@office.example"):
        for _ in range(7):
            sign_in(Client(), email, "wrong")
        cache.clear()
    for _ in range(5):
        sign_in(Client(), password="wrong")
    (mail,) = Message.objects.filter(kind=MessageKind.ACCOUNT)
    assert (mail.recipient, mail.language) == (user.email, "zh-Hans")
    assert "已锁定五分钟" in mail.text
    assert "127.0.0.1" in mail.text
    assert "http" not in mail.text, "nothing to follow"


def test_a_sign_in_from_a_network_that_is_new_is_told_and_the_first_one_is_not() -> None:
    user = person()
    here, next_door, elsewhere = (Client(REMOTE_ADDR=each) for each in ("192.0.2.7", "192.0.2.99", "2001:db8::1"))
    for browser in (here, next_door):
        sign_in(browser)
    assert told(user) == []
    for browser in (elsewhere, here):
        sign_in(browser)
    (mail,) = told(user)
    assert "2001:db8::1" in mail.text
    later = dt.datetime.now(dt.UTC) + dt.timedelta(days=91)
    assert not is_elsewhere(user, "192.0.2.1", later), "all was long ago, so there is nothing to compare"
    assert network_of("192.0.2.77") == "192.0.2.0/24"
    assert network_of("") == ""


def test_roles_that_change_are_told_to_who_has_signed_in() -> None:
    water, user = unit("water", english="Water Office", chinese="水务局"), account("wang@water.example", None)
    people.give(user, Role.UNIT_MEMBER, water, "admin@office.example", NOW)
    assert told(user) == [], "the invitation tells it"
    user.last_login = NOW
    user.save()
    held = people.give(user, Role.UNIT_MANAGER, water, "admin@office.example", NOW)
    people.take(held, "admin@office.example", NOW)
    given, taken = told(user)
    assert "水务局的角色现为：单位负责人" in given.text
    assert "admin@office.example" in given.text
    assert "取消您在水务局的角色" in taken.text


def test_a_password_that_was_there_and_a_factor_that_was_forgotten_are_told() -> None:
    user = account("li@office.example", Role.AUDITOR)
    link = people.invite(user, "tests", NOW)
    found = people.invited(link.rstrip("/").rpartition("/")[2], NOW)
    assert found is not None
    people.take_up(found, "seven roundsmen walk at night", NOW)
    assert told(user) == [], "it is the first"
    again = people.invited(people.invite(user, "tests", NOW).rstrip("/").rpartition("/")[2], NOW)
    assert again is not None
    people.take_up(again, "seven roundsmen walk by day", NOW)
    people.remove_second_factor(user, "admin@office.example", NOW)
    assert [each.key.split(":")[1] for each in told(user)] == ["password", "factor-removed"]
