"""Puts what queries ask of scores beside them, out of the JSON in which it was kept."""

from django.db import migrations

FIGURES = {
    "sqlite": """
        UPDATE remediation_roundscore SET
            value = json_extract(score, '$.value'),
            coverage = coalesce(json_extract(score, '$.coverage'), 0),
            grade = coalesce(json_extract(score, '$.grade'), ''),
            provisional = coalesce(json_extract(score, '$.provisional'), 0)
    """,
    "postgresql": """
        UPDATE remediation_roundscore SET
            value = (score->>'value')::double precision,
            coverage = coalesce((score->>'coverage')::double precision, 0),
            grade = coalesce(score->>'grade', ''),
            provisional = coalesce((score->>'provisional')::boolean, false)
    """,
}


def take_out(apps, schema_editor):
    schema_editor.execute(FIGURES[schema_editor.connection.vendor])


class Migration(migrations.Migration):

    dependencies = [
        ("remediation", "0008_remarks_and_figures"),
    ]

    operations = [
        migrations.RunPython(take_out, migrations.RunPython.noop),
    ]
