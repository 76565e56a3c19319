"""Questions that are asked again and again, with other values: the SQL of each is built once.

Building a queryset, and SQL from it, takes Django five to twenty times as long as SQLite takes to answer. What is asked
for every job, host, organisation or mail goes this way; everything else is an ordinary queryset.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import datetime
from enum import Enum
from typing import Any, Generic, TypeVar

from django.db import connections
from django.db.models import Expression, Model, QuerySet

Row = TypeVar("Row", covariant=True)


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
        converters: list[Any] = []

        def get_converters(expressions: Any) -> Any:
            if not converters:
                converters.append(type(compiler).get_converters(compiler, expressions))
            return converters[0]

        compiler.as_sql = self._bound
        compiler.get_converters = get_converters
        rows.query.get_compiler = lambda *_, **__: compiler  # type: ignore[method-assign]  # that is the point of it

    def asked(self, given: dict[str, Any]) -> QuerySet[Any, Row]:
        """Return the queryset for these values, to be read before the next ones are given."""
        self._given = given
        return self._rows.all()

    def _bound(self, *_: Any, **__: Any) -> tuple[str, tuple[Any, ...]]:
        return self._sql, tuple(self._value(each) if isinstance(each, Given) else each for each in self._values)

    def _value(self, given: Given) -> Any:
        value = self._given[given.name]
        if value is None:
            raise ValueError(f"{given.name} must not be None: nothing equals NULL")
        if isinstance(value, datetime):
            return self.connection.ops.adapt_datetimefield_value(value)
        if isinstance(value, Model):
            return value.pk
        return value.value if isinstance(value, Enum) else value
