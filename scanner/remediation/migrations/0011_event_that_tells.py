"""Lets reports find what they tell of findings without reading that they were seen again, round after round."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('remediation', '0010_proof_files'),
        ('rounds', '0006_workers'),
    ]

    operations = [
        migrations.AlterField(
            model_name='findingevent',
            name='finding',
            field=models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='events', to='remediation.finding'),
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
    ]
