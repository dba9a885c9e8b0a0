"""What each posting paid for and nobody used: an index of `id` beside the key, keys of rows without one, a second look for the tenant.

And what it paid too much for: long texts of checks.
"""

from decimal import Decimal

import django.db.models.deletion
from django.db import migrations, models
from django.db.models import lookups

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
        # The same laws in fewer words (and a completed transaction now needs its outcome): PostgreSQL reads the text of a table's checks
        # anew for each statement.
        migrations.RemoveConstraint(
            model_name="cost",
            name="metering_cost_is_active_check",
        ),
        migrations.RemoveConstraint(
            model_name="rollup",
            name="metering_rollup_grain_check",
        ),
        migrations.RemoveConstraint(
            model_name="statuschange",
            name="metering_statuschange_to_status_check",
        ),
        migrations.RemoveConstraint(
            model_name="transaction",
            name="metering_transaction_status_check",
        ),
        migrations.RemoveConstraint(
            model_name="transaction",
            name="metering_transaction_completed_check",
        ),
        migrations.RemoveConstraint(
            model_name="transaction",
            name="metering_transaction_denied_check",
        ),
        migrations.RemoveConstraint(
            model_name="transaction",
            name="metering_transaction_cancelled_check",
        ),
        migrations.RemoveConstraint(
            model_name="transaction",
            name="metering_transaction_authorized_check",
        ),
        migrations.AddConstraint(
            model_name="cost",
            constraint=models.CheckConstraint(
                condition=models.Q(lookups.Exact(models.F("is_active"), lookups.IsNull(models.F("superseded_at"), rhs=True))),
                name="metering_cost_is_active_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="rollup",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Func(
                        models.F("grain"), output_field=models.BooleanField(), template="%(expressions)s = ANY ('{hour,day}'::text[])"
                    )
                ),
                name="metering_rollup_grain_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="statuschange",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Func(
                        models.F("to_status"),
                        output_field=models.BooleanField(),
                        template="%(expressions)s = ANY ('{pending,preparing,authorized,completed,denied,cancelled}'::text[])",
                    )
                ),
                name="metering_statuschange_to_status_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Func(
                        models.F("status"),
                        output_field=models.BooleanField(),
                        template="%(expressions)s = ANY ('{pending,preparing,authorized,completed,denied,cancelled}'::text[])",
                    )
                ),
                name="metering_transaction_status_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    lookups.Exact(lookups.IsNull(models.F("completed_at"), rhs=False), lookups.Exact(models.F("status"), "completed")),
                    lookups.Exact(lookups.IsNull(models.F("outcome"), rhs=True), lookups.IsNull(models.F("completed_at"), rhs=True)),
                    models.Func(
                        models.F("outcome"),
                        output_field=models.BooleanField(),
                        template="%(expressions)s = ANY ('{success,error}'::text[])",
                    ),
                ),
                name="metering_transaction_completed_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    lookups.Exact(lookups.IsNull(models.F("denied_at"), rhs=False), lookups.Exact(models.F("status"), "denied")),
                    models.Q(("decline_reason__isnull", True), ("denied_at__isnull", False), _connector="OR"),
                ),
                name="metering_transaction_denied_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    lookups.Exact(lookups.IsNull(models.F("cancelled_at"), rhs=False), lookups.Exact(models.F("status"), "cancelled"))
                ),
                name="metering_transaction_cancelled_check",
            ),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("authorized_at__isnull", False),
                    models.Q(
                        models.Func(
                            models.F("status"),
                            output_field=models.BooleanField(),
                            template="%(expressions)s = ANY ('{authorized,completed}'::text[])",
                        ),
                        _negated=True,
                    ),
                    _connector="OR",
                ),
                name="metering_transaction_authorized_check",
            ),
        ),
    ]
