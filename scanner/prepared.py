"""Questions that are asked again and again, with other values: the SQL of each is built once.

Building a queryset, and SQL from it, takes Django five to twenty times as long as SQLite takes to answer. What is asked
for every job, host, organisation or mail goes this way; everything else is an ordinary queryset.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from enum import Enum
from itertools import chain, repeat
from typing import Any, Generic, TypeVar, cast

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.db.models import Expression, JSONField, Model, QuerySet
from django.db.models.sql import UpdateQuery
from pydantic_core import from_json

Row = TypeVar("Row", covariant=True)

_Converter = Callable[[Any, Any, Any], Any]


class Given(Expression):
    """A value of a query that is known only when it is asked: a number, text, moment, or row that stands for its key.

    None is no value: what is compared with it is asked for in another way.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def as_sql(self, compiler: Any, connection: Any) -> tuple[str, list[Given]]:  # type: ignore[override]  # bound later
        """Leave its place free."""
        del compiler, connection
        return "%s", [self]


class AnyOf:
    """Places for values in a condition that ends with ``__in``: for any number of them, ``most`` at once."""

    def __init__(self, most: int) -> None:
        self._names = [f"any {number}" for number in range(most)]

    @property
    def places(self) -> list[Any]:
        """What stands in the condition."""
        return [Given(name) for name in self._names]

    def parts(self, values: Collection[Any]) -> Iterator[dict[str, Any]]:
        """Yield what to ask with, one time after the other, until each value was asked for."""
        left = list(values)
        for at in range(0, len(left), len(self._names)):
            part = left[at : at + len(self._names)]
            yield dict(zip(self._names, chain(part, repeat(part[0])), strict=False))


class Prepared(Generic[Row]):
    """A query with :class:`Given` values in its conditions.

    ``build`` returns the queryset. It is called once for each thread; what it looks up by itself stays as it was then.
    """

    def __init__(self, build: Callable[[], QuerySet[Any, Row]]) -> None:
        self._build = build
        self._here = threading.local()

    def __call__(self, **given: Any) -> list[Row]:
        """Ask with these values, and return the rows."""
        return list(self._compiled().asked(given))

    def each(self, chunk_size: int, **given: Any) -> Iterator[Row]:
        """Ask with these values, and yield the rows, of which no more than ``chunk_size`` are held at once."""
        yield from self._compiled().asked(given).iterator(chunk_size=chunk_size)

    def first(self, **given: Any) -> Row | None:
        """Ask with these values, and return the first row, or None. The query had better end with ``[:1]``."""
        return next(iter(self(**given)), None)

    def _compiled(self) -> _Compiled[Row]:
        compiled: _Compiled[Row] | None = getattr(self._here, "compiled", None)
        if compiled is None or compiled.connection is not connections[compiled.alias]:
            compiled = self._here.compiled = _Compiled(self._build())
        return compiled


class _Compiled(Generic[Row]):
    """A queryset whose compiler answers with what it built the first time, the values put in."""

    def __init__(self, rows: QuerySet[Any, Row]) -> None:
        self.alias = rows.db
        self.connection = connections[self.alias]
        self._rows = rows
        self._given: dict[str, Any] = {}
        compiler = rows.query.get_compiler(self.alias)
        self._sql, self._values = compiler.as_sql()
        self._converters: dict[int, tuple[list[_Converter], Any]] | None = None
        self._compiler = compiler
        compiler.as_sql = self._as_sql
        compiler.get_converters = self._get_converters
        compiler.apply_converters = self._convert
        rows.query.get_compiler = lambda *_, **__: compiler  # type: ignore[method-assign]  # that is the point of it

    def asked(self, given: dict[str, Any]) -> QuerySet[Any, Row]:
        """Return the queryset for these values, to be read before the next ones are given."""
        self._given = given
        return self._rows.all()

    def _get_converters(self, expressions: Any) -> dict[int, tuple[list[_Converter], Any]]:
        if self._converters is None:
            found = type(self._compiler).get_converters(self._compiler, expressions)
            self._converters = {
                column: ([_faster(each) for each in converters], expression)
                for column, (converters, expression) in found.items()
            }
        return self._converters

    def _convert(
        self, rows: Iterable[Sequence[Any]], converters: dict[int, tuple[list[_Converter], Any]]
    ) -> Iterator[list[Any]]:
        """Turn what the database gave into what fields hold; nothing stays nothing."""
        for row in map(list, rows):
            for column, (convert, expression) in converters.items():
                value = row[column]
                if value is not None:
                    for each in convert:
                        value = each(value, expression, self.connection)
                    row[column] = value
            yield row

    def _as_sql(self, *_: Any, **__: Any) -> tuple[str, tuple[Any, ...]]:
        return self._sql, tuple(self._value(each) if isinstance(each, Given) else each for each in self._values)

    def _value(self, given: Given) -> Any:
        value = self._given[given.name]
        if value is None:
            raise ValueError(f"{given.name} must not be None: nothing equals NULL")
        return _bound(value, self.connection)


class PreparedUpdate:
    """An UPDATE with :class:`Given` values in its conditions and among those that it writes, where None is one too.

    ``build`` returns the rows that it writes ``values`` to; see :class:`Prepared`.
    """

    def __init__(self, build: Callable[[], QuerySet[Any, Any]], **values: Any) -> None:
        self._build = build
        self._written = values
        self._here = threading.local()

    def __call__(self, **given: Any) -> int:
        """Write, and return how many rows that touched."""
        connection, sql, values = self._compiled()
        bound = [_bound(given[each.name], connection) if isinstance(each, Given) else each for each in values]
        with connection.cursor() as cursor:
            cursor.execute(sql, bound)
            return int(cursor.rowcount)

    def _compiled(self) -> tuple[Any, str, Sequence[Any]]:
        compiled: tuple[Any, str, Sequence[Any]] | None = getattr(self._here, "compiled", None)
        if compiled is None or compiled[0] is not connections[DEFAULT_DB_ALIAS]:
            query = cast("UpdateQuery", self._build().query.chain(UpdateQuery))
            query.add_update_values(self._written)
            sql, values = query.get_compiler(DEFAULT_DB_ALIAS).as_sql()
            compiled = self._here.compiled = connections[DEFAULT_DB_ALIAS], sql, values
        return compiled


def _bound(value: Any, connection: Any) -> Any:
    """Return a value as the database takes it."""
    if isinstance(value, datetime):
        return connection.ops.adapt_datetimefield_value(value)
    if isinstance(value, Model):
        return value.pk
    return value.value if isinstance(value, Enum) else value


def _faster(converter: _Converter) -> _Converter:
    """Return what does the same as a converter of the database or of a field, in less time."""
    owner, function = getattr(converter, "__self__", None), getattr(converter, "__func__", None)
    if function is DatabaseWrapper.ops_class.convert_datetimefield_value:
        return _moment
    if function is JSONField.from_db_value and isinstance(owner, JSONField) and owner.decoder is None:
        return _json
    return converter


def _moment(value: datetime | str, *_: object) -> datetime:
    """Read what SQLite keeps, which is in UTC, as all that we hand it."""
    naive = datetime.fromisoformat(value) if isinstance(value, str) else value
    return naive.replace(tzinfo=UTC)


def _json(value: Any, *_: object) -> Any:
    """Read JSON; what was read already stays."""
    if not isinstance(value, str):
        return value
    try:
        return from_json(value)
    except ValueError:
        return json.loads(value)  # that knows halves of surrogate pairs, too
