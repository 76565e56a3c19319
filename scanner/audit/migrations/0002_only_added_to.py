"""Lets the database itself refuse to change or remove entries of the audit trail, whoever asks."""

from django.db import migrations

SQLITE = {
    "audit_entry_is_not_changed": "BEFORE UPDATE ON audit_entry",
    "audit_entry_is_not_removed": "BEFORE DELETE ON audit_entry",
    # INSERT OR REPLACE removes rows without telling the trigger above
    "audit_entry_is_not_replaced": "BEFORE INSERT ON audit_entry WHEN EXISTS (SELECT 1 FROM audit_entry "
    "WHERE id = NEW.id OR previous = NEW.previous OR digest = NEW.digest)",
}
POSTGRESQL = {
    "audit_entry_is_not_changed": "BEFORE UPDATE OR DELETE ON audit_entry FOR EACH ROW",
    "audit_entry_is_not_removed": "BEFORE TRUNCATE ON audit_entry FOR EACH STATEMENT",
}
REFUSAL = "the audit trail is only added to"


def refuse_changes(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(
            "CREATE FUNCTION audit_is_only_added_to() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN RAISE EXCEPTION '{REFUSAL}'; END $$"
        )
        for name, when in POSTGRESQL.items():
            schema_editor.execute(f"CREATE TRIGGER {name} {when} EXECUTE FUNCTION audit_is_only_added_to()")
    else:
        for name, when in SQLITE.items():
            schema_editor.execute(f"CREATE TRIGGER {name} {when} BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END")


def permit_changes(apps, schema_editor):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute("DROP FUNCTION audit_is_only_added_to() CASCADE")
    else:
        for name in SQLITE:
            schema_editor.execute(f"DROP TRIGGER {name}")


class Migration(migrations.Migration):

    dependencies = [
        ("audit", "0001_initial"),
    ]

    operations = [
        migrations.RunPython(refuse_changes, permit_changes),
    ]
