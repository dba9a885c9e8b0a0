"""What each posting paid for and nobody used: an index of `id` beside the key, keys of rows without one, a second look for the tenant."""

from decimal import Decimal

import django.db.models.deletion
from django.db import migrations, models

from kernel.ledger.operations import RowKey


class Migration(migrations.Migration):
    dependencies = [
        ("metering", "0007_newest_sums_first"),
        ("tenants", "0003_roles"),
    ]

    operations = [
        RowKey("Trace"),
        RowKey("Transaction"),
        RowKey("Fact"),
        RowKey("Cost"),
        RowKey("StatusChange"),
        migrations.RemoveConstraint(
            model_name="cost",
            name="metering_cost_fiat_amount_finite",
        ),
        migrations.RemoveConstraint(
            model_name="cost",
            name="metering_cost_supersedes_key",
        ),
        migrations.RemoveConstraint(
            model_name="cost",
            name="metering_cost_idempotency_key_key",
        ),
        migrations.RemoveConstraint(
            model_name="fact",
            name="metering_fact_idempotency_key_key",
        ),
        migrations.RemoveConstraint(
            model_name="rollup",
            name="metering_rollup_amount_finite",
        ),
        migrations.RemoveConstraint(
            model_name="rollup",
            name="metering_rollup_estimated_finite",
        ),
        migrations.RemoveConstraint(
            model_name="statuschange",
            name="metering_statuschange_idempotency_key_key",
        ),
        migrations.RemoveConstraint(
            model_name="trace",
            name="metering_trace_external_id_key",
        ),
        migrations.RemoveConstraint(
            model_name="transaction",
            name="metering_transaction_idempotency_key_key",
        ),
        migrations.RemoveConstraint(
            model_name="unitprice",
            name="metering_unitprice_amount_finite",
        ),
        migrations.RemoveIndex(
            model_name="cost",
            name="metering_cost_book",
        ),
        migrations.RemoveIndex(
            model_name="fact",
            name="metering_fact_book",
        ),
        migrations.RemoveIndex(
            model_name="statuschange",
            name="metering_statuschange_book",
        ),
        migrations.RemoveIndex(
            model_name="transaction",
            name="metering_transaction_book",
        ),
        migrations.AlterField(
            model_name="cost",
            name="tenant",
            field=models.ForeignKey(
                db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"
            ),
        ),
        migrations.AlterField(
            model_name="fact",
            name="tenant",
            field=models.ForeignKey(
                db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"
            ),
        ),
        migrations.AlterField(
            model_name="statuschange",
            name="tenant",
            field=models.ForeignKey(
                db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"
            ),
        ),
        migrations.AlterField(
            model_name="transaction",
            name="tenant",
            field=models.ForeignKey(
                db_constraint=False, db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name="+", to="tenants.tenant"
            ),
        ),
        migrations.AddConstraint(
            model_name="cost",
            constraint=models.CheckConstraint(
                condition=models.Q(("fiat_amount__lt", Decimal("100000000000000000000"))), name="metering_cost_fiat_amount_finite"
            ),
        ),
        migrations.AddConstraint(
            model_name="cost",
            constraint=models.UniqueConstraint(
                condition=models.Q(("supersedes__isnull", False)), fields=("tenant", "supersedes"), name="metering_cost_supersedes_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="cost",
            constraint=models.UniqueConstraint(
                condition=models.Q(("idempotency_key__isnull", False)),
                fields=("tenant", "idempotency_key"),
                name="metering_cost_idempotency_key_key",
            ),
        ),
        migrations.AddConstraint(
            model_name="fact",
            constraint=models.UniqueConstraint(
                condition=models.Q(("idempotency_key__isnull", False)),
                fields=("tenant", "idempotency_key"),
                name="metering_fact_idempotency_key_key",
            ),
        ),
        migrations.AddConstraint(
            model_name="rollup",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__lt", Decimal("100000000000000000000"))), name="metering_rollup_amount_finite"
            ),
        ),
        migrations.AddConstraint(
            model_name="rollup",
            constraint=models.CheckConstraint(
                condition=models.Q(("estimated__lt", Decimal("100000000000000000000"))), name="metering_rollup_estimated_finite"
            ),
        ),
        migrations.AddConstraint(
            model_name="statuschange",
            constraint=models.UniqueConstraint(
                condition=models.Q(("idempotency_key__isnull", False)),
                fields=("tenant", "idempotency_key"),
                name="metering_statuschange_idempotency_key_key",
            ),
        ),
        migrations.AddConstraint(
            model_name="trace",
            constraint=models.UniqueConstraint(
                condition=models.Q(("external_id__isnull", False)), fields=("tenant", "external_id"), name="metering_trace_external_id_key"
            ),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.UniqueConstraint(
                condition=models.Q(("idempotency_key__isnull", False)),
                fields=("tenant", "idempotency_key"),
                name="metering_transaction_idempotency_key_key",
            ),
        ),
        migrations.AddConstraint(
            model_name="unitprice",
            constraint=models.CheckConstraint(
                condition=models.Q(("amount__lt", Decimal("100000000000000000000"))), name="metering_unitprice_amount_finite"
            ),
        ),
    ]
