"""Writes many rows of one table by a statement that is prepared once.

What rounds write for every host and finding goes this way: ``bulk_create`` and ``bulk_update`` compile each value into
the statement, which takes several times as long as everything else about it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import Any

from django.db import connection, connections
from django.db.models import Field, Model


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
        _insert(rows, f" ON CONFLICT ({same}) DO UPDATE SET {written}")


def update(rows: Sequence[Model], names: Collection[str]) -> None:
    """Write the fields ``names`` of rows of one table, each by its number; one that is gone meanwhile stays gone."""
    if rows:
        _execute(*_update(type(rows[0]), frozenset(names)), rows)


def _insert(rows: Sequence[Model], otherwise: str) -> int:
    if not rows:
        return 0
    statement, fields = _insertion(type(rows[0]))
    return _execute(statement + otherwise, fields, rows)


_Statement = tuple[str, "Sequence[Field[Any, Any]]"]
"""A statement, and the fields whose values it takes."""


@lru_cache(maxsize=64)
def _insertion(model: type[Model]) -> _Statement:
    fields = [field for field in _fields(model) if not field.primary_key]
    columns = ", ".join(map(_column, fields))
    values = ", ".join(["%s"] * len(fields))
    return f"INSERT INTO {_table(model)} ({columns}) VALUES ({values})", fields  # noqa: S608 - names of our own tables


@lru_cache(maxsize=256)
def _update(model: type[Model], names: frozenset[str]) -> _Statement:
    key = next(field for field in _fields(model) if field.primary_key)
    fields = [field for field in _fields(model) if field.name in names]
    columns = ", ".join(f"{_column(field)} = %s" for field in fields)
    return f"UPDATE {_table(model)} SET {columns} WHERE {_column(key)} = %s", [*fields, key]  # noqa: S608 - as above


def _execute(statement: str, fields: Sequence[Field[Any, Any]], rows: Sequence[Model]) -> int:
    """Execute the statement for each row, and return how many it touched together."""
    own = connections[connection.alias]  # what stands for it looks it up anew each time
    columns = [_prepared(field, rows, own) for field in fields]
    with connection.cursor() as cursor:
        cursor.executemany(statement, list(zip(*columns, strict=True)))
        return int(cursor.rowcount)


def _prepared(field: Field[Any, Any], rows: Sequence[Model], own: Any) -> list[Any]:
    """Return a column as the database takes it. What neighbours share (mostly a time, or a state) is prepared once."""
    found: list[Any] = []
    last: object = _NOTHING
    prepare, name = field.get_db_prep_save, field.attname
    for row in rows:
        value = getattr(row, name)
        if value is not last:
            prepared, last = prepare(value, own), value
        found.append(prepared)
    return found


_NOTHING = object()


def _fields(model: type[Model]) -> Sequence[Field[Any, Any]]:
    return model._meta.concrete_fields  # noqa: SLF001 - Django documents it under this name


def _table(model: type[Model]) -> str:
    return connection.ops.quote_name(model._meta.db_table)  # noqa: SLF001 - as above


def _columns(fields: Iterable[Field[Any, Any]], names: Collection[str]) -> list[str]:
    return [_column(field) for field in fields if field.name in names]


def _column(field: Field[Any, Any]) -> str:
    return connection.ops.quote_name(field.get_attname_column()[1] or "")
