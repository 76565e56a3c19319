"""Questions that are asked again and again, with other values: the SQL of each is built once.

Building a queryset, and SQL from it, takes Django five to twenty times as long as SQLite takes to answer. What is asked
for every job, host, organisation or mail goes this way; everything else is an ordinary queryset.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from itertools import chain, repeat
from typing import Any, Generic, TypeVar, cast

import orjson
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.sqlite3.base import DatabaseWrapper
from django.db.models import Expression, JSONField, Model, QuerySet
from django.db.models.query import (
    FlatValuesListIterable,
    ModelIterable,
    NamedValuesListIterable,
    ValuesListIterable,
    get_related_populators,
)
from django.db.models.sql import UpdateQuery
from django.db.models.utils import create_namedtuple_class

from scanner.literal import spelt_out

Row = TypeVar("Row", covariant=True)

_Converter = Callable[[Any, Any, Any], Any]
_Column = Callable[[Sequence[Any]], Sequence[Any]]


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
        return self._compiled().all(given)

    def each(self, chunk_size: int, **given: Any) -> Iterator[Row]:
        """Ask with these values, and yield the rows, of which no more than ``chunk_size`` are held at once."""
        yield from self._compiled().chunks(given, chunk_size)

    def first(self, **given: Any) -> Row | None:
        """Ask with these values, and return the first row, or None. The query had better end with ``[:1]``."""
        return next(iter(self(**given)), None)

    def _compiled(self) -> _Compiled[Row]:
        compiled: _Compiled[Row] | None = getattr(self._here, "compiled", None)
        if compiled is None or compiled.connection is not connections[DEFAULT_DB_ALIAS]:
            compiled = self._here.compiled = _Compiled(self._build())
        return compiled


class _Compiled(Generic[Row]):
    """What a queryset asks, and how it makes rows of the answer, both found out once."""

    def __init__(self, rows: QuerySet[Any, Row]) -> None:
        self.connection = connections[rows.db]
        compiler: Any = rows.query.get_compiler(rows.db)
        self._sql, self._values = spelt_out(*compiler.as_sql())
        converters = compiler.get_converters([each for each, *_ in compiler.select[: compiler.col_count]])
        self._columns = [
            (at, _of_column(convert, expression, self.connection)) for at, (convert, expression) in converters.items()
        ]
        self._shaped = _shape(rows, compiler)

    def all(self, given: Mapping[str, Any]) -> list[Row]:
        """Return all rows for these values."""
        with self.connection.cursor() as cursor:
            cursor.execute(self._sql, self._bound(given))
            return self._rows(cursor.fetchall())

    def chunks(self, given: Mapping[str, Any], size: int) -> Iterator[Row]:
        """Yield the rows for these values, read ``size`` at a time."""
        with self.connection.chunked_cursor() as cursor:
            cursor.execute(self._sql, self._bound(given))
            while part := cursor.fetchmany(size):
                yield from self._rows(part)

    def _bound(self, given: Mapping[str, Any]) -> list[Any]:
        return [self._value(each.name, given) if isinstance(each, Given) else each for each in self._values]

    def _value(self, name: str, given: Mapping[str, Any]) -> Any:
        if given[name] is None:
            raise ValueError(f"{name} must not be None: nothing equals NULL")
        return _bound(given[name], self.connection)

    def _rows(self, answer: Sequence[Sequence[Any]]) -> list[Row]:
        """Turn what the database gave into what fields hold, column by column, and into rows."""
        if not self._columns or not answer:
            return self._shaped(answer)
        columns: list[Sequence[Any]] = list(zip(*answer, strict=True))
        for at, converted in self._columns:
            columns[at] = converted(columns[at])
        return self._shaped(zip(*columns, strict=True))


def _shape(rows: QuerySet[Any, Row], compiler: Any) -> Callable[[Iterable[Sequence[Any]]], list[Row]]:
    """Return what makes the queryset's rows of the database's: tuples, single values, or objects of its model."""
    way: Any = rows._iterable_class  # noqa: SLF001 - nothing public tells it
    if way is FlatValuesListIterable:
        return lambda found: [value for (value,) in found]
    if way is NamedValuesListIterable:
        names = rows._fields  # type: ignore[attr-defined]  # what was asked for by name
        make: Any = create_namedtuple_class(*names)._make
        return lambda found: list(map(make, found))
    if way is ValuesListIterable:
        return lambda found: list(map(tuple, found))  # type: ignore[arg-type]  # that is its kind of row
    if way is ModelIterable and not compiler.annotation_col_map:
        return _model_rows(rows, compiler)
    raise TypeError(f"A prepared query gives no rows of {way.__name__}.")


def _model_rows(rows: QuerySet[Any, Row], compiler: Any) -> Callable[[Iterable[Sequence[Any]]], list[Row]]:
    """Return what makes objects of a model, and of those that its rows refer to, as Django's own querysets do."""
    model, places, alias = compiler.klass_info["model"], compiler.klass_info["select_fields"], rows.db
    first, end = places[0], places[-1] + 1
    names = [each.target.attname for each, *_ in compiler.select[first:end]]
    populators: Any = get_related_populators  # whose further parameter in Django 6.1 has to wait for that
    related = populators(compiler.klass_info, compiler.select, alias)

    def made(row: Sequence[Any]) -> Row:
        found = model.from_db(alias, names, row[first:end])
        for each in related:
            each.populate(row, found)
        return cast("Row", found)

    return lambda found: list(map(made, found))


def _of_column(converters: Sequence[_Converter], expression: Any, connection: Any) -> _Column:
    """Return what turns a column of what the database gave into what the field holds; nothing stays nothing."""
    if converters and all(map(_reads_moments, converters)):
        return _moments
    if converters and all(map(_reads_booleans, converters)):
        return _booleans
    if converters and all(map(_reads_json, converters)):
        return _documents

    def converted(value: Any) -> Any:
        for each in converters:
            value = each(value, expression, connection)
        return value

    return lambda column: [None if value is None else converted(value) for value in column]


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


def _reads_moments(converter: _Converter) -> bool:
    return getattr(converter, "__func__", None) is DatabaseWrapper.ops_class.convert_datetimefield_value


def _moments(column: Sequence[Any]) -> list[Any]:
    """Read what SQLite keeps, which is in UTC, as all that we hand it. Most moments stand in several rows."""
    read = {value: None if value is None else _moment(value) for value in set(column)}
    return [read[value] for value in column]


def _moment(value: datetime | str) -> datetime:
    naive = datetime.fromisoformat(value) if isinstance(value, str) else value
    return naive.replace(tzinfo=UTC)


def _reads_booleans(converter: _Converter) -> bool:
    return getattr(converter, "__func__", None) is DatabaseWrapper.ops_class.convert_booleanfield_value


def _booleans(column: Sequence[Any]) -> list[Any]:
    """Read what SQLite keeps as 0 and 1; nothing stays nothing."""
    return [bool(value) if value in (0, 1) else value for value in column]


def _reads_json(converter: _Converter) -> bool:
    owner, function = getattr(converter, "__self__", None), getattr(converter, "__func__", None)
    return function is JSONField.from_db_value and isinstance(owner, JSONField) and owner.decoder is None


def _documents(column: Sequence[Any]) -> list[Any]:
    """Read JSON; what was read already stays."""
    return [_json(value) if isinstance(value, str) else value for value in column]


def _json(value: str) -> Any:
    try:
        return orjson.loads(value)
    except ValueError:
        return json.loads(value)  # that knows halves of surrogate pairs, too
