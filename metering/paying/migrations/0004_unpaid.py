from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):
    dependencies = [("paying", "0003_constraints")]

    operations = [
        migrations.AddIndex("payment", models.Index(fields=["tenant"], name="paying_payment_unpaid", condition=Q(unpaid__gt=0))),
    ]
