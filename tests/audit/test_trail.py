"""The audit trail: what it keeps, and every way of tampering with it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest
from django.db import DatabaseError, connection, transaction

from scanner.audit.models import Entry
from scanner.audit.trail import Action, Break, digest_of, head, record, verify
from tests.audit.tampering import tamper

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 11, 2, 8, 30, 0, 250_000, tzinfo=dt.UTC)


def acts(number: int = 5) -> list[Entry]:
    return [
        record(Action.ROUND_REQUESTED, f"round {each}", actor="alice", at=NOW, ports="80") for each in range(number)
    ]


def test_an_empty_trail_is_whole() -> None:
    verdict = verify()
    assert (verdict.is_whole, verdict.entries, verdict.head, head()) == (True, 0, "", "")


def test_each_entry_holds_the_digest_of_the_one_before() -> None:
    first, second, third = acts(3)
    assert (first.previous, second.previous, third.previous) == ("", first.digest, second.digest)
    verdict = verify()
    assert (verdict.is_whole, verdict.entries, verdict.head) == (True, 3, third.digest == head() and third.digest)


def test_what_is_kept_reads_back_to_the_same_digest_whatever_it_holds() -> None:
    shanghai = dt.timezone(dt.timedelta(hours=8))
    record(
        Action.AUTHORISATION_ADDED,
        "单位 水务局\0\udcff" + "x" * 400,
        actor="root (sudo by alice)" * 20,
        at=NOW.astimezone(shanghai),
        until=NOW.astimezone(shanghai),
        scope={"b", "a"},
        share=0.1,
        nested={"list": (1, None, True, "\ud800"), Action.STOP: Action.RESUME},
    )
    entry = Entry.objects.get()
    assert verify().is_whole
    assert (len(entry.actor), len(entry.subject), entry.at) == (200, 300, NOW)
    assert entry.detail == {
        "until": "2026-11-02T08:30:00.250000Z",
        "scope": ["a", "b"],
        "share": "0.1",
        "nested": {"list": [1, None, True, "\\ud800"], "stop": "resume"},
    }


def test_a_time_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        record(Action.STOP, "", actor="alice", at=NOW.replace(tzinfo=None))
    assert not Entry.objects.exists()


def test_an_act_that_is_rolled_back_leaves_no_entry() -> None:
    with transaction.atomic():
        acts(2)
        transaction.set_rollback(True)
    assert verify().entries == 0


@pytest.mark.parametrize(
    "change",
    [
        lambda: Entry.objects.get(subject="round 1").save(),
        lambda: Entry.objects.get(subject="round 1").delete(),
        lambda: Entry.objects.update(actor="bob"),
        lambda: Entry.objects.filter(subject="round 1").delete(),
        lambda: Entry.objects.bulk_update(Entry.objects.all(), ["actor"]),
    ],
)
def test_the_models_only_add(change: Callable[[], object]) -> None:
    acts()
    with pytest.raises(TypeError, match="only added to"):
        change()


def test_the_database_refuses_a_change_by_plain_sql() -> None:
    acts()
    with pytest.raises(DatabaseError, match="only added to"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE audit_entry SET actor = 'bob'")
    assert verify().is_whole


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("at", "2026-11-02 08:30:00.250001"),
        ("actor", "bob"),
        ("action", "stop"),
        ("subject", "round 7"),
        ("detail", '{"ports": "81"}'),
        ("previous", "0" * 64),
        ("digest", "0" * 64),
    ],
)
def test_a_change_of_any_field_is_found(column: str, value: str) -> None:
    third = acts()[2]
    tamper(f"UPDATE audit_entry SET {column} = %s WHERE id = %s", value, third.pk)
    verdict = verify()
    assert (verdict.broken, verdict.number, verdict.entries) == (Break.CHANGED, third.pk, 2)


def test_a_change_with_a_digest_made_anew_is_found_at_the_next_entry() -> None:
    third, fourth = acts()[2:4]
    third.actor = "bob"
    tamper("UPDATE audit_entry SET actor = 'bob', digest = %s WHERE id = %s", digest_of(third), third.pk)
    verdict = verify()
    assert (verdict.broken, verdict.number) == (Break.TAKEN_OUT, fourth.pk)


@pytest.mark.parametrize("taken", [0, 2])
def test_an_entry_that_was_taken_out_is_found(taken: int) -> None:
    entries = acts()
    tamper("DELETE FROM audit_entry WHERE id = %s", entries[taken].pk)
    verdict = verify()
    assert (verdict.broken, verdict.number, verdict.entries) == (Break.TAKEN_OUT, entries[taken + 1].pk, taken)


def test_an_entry_that_was_put_in_is_found() -> None:
    entries = acts()
    third = entries[2]
    tamper("UPDATE audit_entry SET id = id + 100 WHERE id > %s", third.pk)
    forged = Entry(pk=third.pk + 1, at=NOW, actor="mallory", action="resume", previous="f" * 64)
    forged.digest = digest_of(forged)
    Entry.objects.bulk_create([forged])
    verdict = verify()
    assert (verdict.broken, verdict.number) == (Break.PUT_IN, forged.pk)


def test_a_cut_end_is_found_by_a_digest_that_was_noted() -> None:
    entries = acts()
    noted = head()
    acts(2)
    assert verify(noted).is_whole
    tamper("DELETE FROM audit_entry WHERE id >= %s", entries[4].pk)
    assert verify().is_whole
    assert verify(noted).broken is Break.CUT


def test_a_chain_longer_than_a_chunk_is_walked_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scanner.audit.trail.CHUNK", 3)
    acts(10)
    assert verify().entries == 10
