"""Accounts are made, given roles, let in by a link, and ended; each act is on record."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.core.exceptions import ValidationError

from scanner.accounts import people
from scanner.accounts.models import Invitation, User
from scanner.accounts.roles import Role
from scanner.audit.models import Entry
from scanner.delivery.models import Message
from scanner.engine.errors import InputError
from tests.delivery.office import unit

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 11, 26, 3, 0, tzinfo=dt.UTC)
GOOD = "seven roundsmen walk at night"


def user(email: str = "li@office.example") -> User:
    return people.add(email, "Li Wei", "tests", NOW)


def token(link: str) -> str:
    return link.rstrip("/").rpartition("/")[2]


def test_a_new_account_has_no_password_and_no_role() -> None:
    made = user(" Li@Office.example ")
    assert (made.email, made.has_usable_password(), made.memberships.count()) == ("li@office.example", False, 0)
    with pytest.raises(InputError, match="has an account already"):
        user("LI@office.example")


@pytest.mark.parametrize("email", ["li", "li@", "li@office.example\nBcc: all@office.example", "李@office.example"])
def test_an_address_that_no_mail_can_be_sent_to_is_refused(email: str) -> None:
    with pytest.raises(InputError):
        user(email)


def test_an_invitation_works_once_and_for_three_days() -> None:
    made = user()
    link = people.invite(made, "tests", NOW)
    assert people.invited(token(link), NOW + people.LASTS) is None
    found = people.invited(token(link), NOW + people.LASTS - dt.timedelta(seconds=1))
    assert found is not None

    people.take_up(found, GOOD, NOW)

    made.refresh_from_db()
    assert made.check_password(GOOD)
    assert made.password.startswith("argon2$argon2id$")
    assert people.invited(token(link), NOW) is None
    with pytest.raises(InputError, match="used already"):
        people.take_up(found, f"{GOOD} again", NOW)


def test_a_bad_password_uses_nothing_up() -> None:
    made = user()
    found = people.invited(token(people.invite(made, "tests", NOW)), NOW)
    assert found is not None
    for bad in ("short", "password1234", "li@office.example", "a" + " " * 20, "x" * 129):
        with pytest.raises(ValidationError):
            people.take_up(found, bad, NOW)
    longest = f"{GOOD} 🌒 夜" + "y" * (128 - len(GOOD) - 4)
    assert people.take_up(found, longest, NOW) == made
    made.refresh_from_db()
    assert (len(longest), made.check_password(longest), made.check_password(longest[:-1])) == (128, True, False)


def test_a_new_link_and_the_end_of_an_account_undo_the_links_before() -> None:
    made = user()
    first = token(people.invite(made, "tests", NOW))
    second = token(people.invite(made, "tests", NOW))
    assert people.invited(first, NOW) is None
    assert people.invited(second, NOW) is not None

    people.end(made, "tests", NOW)

    assert people.invited(second, NOW) is None


def test_the_database_and_the_trail_hold_no_secret_of_a_link() -> None:
    secret = token(people.invite(user(), "tests", NOW))
    kept = [*Invitation.objects.values_list("digest", flat=True), *map(str, Entry.objects.values_list("detail"))]
    assert not any(secret in each for each in kept)


def test_an_invitation_goes_by_the_outbox_and_its_link_leads_here() -> None:
    made = user()
    people.invite_by_mail(made, "tests", NOW)

    (message,) = Message.objects.all()
    assert (message.recipient, message.kind) == (made.email, "invitation")
    (link,) = re.findall(r"http\S+", message.text)
    assert link.startswith("http://127.0.0.1:8440/invitation/")
    assert people.invited(token(link), NOW) is not None
    people.invite_by_mail(made, "tests", NOW)
    assert Message.objects.count() == 2


def test_the_last_administrator_stays() -> None:
    first, _ = people.begin("a@office.example", "A", GOOD, "root", NOW)
    held = first.memberships.get()
    for act in (
        lambda: people.take(held, "root", NOW),
        lambda: people.end(first, "root", NOW),
        lambda: people.give(first, Role.AUDITOR, None, "root", NOW),
    ):
        with pytest.raises(InputError, match="only administrator"):
            act()
    people.give(user(), Role.ADMINISTRATOR, None, "root", NOW)
    people.end(first, "root", NOW)
    assert people.administrators() == 1


def test_of_two_who_begin_at_once_one_comes_first() -> None:
    people.begin("a@office.example", "A", GOOD, "root", NOW)
    with pytest.raises(InputError, match="administrator already"):
        people.begin("b@office.example", "B", GOOD, "root", NOW)
    assert User.objects.count() == 1


def test_a_role_needs_its_place() -> None:
    made, water = user(), unit("water")
    with pytest.raises(InputError, match="whole installation"):
        people.give(made, Role.OPERATOR, water, "tests", NOW)
    with pytest.raises(InputError, match="needs an organisation"):
        people.give(made, Role.UNIT_MEMBER, None, "tests", NOW)


def test_each_act_is_on_record() -> None:
    made, water = user(), unit("water")
    people.give(made, Role.UNIT_MANAGER, water, "root", NOW)
    people.take(made.memberships.get(), "root", NOW)
    people.end(made, "root", NOW)
    people.renew(made, "root", NOW)

    told = list(Entry.objects.values_list("action", "actor", "subject"))
    assert [action for action, _, _ in told] == [
        "account-added", "role-given", "role-taken", "account-ended", "account-renewed",
    ]  # fmt: skip
    assert {subject for _, _, subject in told} == {"account li@office.example"}
