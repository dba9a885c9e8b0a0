from django.db import migrations

from kernel.ledger.operations import AppendOnly


class Migration(migrations.Migration):
    dependencies = [("desk", "0001_desk"), ("ledger", "0001_append_only")]

    operations = [AppendOnly("Change")]
