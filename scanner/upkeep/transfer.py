"""Carries all rows of one database over to another, of the same or the other kind, and proves that all arrived.

Both were brought to the newest form before. Rows keep their numbers, and counting goes on from the last one given, so
that none is given twice. Each table is compared by the number of its rows and a sum of their hashes, which no order
changes; only then is anything committed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, DataError, connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.recorder import MigrationRecorder

from scanner.database import configured
from scanner.engine.errors import InputError, RoundsmanError
from scanner.postgresql.base import as_kept

AT_ONCE = 200
"""Rows that are read and written at a time; facts of a host may be long."""

_MADE_BY_MIGRATING = ("django_content_type", "auth_permission")
"""Tables that are never empty; their rows are exchanged."""


@dataclass(frozen=True, slots=True)
class Sum:
    """What is known of a table: how many rows, and the sum of their SHA-256 modulo 2**256."""

    rows: int = 0
    digest: int = 0

    def plus(self, row: tuple[object, ...]) -> Sum:
        """Return the sum with one more row."""
        text = json.dumps([_canonical(value) for value in row], sort_keys=True)
        more = int.from_bytes(hashlib.sha256(text.encode()).digest())
        return Sum(self.rows + 1, (self.digest + more) % (1 << 256))


@contextmanager
def opened(alias: str, settings: Mapping[str, Any]) -> Iterator[str]:
    """Let Django know another database by this name, while the block lasts."""
    connections.settings[alias] = connections.configure_settings({"default": {}, alias: dict(settings)})[alias]
    try:
        yield alias
    finally:
        connections[alias].close()
        del connections[alias]
        del connections.settings[alias]


@contextmanager
def as_default(settings: Mapping[str, Any]) -> Iterator[None]:
    """Let Django use another database in place of the usual one, while the block lasts."""
    before = connections.settings[DEFAULT_DB_ALIAS]
    connections[DEFAULT_DB_ALIAS].close()
    del connections[DEFAULT_DB_ALIAS]
    connections.settings[DEFAULT_DB_ALIAS] = connections.configure_settings({DEFAULT_DB_ALIAS: dict(settings)})[
        DEFAULT_DB_ALIAS
    ]
    try:
        yield
    finally:
        connections[DEFAULT_DB_ALIAS].close()
        del connections[DEFAULT_DB_ALIAS]
        connections.settings[DEFAULT_DB_ALIAS] = before


def file_in(folder: Path) -> dict[str, Any]:
    """Return Django's settings of the SQLite database of a folder."""
    return configured("", "", folder)


def is_empty(alias: str) -> bool:
    """Tell whether nobody has ever used a database, beyond bringing it to the newest form."""
    return not any(_rows(model, alias).exists() for model in _models() if _table(model) not in _MADE_BY_MIGRATING)


def carry_over(source: str, to: str) -> dict[str, Sum]:
    """Copy every row from one database to another, which is empty; return what each table holds now.

    The source is read as it is at one moment, whoever writes meanwhile. Raises ``InputError`` when the other holds
    rows or a row does not fit; ``RoundsmanError`` when not all arrived. Then the other is as it was.
    """
    _refuse_other_form(source, to)
    if not is_empty(to):
        raise InputError("The database to fill holds something already. Make a new one, and nothing can be lost.")
    with transaction.atomic(using=source), transaction.atomic(using=to):
        _at_one_moment(connections[source])
        _unhurried(connections[to])
        for table in _MADE_BY_MIGRATING[::-1]:
            with connections[to].cursor() as cursor:
                cursor.execute(f"DELETE FROM {table}")  # noqa: S608 - one of two names above
        sent = {_table(model): _copy(model, source, to) for model in _models()}
        came = {_table(model): _sum(model, to) for model in _models()}
        wrong = sorted(table for table in sent if sent[table] != came[table])
        if wrong:
            raise RoundsmanError(f"Not all rows arrived as they were in {', '.join(wrong)}; nothing was kept of them.")
        _count_on(connections[source], connections[to])
    return came


def _models() -> list[type[models.Model]]:
    return [model for model in apps.get_models(include_auto_created=True) if not model._meta.proxy]  # noqa: SLF001 - Django documents it under this name


