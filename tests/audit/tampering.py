"""What somebody does who owns the database: the triggers that guard the audit trail go first."""

from __future__ import annotations

from django.db import connection


def tamper(statement: str, *values: str | int) -> None:
    """Change the audit trail."""
    on = " ON audit_entry" if connection.vendor == "postgresql" else ""
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TRIGGER IF EXISTS audit_entry_is_not_changed{on}")
        cursor.execute(statement, values)
