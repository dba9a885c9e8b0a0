import django.db.models.deletion
import django.db.models.functions.datetime
from django.db import migrations, models

import kernel.ledger.identifiers
from kernel.ledger.migration_operations import AppendOnly

TRIGGER = (
    "CREATE TRIGGER backoffice_history_any AFTER INSERT OR UPDATE OR DELETE ON backoffice_customer"
    " FOR EACH ROW EXECUTE FUNCTION backoffice_record_change('')"
)


class Migration(migrations.Migration):
    dependencies = [("backoffice", "0005_usage_keys"), ("tenants", "0002_roles")]

    operations = [
        migrations.CreateModel(
            name="Customer",
            fields=[
                ("id", models.UUIDField(default=kernel.ledger.identifiers.new_id, editable=False, primary_key=True, serialize=False)),
                ("customer_id", models.CharField(max_length=255)),
                ("name", models.CharField(blank=True, default="", max_length=200)),
                ("metadata", models.JSONField(blank=True, default=dict)),
                ("updated_by", models.CharField(max_length=128)),
                ("updated_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now())),
                ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant")),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [models.UniqueConstraint(fields=("tenant", "customer_id"), name="backoffice_customer_key")],
            },
        ),
        migrations.CreateModel(
            name="KeptDuplicate",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("transaction_id", models.UUIDField()),
                ("reason", models.CharField(max_length=1000)),
                ("decided_by", models.CharField(max_length=128)),
                ("decided_at", models.DateTimeField(db_default=django.db.models.functions.datetime.Now(), editable=False)),
                ("tenant", models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant")),
            ],
            options={
                "ordering": ["-id"],
                "constraints": [models.UniqueConstraint(fields=("tenant", "transaction_id"), name="backoffice_keptduplicate_key")],
            },
        ),
        AppendOnly("KeptDuplicate"),
        migrations.RunSQL(TRIGGER, "DROP TRIGGER backoffice_history_any ON backoffice_customer"),
    ]
