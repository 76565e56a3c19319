from django.db import migrations
from django.db.migrations.state import StateApps
from django.db.models import F


def _reported(apps: StateApps, schema_editor: object) -> None:
    """Deadlines used to run from first seen: so they go on for what was followed before."""
    del schema_editor
    apps.get_model("remediation", "Finding").objects.filter(reported=None).update(reported=F("first_seen"))


class Migration(migrations.Migration):

    dependencies = [
        ("remediation", "0004_unattended"),
    ]

    operations = [
        migrations.RunPython(_reported, migrations.RunPython.noop, elidable=True),
    ]