def _table(model: type[models.Model]) -> str:
    return model._meta.db_table  # noqa: SLF001 - as above


def _fields(model: type[models.Model]) -> tuple[models.Field[Any, Any], ...]:
    return tuple(model._meta.concrete_fields)  # noqa: SLF001 - as above


def _rows(model: type[models.Model], alias: str) -> models.QuerySet[models.Model]:
    return model._base_manager.using(alias)  # noqa: SLF001 - Django documents it under this name


def _read(model: type[models.Model], alias: str) -> Iterator[tuple[Any, ...]]:
    names = [field.attname for field in _fields(model)]
    return _rows(model, alias).order_by("pk").values_list(*names).iterator(chunk_size=AT_ONCE)


def _copy(model: type[models.Model], source: str, to: str) -> Sum:
    connection, fields, total = connections[to], _fields(model), Sum()
    columns = ", ".join(connection.ops.quote_name(field.get_attname_column()[1] or "") for field in fields)
    places = ", ".join(["%s"] * len(fields))
    statement = f"INSERT INTO {connection.ops.quote_name(_table(model))} ({columns}) VALUES ({places})"  # noqa: S608 - names of our own tables
    reading = _read(model, source)
    while rows := list(islice(reading, AT_ONCE)):
        for row in rows:
            total = total.plus(row)
        values = [
            [
                field.get_db_prep_save(as_kept(value) if isinstance(value, str) else value, connection)
                for field, value in zip(fields, row, strict=True)
            ]
            for row in rows
        ]
        try:
            with connection.cursor() as cursor:
                cursor.executemany(statement, values)
        except DataError as error:
            raise InputError(f"A row of {_table(model)} does not fit: {str(error).strip()}") from error
    return total


def _sum(model: type[models.Model], alias: str) -> Sum:
    total = Sum()
    for row in _read(model, alias):
        total = total.plus(row)
    return total


def _canonical(value: Any) -> object:
    """One form for what the databases give back in several."""
    match value:
        case bytes() | memoryview():
            return hashlib.sha256(value).hexdigest()
        case datetime():
            return value.astimezone(UTC).isoformat()
        case float() if value.is_integer():
            return int(value)
        case list() | tuple():
            return [_canonical(each) for each in value]
        case dict():
            return {as_kept(key): _canonical(each) for key, each in value.items()}
        case None | bool() | int() | float():
            return value
        case _:
            return as_kept(str(value))


def _refuse_other_form(source: str, to: str) -> None:
    forms = [set(MigrationRecorder(connections[alias]).applied_migrations()) for alias in (source, to)]
    if forms[0] != forms[1]:
        raise InputError("The two databases are of different versions; bring both up to date first.")


def _at_one_moment(connection: BaseDatabaseWrapper) -> None:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    _unhurried(connection)


def _unhurried(connection: BaseDatabaseWrapper) -> None:
    """Let a transaction wait for the other database as long as it takes."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")


def _count_on(source: BaseDatabaseWrapper, to: BaseDatabaseWrapper) -> None:
    """Let numbers of new rows begin where those of the source would."""
    for table, last in _numbers(source).items():
        with to.cursor() as cursor:
            if to.vendor == "postgresql":
                cursor.execute("SELECT setval(pg_get_serial_sequence(%s, 'id'), %s)", [f'"{table}"', last])
            else:
                cursor.execute("UPDATE sqlite_sequence SET seq = %s WHERE name = %s", [last, table])
                cursor.execute(
                    "INSERT INTO sqlite_sequence (name, seq) SELECT %s, %s "
                    "WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = %s)",
                    [table, last, table],
                )


def _numbers(connection: BaseDatabaseWrapper) -> dict[str, int]:
    """Return the last number that each table has given."""
    ours = {_table(model) for model in _models()}
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name, seq FROM sqlite_sequence")
        else:
            cursor.execute(
                "SELECT t.relname, pg_sequence_last_value(s.oid) FROM pg_class s JOIN pg_depend d ON d.objid = s.oid "
                "JOIN pg_class t ON t.oid = d.refobjid WHERE s.relkind = 'S' AND d.deptype IN ('a', 'i')"
            )
        return {table: last for table, last in cursor.fetchall() if table in ours and last}
