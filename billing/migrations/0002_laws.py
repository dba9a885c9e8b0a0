from django.db import migrations

from kernel.ledger.operations import AppendOnly, SqlFile, TenantForeignKey, TenantKey

REVERSE = """
ALTER TABLE billing_transaction DROP CONSTRAINT billing_transaction_type_fkey, DROP CONSTRAINT billing_transaction_metadata_check;
DROP INDEX billing_transaction_reverses_index;
ALTER TABLE billing_wallet RESET (fillfactor);
ALTER TABLE billing_dailytotal RESET (fillfactor);
"""


class Migration(migrations.Migration):
    dependencies = [("billing", "0001_wallets_and_transactions"), ("ledger", "0001_append_only")]

    operations = [
        TenantKey("Policy"),
        TenantKey("TransactionType"),
        TenantKey("Wallet"),
        TenantKey("Transaction"),
        TenantKey("DailyTotal"),
        TenantForeignKey("Transaction", "wallet"),
        TenantForeignKey("Transaction", "reverses"),
        TenantForeignKey("Transaction", "reversed_by"),
        TenantForeignKey("Transaction", "near_duplicate_of"),
        SqlFile("billing/0002_laws.sql", reverse=REVERSE),
        AppendOnly("Transaction", may_change=("reversed_amount", "reversed_by_id")),
    ]
