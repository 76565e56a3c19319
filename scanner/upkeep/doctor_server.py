"""What the doctor looks at in a PostgreSQL database."""

from __future__ import annotations

from typing import Any

from django.db import DatabaseError, connection

from scanner.database import place
from scanner.rounds.fleet import awaited_zones, deserted_zones, processes
from scanner.upkeep.health import Check, fail, ok, some, warn

OLDEST = 140_000
"""PostgreSQL 14, the oldest that Django 5.2 works with."""

LONGEST = 5 * 60
"""Seconds that a transaction should take at most; ours take milliseconds, and a long report some seconds."""

FULL = 0.8
"""The part of the server's connections from which on it is time to allow more."""


def answers() -> Check:
    """It must answer, be new enough, and be one that is written to."""
    try:
        version, shown, standby, size = _row(
            "SELECT current_setting('server_version_num')::int, current_setting('server_version'), "
            "pg_is_in_recovery(), pg_database_size(current_database())"
        )
    except DatabaseError as error:
        todo = "Does it run, and is ROUNDSMAN_DATABASE right? The server's own log says more."
        return fail("database", f"{place(connection.settings_dict)}: {str(error).strip()}", todo)
    if version < OLDEST:
        return fail("database", f"PostgreSQL {shown}", "Upgrade the server to PostgreSQL 14 or newer.")
    if standby:
        todo = "Let ROUNDSMAN_DATABASE lead to the primary (target_session_attrs=read-write)."
        return fail("database", "the server is a standby, which nobody can write to", todo)
    return ok("database", f"PostgreSQL {shown}, {place(connection.settings_dict)}, {size / 1e6:.0f} MB")


def text() -> Check:
    """Text of every language must fit, and be sorted alike on every server."""
    encoding, collation = _row(
        "SELECT pg_encoding_to_char(encoding), datcollate FROM pg_database WHERE datname = current_database()"
    )
    seen = f"{encoding}, sorted by {collation}"
    if encoding != "UTF8":
        return fail("database text", seen, "Make it anew: createdb --encoding=UTF8 --template=template0, and restore.")
    if collation not in ("C", "POSIX", "C.UTF-8", "C.utf8", "C.UTF8"):
        todo = "Lists are sorted otherwise than in SQLite. createdb --locale=C.UTF-8 makes one that sorts alike."
        return warn("database text", seen, todo)
    return ok("database text", seen)


def transactions() -> Check:
    """A transaction that never ends keeps rows locked, and their old versions from being cleared away."""
    (age,) = _row(
        "SELECT coalesce(extract(epoch FROM max(now() - xact_start)), 0)::int FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    if age > LONGEST:
        todo = "SELECT * FROM pg_stat_activity ORDER BY xact_start; tells whose it is."
        return warn("transactions", f"one has been open for {age} s", todo)
    return ok("transactions", f"the oldest is {age} s old")


def connections() -> Check:
    """Each thread that works, and each page that is being made, holds one."""
    used, most = _row("SELECT count(*), current_setting('max_connections')::int FROM pg_stat_activity")
    seen = f"{used} of {most} in use"
    if used > FULL * most:
        return warn("connections", seen, "Raise max_connections of the server.")
    return ok("connections", seen)


def workers() -> Check:
    """Whether somebody looks at the hosts of each zone, and by which version."""
    working = [each for each in processes() if each.works]
    deserted = deserted_zones()
    if deserted:
        todo = f"'roundsman worker --zone {deserted[0]}', on a machine that reaches it."
        return warn("workers", f"hosts wait, and nobody looks at zone {', '.join(deserted)}", todo)
    awaited = awaited_zones()
    if awaited:
        todo = "Register it, or correct the name with which they are begun; 'roundsman workers list' shows them."
        return warn("workers", f"no zone is called {', '.join(awaited)}, which processes wait for", todo)
    others = sorted({f"{each.machine} ({each.version})" for each in working if not each.is_current})
    if others:
        return warn(
            "workers", f"of another version: {some(others)}", "Upgrade them too; 'roundsman workers list' shows all."
        )
    return ok("workers", f"{len(working)} process(es) at work")


def _row(question: str) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(question)
        return tuple(cursor.fetchone())
