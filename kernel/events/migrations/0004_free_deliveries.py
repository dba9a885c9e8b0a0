from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("events", "0003_constraints")]

    operations = [
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                condition=models.Q(
                    ("state__in", ("pending", "leased", "waiting")),
                    models.Q(("account", ""), ("released_by_age", True), _connector="OR"),
                ),
                fields=["endpoint", "next_at", "id"],
                name="events_delivery_unordered",
            ),
        ),
    ]
