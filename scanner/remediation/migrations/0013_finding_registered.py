"""Keeps beside each finding whether its place is registered, and lets lists ask that of their indexes."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('remediation', '0012_event_that_tells'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='finding',
            name='finding_by_state',
        ),
        migrations.RemoveIndex(
            model_name='finding',
            name='finding_by_organisation',
        ),
        migrations.AddField(
            model_name='finding',
            name='registered',
            field=models.BooleanField(default=True),
        ),
        migrations.AddIndex(
            model_name='finding',
            index=models.Index(fields=['state', 'severity', 'deadline', 'organisation', 'first_seen', 'host', 'check_id', 'registered', 'id'], name='finding_by_state'),
        ),
        migrations.AddIndex(
            model_name='finding',
            index=models.Index(fields=['organisation', 'state', 'severity', 'deadline', 'first_seen', 'registered', 'id'], name='finding_by_organisation'),
        ),
    ]
