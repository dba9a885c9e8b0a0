from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("metering", "0006_runs"),
        ("tenants", "0003_roles"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="rollup",
            index=models.Index(fields=["starts_at"], name="metering_rollup_time"),
        ),
    ]
