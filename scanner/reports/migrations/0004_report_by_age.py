from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("reports", "0003_bulletin_pdf")]

    operations = [
        migrations.AddIndex("report", models.Index(fields=["generated"], name="report_by_age")),
    ]
