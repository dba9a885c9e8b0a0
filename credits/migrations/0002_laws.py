"""What no caller, command or session may do to this ledger's tables."""

from django.db import migrations

from kernel.ledger.operations import AppendOnly, SqlFile, TenantForeignKey, TenantKey

NO_SETTING = "ALTER TABLE credits_grant RESET (fillfactor); ALTER TABLE credits_holdline RESET (fillfactor);"


class Migration(migrations.Migration):
    dependencies = [("credits", "0001_grants_and_transactions"), ("ledger", "0001_append_only")]

    operations = [
        TenantKey("RecurringGrant"),
        TenantKey("Grant"),
        TenantKey("Consumption"),
        TenantKey("Hold"),
        TenantKey("HoldLine"),
        TenantKey("CreditTransaction"),
        TenantKey("HoldEntry"),
        TenantForeignKey("Grant", "schedule"),
        TenantForeignKey("HoldLine", "hold"),
        TenantForeignKey("HoldLine", "grant"),
        TenantForeignKey("CreditTransaction", "grant"),
        TenantForeignKey("CreditTransaction", "reverses"),
        TenantForeignKey("CreditTransaction", "consumption"),
        TenantForeignKey("CreditTransaction", "hold"),
        TenantForeignKey("HoldEntry", "hold"),
        TenantForeignKey("HoldEntry", "grant"),
        AppendOnly("RecurringGrant", may_change=("status", "next_period", "next_on")),
        AppendOnly("Grant", may_change=("balance", "held", "last_entry_number", "last_entry_at", "status", "closed_at")),
        AppendOnly("Consumption"),
        AppendOnly("Hold", may_change=("status", "captured", "closed_at", "close_digest")),
        AppendOnly("HoldLine", may_change=("remaining",)),
        AppendOnly("CreditTransaction"),
        AppendOnly("HoldEntry"),
        SqlFile("credits/0002_hot_rows.sql", reverse=NO_SETTING),
    ]
