from django.db import migrations

from kernel.ledger.database_functions.migration_operations import AppendOnly, FirstStatistics, InstallFunctions, TenantForeignKey, TenantKey

TOKEN_COLUMNS = ("presented_at", "settlement_id", "settled_amount", "settled_at", "receipt")
PAYMENT_COLUMNS = ("status", "captured", "unpaid", "is_unconfirmed", "hold_expires_at", "reason", "closed_at", "updated_at")
SET_FILL_FACTORS = "ALTER TABLE paying_payment SET (fillfactor = 80); ALTER TABLE paying_paymentleg SET (fillfactor = 80);"
RESET_FILL_FACTORS = "ALTER TABLE paying_payment RESET (fillfactor); ALTER TABLE paying_paymentleg RESET (fillfactor);"


class Migration(migrations.Migration):
    dependencies = [("paying", "0001_tables"), ("metering", "0002_functions_and_constraints"), ("ledger", "0001_functions")]

    operations = [
        InstallFunctions("paying", version=1, digest="26663ba46706ba91"),
        TenantKey("Payment", row_first=True),
        TenantKey("PaymentLeg", row_first=True),
        TenantForeignKey("Payment", "transaction", index=True),
        TenantForeignKey("PaymentLeg", "payment"),
        TenantKey("PaymentToken", row_first=True),
        TenantKey("Collection", row_first=True),
        TenantKey("PaymentCall", row_first=True),
        TenantKey("Payee"),
        TenantKey("PayerSetting"),
        TenantForeignKey("PaymentToken", "payment"),
        TenantForeignKey("Collection", "payment"),
        TenantForeignKey("PaymentCall", "payment", index=True),
        AppendOnly("PaymentCall"),
        AppendOnly("PaymentToken", may_change=TOKEN_COLUMNS),
        AppendOnly("Collection", may_change=("posted_at",)),
        AppendOnly("Payment", may_change=PAYMENT_COLUMNS),
        AppendOnly("PaymentLeg", may_change=("captured",)),
        migrations.RunSQL(SET_FILL_FACTORS, RESET_FILL_FACTORS),
        FirstStatistics("Payment"),
        FirstStatistics("PaymentLeg"),
        FirstStatistics("PaymentToken"),
        FirstStatistics("Collection"),
        FirstStatistics("PaymentCall"),
        FirstStatistics("Payee"),
        FirstStatistics("PayerSetting"),
    ]
