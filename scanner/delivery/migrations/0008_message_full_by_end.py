from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("delivery", "0007_notices_by_posting")]

    operations = [
        migrations.AddIndex(
            "message",
            models.Index(fields=["state", "finished"], name="message_full_by_end", condition=models.Q(text__gt="")),
        ),
    ]
