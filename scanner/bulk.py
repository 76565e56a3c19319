"""Writes many rows of one table by a statement that is prepared once.

What rounds write for every host and finding goes this way: ``bulk_create`` and ``bulk_update`` compile each value into
the statement, which takes several times as long as everything else about it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from django.db import connection, connections
from django.db.models import Field, Model


def insert(rows: Sequence[Model]) -> None:
    """Insert rows of one table that have no number yet. Raises ``IntegrityError`` where that breaks a constraint.

    The rows are not given their numbers.
    """
    _insert(rows, "")


def insert_missing(rows: Sequence[Model]) -> None:
    """Insert rows of one table that have no number yet; what breaks a unique constraint is there already, and stays.

    The rows are not given their numbers.
    """
    _insert(rows, " ON CONFLICT DO NOTHING")


def insert_or_update(rows: Sequence[Model], unique: Collection[str], names: Collection[str]) -> None:
    """Insert rows of one table that have no number yet; where one with the same ``unique`` fields is there already, its
    fields ``names`` are written instead.

    The rows are not given their numbers.
    """
    if rows:
        fields = _fields(rows)
        same = ", ".join(_columns(fields, unique))
        written = ", ".join(f"{column} = EXCLUDED.{column}" for column in _columns(fields, names))
        _insert(rows, f" ON CONFLICT ({same}) DO UPDATE SET {written}")


def _insert(rows: Sequence[Model], otherwise: str) -> None:
    if rows:
        fields = [field for field in _fields(rows) if not field.primary_key]
        columns = ", ".join(map(_column, fields))
        values = ", ".join(["%s"] * len(fields))
        statement = f"INSERT INTO {_table(rows)} ({columns}) VALUES ({values}){otherwise}"  # noqa: S608 - names of our own tables
        _execute(statement, rows, fields)


def update(rows: Sequence[Model], names: Collection[str]) -> None:
    """Write the fields ``names`` of rows of one table, each by its number; one that is gone meanwhile stays gone."""
    if rows:
        key = next(field for field in _fields(rows) if field.primary_key)
        fields = [field for field in _fields(rows) if field.name in names]
        columns = ", ".join(f"{column} = %s" for column in _columns(fields, names))
        statement = f"UPDATE {_table(rows)} SET {columns} WHERE {_column(key)} = %s"  # noqa: S608 - as above
        _execute(statement, rows, [*fields, key])


def _execute(statement: str, rows: Sequence[Model], fields: Sequence[Field[Any, Any]]) -> None:
    columns = [_prepared(field, rows) for field in fields]
    with connection.cursor() as cursor:
        cursor.executemany(statement, list(zip(*columns, strict=True)))


def _prepared(field: Field[Any, Any], rows: Sequence[Model]) -> list[Any]:
    """Return a column as the database takes it. What neighbours share (mostly a time, or a state) is prepared once."""
    found: list[Any] = []
    last: object = _NOTHING
    own = connections[connection.alias]  # what stands for it looks it up anew each time
    prepare, name = field.get_db_prep_save, field.attname
    for row in rows:
        value = getattr(row, name)
        if value is not last:
            prepared, last = prepare(value, own), value
        found.append(prepared)
    return found


_NOTHING = object()


def _fields(rows: Sequence[Model]) -> Sequence[Field[Any, Any]]:
    return rows[0]._meta.concrete_fields  # noqa: SLF001 - Django documents it under this name


def _table(rows: Sequence[Model]) -> str:
    return connection.ops.quote_name(rows[0]._meta.db_table)  # noqa: SLF001 - as above


def _columns(fields: Iterable[Field[Any, Any]], names: Collection[str]) -> list[str]:
    return [_column(field) for field in fields if field.name in names]


def _column(field: Field[Any, Any]) -> str:
    return connection.ops.quote_name(field.get_attname_column()[1] or "")
