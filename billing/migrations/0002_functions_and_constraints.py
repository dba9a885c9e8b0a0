from django.db import migrations

from kernel.ledger.database_functions.migration_operations import AppendOnly, FirstStatistics, InstallFunctions, TenantForeignKey, TenantKey

# A transaction names its type together with the direction it was booked in, so the database keeps a used type's direction.
ADD_TYPE_KEY = """
ALTER TABLE billing_transaction ADD CONSTRAINT billing_transaction_type_fkey
    FOREIGN KEY (tenant_id, type, direction) REFERENCES billing_transactiontype (tenant_id, code, direction)
"""
DROP_TYPE_KEY = "ALTER TABLE billing_transaction DROP CONSTRAINT billing_transaction_type_fkey"
# Finds the reversals of an original.
ADD_REVERSES_INDEX = """
CREATE INDEX billing_transaction_reverses_index ON billing_transaction (tenant_id, reverses_id) WHERE reverses_id IS NOT NULL
"""
DROP_REVERSES_INDEX = "DROP INDEX billing_transaction_reverses_index"
# Every posting updates these rows; free space keeps the new version of a row on the same page.
SET_FILL_FACTORS = "ALTER TABLE billing_wallet SET (fillfactor = 50); ALTER TABLE billing_dailytotal SET (fillfactor = 70)"
RESET_FILL_FACTORS = "ALTER TABLE billing_wallet RESET (fillfactor); ALTER TABLE billing_dailytotal RESET (fillfactor)"


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_tables"), ("ledger", "0001_functions")]

    operations = [
        InstallFunctions("billing", version=1, digest="92b742ec49942039"),
        TenantKey("Policy"),
        TenantKey("TransactionType"),
        TenantKey("Wallet"),
        TenantKey("Transaction", row_first=True),
        TenantKey("DailyTotal"),
        TenantKey("WalletHold"),
        TenantKey("WalletHoldEntry", row_first=True),
        TenantForeignKey("Transaction", "wallet"),
        TenantForeignKey("Transaction", "reverses"),
        TenantForeignKey("Transaction", "reversed_by"),
        TenantForeignKey("Transaction", "near_duplicate_of"),
        TenantForeignKey("WalletHold", "wallet"),
        TenantForeignKey("WalletHoldEntry", "wallet"),
        TenantForeignKey("WalletHoldEntry", "hold"),
        TenantForeignKey("WalletHoldEntry", "transaction"),
        migrations.RunSQL(ADD_TYPE_KEY, DROP_TYPE_KEY),
        migrations.RunSQL(ADD_REVERSES_INDEX, DROP_REVERSES_INDEX),
        migrations.RunSQL(SET_FILL_FACTORS, RESET_FILL_FACTORS),
        AppendOnly("Transaction", may_change=("reversed_amount", "reversed_by_id")),
        AppendOnly("WalletHold", may_change=("captured", "expires_at", "status", "closed_at")),
        AppendOnly("WalletHoldEntry"),
        FirstStatistics("Policy"),
        FirstStatistics("TransactionType"),
        FirstStatistics("Wallet"),
        FirstStatistics("Transaction"),
        FirstStatistics("DailyTotal"),
        FirstStatistics("WalletHold"),
        FirstStatistics("WalletHoldEntry"),
    ]
