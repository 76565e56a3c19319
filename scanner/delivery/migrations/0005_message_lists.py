from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("delivery", "0004_account")]

    operations = [
        migrations.AddIndex("message", models.Index(fields=["state", "id"], name="message_by_state")),
        migrations.AddIndex("message", models.Index(fields=["kind", "id"], name="message_by_kind")),
    ]
