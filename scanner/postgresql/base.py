"""The database backend; Django finds it by the name of this module."""

from __future__ import annotations

import json
from typing import Any

from django.db.backends.postgresql import base, operations
from django.db.backends.postgresql.psycopg_any import Jsonb

_UNKEPT = ("\\u0000", "\\ud8", "\\ud9", "\\uda", "\\udb", "\\udc", "\\udd", "\\ude", "\\udf")
"""How JSON in ASCII writes what PostgreSQL refuses: NUL, and halves of surrogate pairs that may lack the other one."""


class DatabaseOperations(operations.DatabaseOperations):
    """Keeps any JSON. What hosts say may hold what ``jsonb`` refuses, and no host may keep a round from its end."""

    def adapt_json_value(self, value: Any, encoder: type[json.JSONEncoder] | None) -> Any:
        """Return the value as the driver takes it, NUL and lone halves of surrogate pairs escaped."""
        text = json.dumps(value, cls=encoder)
        if any(mark in text for mark in _UNKEPT):
            text = json.dumps(as_kept(json.loads(text)))
        return Jsonb(value, dumps=lambda _: text)


def as_kept(value: Any) -> Any:
    """Return text, or all text of a JSON value, as PostgreSQL keeps it: NUL and halves of surrogate pairs escaped."""
    match value:
        case str():
            return value.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()
        case list():
            return [as_kept(each) for each in value]
        case dict():
            return {as_kept(key): as_kept(each) for key, each in value.items()}
        case _:
            return value


class DatabaseWrapper(base.DatabaseWrapper):
    """Connects anew where the server has ended the connection, as it does when it is restarted.

    Django does so between web requests only; a thread that works on for months has none. What was in work when the
    connection ended fails nevertheless: nobody can tell whether it was committed.
    """

    ops_class = DatabaseOperations

    def ensure_connection(self) -> None:
        """Connect, where there is no connection or it is found closed outside a transaction."""
        if self.connection is not None and self.connection.closed and not self.in_atomic_block:
            self.close()
        super().ensure_connection()
