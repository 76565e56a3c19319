"""The sums by which a copy of a table is compared with it."""

from __future__ import annotations

import datetime as dt

from scanner.upkeep.transfer import Sum

NOW = dt.datetime(2026, 11, 2, 8, 30, tzinfo=dt.UTC)
ROWS: list[tuple[object, ...]] = [(1, "water", NOW, b"facts", {"a": [1, 2.5]}), (2, "roads", None, b"", {})]


def total(rows: list[tuple[object, ...]]) -> Sum:
    found = Sum()
    for row in rows:
        found = found.plus(row)
    return found


def test_the_order_of_rows_makes_no_difference_and_everything_else_does() -> None:
    assert total(ROWS) == total(ROWS[::-1])
    assert total(ROWS) != total(ROWS[:1])
    assert total(ROWS) != total([*ROWS, ROWS[0]])
    for number, other in enumerate((3, "Water", NOW + dt.timedelta(microseconds=1), b"Facts", {"a": [2, 2.5]})):
        changed = list(ROWS[0])
        changed[number] = other
        assert total(ROWS) != total([tuple(changed), ROWS[1]])


def test_what_databases_give_back_in_several_forms_is_the_same() -> None:
    shanghai = NOW.astimezone(dt.timezone(dt.timedelta(hours=8)))
    assert total([(shanghai, memoryview(b"facts"), 2.0, "a\0b", {"b": 1, "a": 1e22})]) == total(
        [(NOW, b"facts", 2, "a\\0b", {"a": 10**22, "b": 1})]
    )
