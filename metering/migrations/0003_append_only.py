from django.db import migrations

from kernel.ledger.operations import AppendOnly, SqlFile

LIFE = (
    "status",
    "outcome",
    "decline_reason",
    "updated_at",
    "preparing_at",
    "authorized_at",
    "denied_at",
    "cancelled_at",
    "completed_at",
)


class Migration(migrations.Migration):
    dependencies = [("metering", "0002_keys")]

    operations = [
        AppendOnly("Service"),
        AppendOnly("Agent", may_change=("label", "name", "description", "status", "updated_at")),
        AppendOnly("Trace"),
        AppendOnly("Transaction", may_change=LIFE),
        AppendOnly("Fact"),
        AppendOnly("Cost", may_change=("is_active", "superseded_at")),
        AppendOnly("StatusChange"),
        AppendOnly("Price", may_change=("valid_to",)),
        AppendOnly("UnitPrice"),
        SqlFile(
            "metering/0003_moves.sql",
            reverse="""
            DROP TRIGGER metering_transaction_move ON metering_transaction;
            DROP FUNCTION metering_transaction_move();
            DROP TRIGGER metering_cost_supersession ON metering_cost;
            DROP FUNCTION metering_cost_supersession();
            ALTER TABLE metering_cost DROP CONSTRAINT metering_cost_supersedes_fkey;
            DROP FUNCTION metering_may_move(text, text);
            """,
        ),
    ]
