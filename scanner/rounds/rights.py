"""What a database role needs that ``roundsman worker`` connects as, and no more.

It reads what may be inspected and how, writes the jobs that it holds and the results of hosts, and moves a round on
when its last host is done. It reads no facts, findings, reports, mails, accounts or contacts, and changes no register.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.db import connection, transaction

from scanner.engine.errors import InputError

_READS = (
    "django_migrations",
    "rounds_plan",
    "rounds_round",
    "rounds_job",
    "rounds_stop",
    "rounds_worker",
    "targets_organisation",
    "targets_zone",
    "targets_target",
    "targets_authorisation",
    "targets_exclusion",
)
_RIGHTS = (
    *(f"SELECT ON {table}" for table in _READS),
    "INSERT, UPDATE ON rounds_job",
    "UPDATE (finished) ON rounds_round",
    "INSERT ON rounds_hostresult",
    # All but the facts: which hosts are done, and when the last of them was.
    "SELECT (id, round_id, organisation_id, address, hostname, look, finished) ON rounds_hostresult",
    "INSERT, UPDATE, DELETE ON rounds_worker",
)


def statements(role: str) -> Iterator[str]:
    """Yield the SQL that takes all rights from a role and gives it those of a worker.

    Raises ``InputError`` for a name that is none.
    """
    if not re.fullmatch(r"[a-z_][a-z0-9_]{0,62}", role):
        raise InputError(f"{role!r} is no name of a role; write one such as roundsman_worker (a-z, 0-9, _).")
    yield f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {role}"
    yield f"GRANT USAGE ON SCHEMA public TO {role}"
    for right in _RIGHTS:
        yield f"GRANT {right} TO {role}"


def grant(role: str) -> None:
    """Give an existing role the rights of a worker, as the owner of the tables. May raise ``DatabaseError``."""
    if connection.vendor != "postgresql":
        raise InputError("Only PostgreSQL has roles; ROUNDSMAN_DATABASE is not set.")
    with transaction.atomic(), connection.cursor() as cursor:  # workers that run meanwhile miss no right
        for statement in statements(role):
            cursor.execute(statement)
