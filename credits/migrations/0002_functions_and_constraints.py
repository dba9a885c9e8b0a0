from django.db import migrations

from kernel.ledger.database_functions.migration_operations import AppendOnly, FirstStatistics, InstallFunctions, TenantForeignKey, TenantKey

# Balances change all the time; free space keeps the new version of a row on the same page.
SET_FILL_FACTORS = "ALTER TABLE credits_grant SET (fillfactor = 60); ALTER TABLE credits_holdline SET (fillfactor = 70)"
RESET_FILL_FACTORS = "ALTER TABLE credits_grant RESET (fillfactor); ALTER TABLE credits_holdline RESET (fillfactor)"


class Migration(migrations.Migration):
    dependencies = [("credits", "0001_tables"), ("ledger", "0001_functions")]

    operations = [
        InstallFunctions("credits", version=1, digest="719b84569fee7ed5"),
        TenantKey("RecurringGrant"),
        TenantKey("Grant"),
        TenantKey("Consumption"),
        TenantKey("Hold"),
        TenantKey("HoldLine"),
        TenantKey("CreditTransaction", row_first=True),
        TenantKey("HoldEntry"),
        TenantKey("Policy"),
        TenantKey("BalanceAlert"),
        TenantKey("HoldCall"),
        TenantForeignKey("Grant", "recurring_grant"),
        TenantForeignKey("HoldLine", "hold"),
        TenantForeignKey("HoldLine", "grant"),
        TenantForeignKey("CreditTransaction", "grant"),
        TenantForeignKey("CreditTransaction", "reverses"),
        TenantForeignKey("CreditTransaction", "consumption"),
        TenantForeignKey("CreditTransaction", "hold"),
        TenantForeignKey("HoldEntry", "hold"),
        TenantForeignKey("HoldEntry", "grant"),
        TenantForeignKey("HoldCall", "hold"),
        AppendOnly("RecurringGrant", may_change=("status", "next_period", "next_on")),
        AppendOnly("Grant", may_change=("balance", "held", "last_entry_number", "last_entry_at", "status", "closed_at")),
        AppendOnly("Consumption"),
        AppendOnly("Hold", may_change=("status", "captured", "closed_at", "close_digest", "expires_at")),
        AppendOnly("HoldLine", may_change=("remaining", "expires_at")),
        AppendOnly("CreditTransaction"),
        AppendOnly("HoldEntry"),
        AppendOnly("HoldCall"),
        migrations.RunSQL(SET_FILL_FACTORS, RESET_FILL_FACTORS),
        FirstStatistics("RecurringGrant"),
        FirstStatistics("Grant"),
        FirstStatistics("Consumption"),
        FirstStatistics("Hold"),
        FirstStatistics("HoldLine"),
        FirstStatistics("CreditTransaction"),
        FirstStatistics("HoldEntry"),
        FirstStatistics("Policy"),
        FirstStatistics("BalanceAlert"),
        FirstStatistics("HoldCall"),
    ]
