"""What each role may see and do, and that whatever is not said is refused."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import IntegrityError, transaction

from scanner.accounts import people
from scanner.accounts.models import Membership, User
from scanner.accounts.roles import EVERYWHERE, RIGHTS, Right, Role
from scanner.accounts.sight import Sight
from scanner.audit.models import Entry
from scanner.remediation.models import Finding
from scanner.rounds.models import Round
from targets.models import Organisation, Target
from tests.delivery.office import finding, unit

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 11, 26, 3, 0, tzinfo=dt.UTC)


def user(role: Role | None = None, owner: Organisation | None = None, email: str = "li@office.example") -> User:
    made = people.add(email, "Li Wei", "tests", NOW)
    if role is not None:
        people.give(made, role, owner, "tests", NOW)
    return made


def slugs(sight: Sight, right: Right = Right.READ) -> set[str]:
    return set(sight.rows(Organisation, right).values_list("slug", flat=True))


def test_every_role_has_its_rights_and_none_of_a_unit_holds_everywhere() -> None:
    assert set(RIGHTS) == set(Role)
    for role in set(Role) - EVERYWHERE:
        assert not RIGHTS[role] & {Right.WATCH, Right.OPERATE, Right.ADMINISTER}
    assert RIGHTS[Role.AUDITOR] == {Right.READ, Right.DISCUSS, Right.WATCH}
    assert RIGHTS[Role.SUPERVISOR] == {Right.READ}


def test_a_supervisor_reads_everything_below_and_a_unit_itself_alone() -> None:
    city = unit("city")
    water = unit("water", parent=city)
    pumps = unit("pumps", parent=water)
    unit("other")

    assert slugs(Sight.of(user(Role.SUPERVISOR, city, "a@x.example"))) == {"city", "water", "pumps"}
    assert slugs(Sight.of(user(Role.UNIT_MANAGER, water, "b@x.example"))) == {"water"}
    assert slugs(Sight.of(user(Role.OPERATOR, None, "c@x.example"))) == {"city", "water", "pumps", "other"}
    assert slugs(Sight.of(user(None, None, "d@x.example"))) == set()
    assert Sight.of(User.objects.get(email="a@x.example")).may(Right.READ, pumps.pk)
    assert not Sight.of(User.objects.get(email="a@x.example")).may(Right.CLAIM, pumps.pk)


def test_what_may_be_done_is_asked_for_each_organisation() -> None:
    water, library = unit("water"), unit("library")
    both = user(Role.UNIT_MANAGER, water)
    people.give(both, Role.UNIT_MEMBER, library, "tests", NOW)
    sight = Sight.of(both)

    assert slugs(sight) == {"water", "library"}
    assert slugs(sight, Right.ASK) == {"water"}
    assert slugs(sight, Right.CLAIM) == {"water", "library"}
    assert sight.own is None
    assert Sight.of(user(Role.UNIT_MEMBER, water, "x@x.example")).own == water.pk


def test_rows_of_others_are_not_there() -> None:
    water, library = unit("water"), unit("library")
    mine = finding(water)
    finding(library)
    sight = Sight.of(user(Role.UNIT_MEMBER, water))

    assert list(sight.rows(Finding)) == [mine]
    assert {each.organisation for each in sight.rows(Target)} == {water}


def test_what_belongs_to_the_installation_is_for_the_office_and_accounts_for_administrators() -> None:
    water = unit("water")
    auditor, manager = Sight.of(user(Role.AUDITOR)), Sight.of(user(Role.UNIT_MANAGER, water, "m@x.example"))
    administrator = Sight.of(user(Role.ADMINISTRATOR, None, "a@x.example"))

    assert Entry.objects.exists()
    assert auditor.rows(Entry).exists()
    assert not manager.rows(Entry).exists()
    assert not auditor.rows(User).exists()
    assert not auditor.rows(Membership).exists()
    assert administrator.rows(User).count() == 3
    assert not auditor.rows(Round, Right.OPERATE).exists()


def test_an_account_that_was_ended_sees_nothing() -> None:
    ended = user(Role.OPERATOR)
    people.end(ended, "tests", NOW)
    assert Sight.of(ended) == Sight()


def test_a_role_is_where_it_belongs_or_the_database_refuses_it() -> None:
    water, somebody = unit("water"), user()
    for role, owner in ((Role.OPERATOR, water), (Role.UNIT_MEMBER, None)):
        with pytest.raises(IntegrityError), transaction.atomic():
            Membership.objects.create(user=somebody, organisation=owner, role=role)
