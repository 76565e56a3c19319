"""Questions whose SQL is built once answer as ordinary querysets do, whatever was asked before."""

from __future__ import annotations

import datetime as dt
import threading

import pytest
from django.db import connection
from django.db.models import F, Q
from django.test.utils import CaptureQueriesContext

from scanner.literal import spelt_out
from scanner.prepared import AnyOf, Given, Prepared, PreparedUpdate
from scanner.remediation.models import Attention
from scanner.rounds.models import Round, RoundState
from targets.models import Organisation, TlsPolicy
from tests.delivery.office import unit
from tests.remediation.looks import a_round, day

pytestmark = pytest.mark.django_db


@pytest.fixture
def owners() -> tuple[Organisation, Organisation]:
    return unit("power"), unit("water")


def test_each_answer_is_for_the_values_that_were_given(owners: tuple[Organisation, Organisation]) -> None:
    asked = Prepared(lambda: Organisation.objects.filter(slug=Given("slug")))
    assert [asked(slug=each.slug) for each in (*owners, owners[0])] == [[owners[0]], [owners[1]], [owners[0]]]
    assert asked(slug="nobody") == []
    assert asked.first(slug="nobody") is None


def test_rows_moments_and_states_may_be_given(owners: tuple[Organisation, Organisation]) -> None:
    for number, owner in enumerate(owners):
        Attention.objects.create(organisation=owner, host="192.0.2.1", hours=24, due=day(number))
    due = Prepared(
        lambda: Attention.objects.filter(organisation=Given("owner"), due__lte=Given("now")).values_list(
            "due", flat=True
        )
    )
    assert due(owner=owners[1], now=day(1)) == [day(1)]
    assert due(owner=owners[1], now=day(1) - dt.timedelta(microseconds=1)) == []
    this = a_round(owners[0], 0)
    states = Prepared(lambda: Round.objects.filter(state=Given("state")))
    assert (states(state=RoundState(this.state)), states(state=RoundState.PAUSED)) == ([this], [])


@pytest.mark.parametrize("most", [1, 2, 3])
def test_any_number_of_values_may_be_asked_for(owners: tuple[Organisation, Organisation], most: int) -> None:
    some = AnyOf(most)
    asked = Prepared(lambda: Organisation.objects.filter(slug__in=some.places).values_list("slug", flat=True))

    def found(*slugs: str) -> list[str]:
        return sorted(each for part in some.parts(slugs) for each in asked(**part))

    assert [found(), found("water"), found("water", "nobody")] == [[], ["water"], ["water"]]
    assert found("nobody", "water", "power") == sorted(each.slug for each in owners)


def test_a_value_may_stand_in_several_places_and_what_belongs_to_a_row_comes_with_it(
    owners: tuple[Organisation, Organisation],
) -> None:
    Organisation.objects.filter(pk=owners[1].pk).update(parent=owners[0])
    family = Prepared(
        lambda: (
            Organisation.objects.filter(Q(pk=Given("one")) | Q(parent=Given("one")))
            .select_related("parent")
            .order_by("slug")
        )
    )
    for _ in range(2):
        with CaptureQueriesContext(
            connection,
        ) as asked:
            assert [each.parent for each in family(one=owners[0])] == [None, owners[0]]
        assert len(asked) == 1


def test_all_that_fields_hold_is_read_as_ordinary_querysets_read_it(owners: tuple[Organisation, Organisation]) -> None:
    odd = ["é中", "\ud800", 2**70, 0.1, None, True, {"a": []}]
    Organisation.objects.filter(pk=owners[0].pk).update(domains=odd, retired_at=day(1), is_key=True, weight=2.5)
    asked = Prepared(lambda: Organisation.objects.filter(retired_at__gte=Given("since")))
    (row,), (same,) = asked(since=day(1)), Organisation.objects.filter(retired_at__gte=day(1))
    read, usual = ({name: vars(each)[name] for name in vars(each) if name != "_state"} for each in (row, same))
    assert read == usual
    assert (row.domains[2:], row.retired_at) == (odd[2:], day(1))


def test_rows_are_written_with_the_values_that_were_given_none_among_them(
    owners: tuple[Organisation, Organisation],
) -> None:
    retire = PreparedUpdate(
        lambda: Organisation.objects.filter(slug=Given("slug")),
        retired_at=Given("at"),
        tls_policy=Given("policy"),
        weight=F("weight") + 1,
    )
    assert retire(slug="power", at=day(1), policy=TlsPolicy.NCSC_NL_2025) == 1
    assert retire(slug="nobody", at=None, policy="") == 0
    power, water = Organisation.objects.order_by("slug")
    assert (power.retired_at, power.tls_policy, power.weight) == (day(1), TlsPolicy.NCSC_NL_2025, 2)
    assert (water.retired_at, water.weight) == (None, 1)
    assert retire(slug="power", at=None, policy="") == 1
    assert Organisation.objects.get(slug="power").retired_at is None


def test_no_value_at_all_is_refused_as_nothing_equals_it() -> None:
    asked = Prepared(lambda: Organisation.objects.filter(parent=Given("parent")))
    with pytest.raises(ValueError, match="parent must not be None"):
        asked(parent=None)


def test_rows_may_be_read_a_few_at_a_time(owners: tuple[Organisation, Organisation]) -> None:
    asked = Prepared(lambda: Organisation.objects.filter(slug__gte=Given("slug")).order_by("slug"))
    assert list(asked.each(1, slug="power")) == list(owners)
    assert list(asked.each(1, slug="q")) == [owners[1]]


@pytest.mark.django_db(transaction=True)
def test_threads_that_ask_at_once_get_their_own_answers(owners: tuple[Organisation, Organisation]) -> None:
    asked = Prepared(lambda: Organisation.objects.filter(slug=Given("slug")))
    wrong: list[str] = []

    def ask(slug: str) -> None:
        try:
            wrong.extend(each.slug for _ in range(200) for each in asked(slug=slug) if each.slug != slug)
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=(owner.slug,)) for owner in owners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_plain_words_stand_in_the_statement_and_all_else_beside_it() -> None:
    given = Given("round")
    spelt = spelt_out(
        "kind = %s AND zone = %s AND name LIKE '%%s' AND round = %s LIMIT %s", [RoundState.RUNNING, "it's", given, 1]
    )
    assert spelt == ("kind = 'running' AND zone = %s AND name LIKE '%%s' AND round = %s LIMIT %s", ["it's", given, 1])
