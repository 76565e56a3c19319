"""Writes many rows of one table by a statement that is prepared once.

What rounds write for every host and finding goes this way: ``bulk_create`` and ``bulk_update`` compile each value into
the statement, which takes several times as long as everything else about it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from enum import Enum
from functools import lru_cache
from itertools import chain
from typing import Any

from django.db import connection, connections
from django.db.models import DateTimeField, Field, Model


def insert(rows: Sequence[Model]) -> None:
    """Insert rows of one table that have no number yet. Raises ``IntegrityError`` where that breaks a constraint.

    The rows are not given their numbers.
    """
    _insert(rows, "")


def insert_missing(rows: Sequence[Model]) -> int:
    """Insert rows of one table that have no number yet, and return how many those were; what breaks a unique constraint
    is there already, and stays.

    The rows are not given their numbers.
    """
    return _insert(rows, " ON CONFLICT DO NOTHING")


def insert_or_update(rows: Sequence[Model], unique: Collection[str], names: Collection[str]) -> None:
    """Insert rows of one table that have no number yet; where one with the same ``unique`` fields is there already, its
    fields ``names`` are written instead.

    The rows are not given their numbers.
    """
    if rows:
        fields = _fields(type(rows[0]))
        same = ", ".join(_columns(fields, unique))
        written = ", ".join(f"{column} = EXCLUDED.{column}" for column in _columns(fields, names))
        # One by one: PostgreSQL refuses a statement that would write a row twice.
        _execute(
            f"{_insertion(type(rows[0]), 1)} ON CONFLICT ({same}) DO UPDATE SET {written}", _inserted(fields), rows
        )


def update(rows: Sequence[Model], names: Collection[str]) -> None:
    """Write the fields ``names`` of rows of one table, each by its number; one that is gone meanwhile stays gone."""
    if rows:
        _execute(*_update(type(rows[0]), frozenset(names)), rows)


def _insert(rows: Sequence[Model], otherwise: str) -> int:
    """Insert as many rows as can be by statements for ``_TOGETHER`` rows, and return how many that made."""
    if not rows:
        return 0
    model, whole = type(rows[0]), len(rows) - len(rows) % _TOGETHER
    fields = _inserted(_fields(model))
    made = _execute(_insertion(model, _TOGETHER) + otherwise, fields, rows[:whole], _TOGETHER)
    return made + _execute(_insertion(model, 1) + otherwise, fields, rows[whole:])


_TOGETHER = 8
"""Rows of one INSERT. SQLite builds the lists of a table's checks and partial indexes (``kind IN (...)``) anew for each
statement, which took as long as inserting the row."""

_Statement = tuple[str, "Sequence[Field[Any, Any]]"]
"""A statement, and the fields whose values it takes."""


@lru_cache(maxsize=64)
def _insertion(model: type[Model], rows: int) -> str:
    fields = _inserted(_fields(model))
    columns = ", ".join(map(_column, fields))
    values = ", ".join([f"({', '.join(['%s'] * len(fields))})"] * rows)
    return f"INSERT INTO {_table(model)} ({columns}) VALUES {values}"  # noqa: S608 - names of our own tables


def _inserted(fields: Iterable[Field[Any, Any]]) -> list[Field[Any, Any]]:
    return [field for field in fields if not field.primary_key]


@lru_cache(maxsize=256)
def _update(model: type[Model], names: frozenset[str]) -> _Statement:
    key = next(field for field in _fields(model) if field.primary_key)
    fields = [field for field in _fields(model) if field.name in names]
    columns = ", ".join(f"{_column(field)} = %s" for field in fields)
    return f"UPDATE {_table(model)} SET {columns} WHERE {_column(key)} = %s", [*fields, key]  # noqa: S608 - as above


def _execute(statement: str, fields: Sequence[Field[Any, Any]], rows: Sequence[Model], together: int = 1) -> int:
    """Execute the statement, which takes so many rows at a time, for all; return how many it touched."""
    if not rows:
        return 0
    own = connections[connection.alias]  # what stands for it looks it up anew each time
    columns = [_prepared(field, rows, own) for field in fields]
    values = list(zip(*columns, strict=True))
    parts = [tuple(chain.from_iterable(values[at : at + together])) for at in range(0, len(values), together)]
    with connection.cursor() as cursor:
        cursor.executemany(statement, parts)
        return int(cursor.rowcount)


def _prepared(field: Field[Any, Any], rows: Sequence[Model], own: Any) -> list[Any]:
    """Return a column as the database takes it. What neighbours share (mostly a time, or a state) is prepared once."""
    found: list[Any] = []
    last: object = _NOTHING
    prepare, name = _preparing(field, own), field.attname
    for row in rows:
        value = getattr(row, name)
        if value is not last:
            prepared, last = prepare(value), value
        found.append(prepared)
    return found


def _preparing(field: Field[Any, Any], own: Any) -> Callable[[Any], Any]:
    """Return what turns a value into what the database takes: moments, as we have no others, without Django's detours,
    and words without their enumeration, which Python's SQLite would ask for an adapter."""
    if isinstance(field, DateTimeField):
        adapt: Callable[[Any], Any] = own.ops.adapt_datetimefield_value
        return adapt
    return lambda value: _as_such(field.get_db_prep_save(value, own))


def _as_such(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value


_NOTHING = object()


def _fields(model: type[Model]) -> Sequence[Field[Any, Any]]:
    return model._meta.concrete_fields  # noqa: SLF001 - Django documents it under this name


def _table(model: type[Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)  # noqa: SLF001 - as above


def _columns(fields: Iterable[Field[Any, Any]], names: Collection[str]) -> list[str]:
    return [_column(field) for field in fields if field.name in names]


def _column(field: Field[Any, Any]) -> str:
    return connection.ops.quote_name(field.get_attname_column()[1] or "")
