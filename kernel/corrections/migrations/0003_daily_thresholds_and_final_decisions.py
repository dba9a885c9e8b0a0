from decimal import Decimal

from django.db import migrations, models

import kernel.ledger.money

# A request that was decided never changes again: it can't be moved back to waiting, posted twice, or given another approver.
FINAL = """
CREATE TRIGGER corrections_request_final BEFORE UPDATE ON corrections_request FOR EACH ROW WHEN (OLD.state <> 'waiting')
EXECUTE FUNCTION ledger_append_only()
"""


class Migration(migrations.Migration):
    dependencies = [("corrections", "0002_constraints")]

    operations = [
        migrations.AddField("correctionthreshold", "daily_amount", kernel.ledger.money.MoneyField(blank=True, null=True)),
        migrations.AddConstraint(
            "correctionthreshold",
            models.CheckConstraint(condition=models.Q(("daily_amount__gte", 0)), name="corrections_threshold_daily_amount_check"),
        ),
        migrations.AddConstraint(
            "correctionthreshold",
            models.CheckConstraint(
                condition=models.Q(("daily_amount__lt", Decimal("100000000000000000000"))), name="corrections_threshold_daily_amount_finite"
            ),
        ),
        migrations.RunSQL(FINAL, "DROP TRIGGER corrections_request_final ON corrections_request"),
    ]
