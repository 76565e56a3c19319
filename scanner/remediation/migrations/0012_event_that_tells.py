"""Keeps fewer indexes of events, and lets reports find theirs without reading that findings were seen again."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('remediation', '0011_indexes_that_cover'),
        ('rounds', '0006_workers'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='findingevent',
            name='event_happens_once_a_round',
        ),
        migrations.RemoveIndex(
            model_name='findingevent',
            name='event_by_round',
        ),
        migrations.AlterField(
            model_name='findingevent',
            name='round',
            field=models.ForeignKey(db_index=False, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='finding_events', to='rounds.round'),
        ),
        migrations.AddIndex(
            model_name='findingevent',
            index=models.Index(condition=models.Q(('kind__in', ['seen', 'not-inspected', 'not-seen']), _negated=True), fields=['finding'], name='event_that_tells'),
        ),
        migrations.AddConstraint(
            model_name='findingevent',
            constraint=models.UniqueConstraint(fields=('round', 'kind', 'finding'), name='event_happens_once_a_round'),
        ),
    ]
