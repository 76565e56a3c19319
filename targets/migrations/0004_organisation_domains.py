from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('targets', '0003_organisation_tls_policy'),
    ]

    operations = [
        migrations.AddField(
            model_name='organisation',
            name='domains',
            field=models.JSONField(blank=True, default=list),
        ),
    ]
