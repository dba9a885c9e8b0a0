from django.db import migrations

from kernel.ledger.database_functions.migration_operations import AppendOnly, InstallFunctions

# Tables whose every change is recorded, and the columns that are left out of the record.
TABLES = {
    "tenants_tenant": "",
    "tenants_staffprofile": "",
    "tenants_stafftenant": "",
    "auth_user_groups": "",
    "billing_policy": "",
    "billing_transactiontype": "",
    "credits_policy": "",
    "metering_policy": "",
    "metering_price": "",
    "metering_unitprice": "",
    "corrections_threshold": "",
    "backoffice_customer": "",
    "paying_payersetting": "",
}
# Tables in which some columns change all the time without a person's doing: a balance, the time of the last use or sign-in. For these, the
# hidden columns, and the columns whose changes are recorded.
COLUMNS = {
    "auth_user": ("password,last_login", "username, password, first_name, last_name, email, is_active, is_staff, is_superuser"),
    "tenants_apikey": ("secret_digest,last_used_at", "name, prefix, secret_digest, scopes, expires_at, revoked_at"),
    "billing_wallet": ("balance,held,last_entry_number,last_entry_at,refusal_reported_at", "floor, alert_below"),
    "credits_balancealert": ("is_low,updated_at,updated_by", "alert_below"),
    # The job that issues grants moves it to its next period.
    "credits_recurringgrant": ("next_period,next_on", "status"),
    # What the job that counts by a key notes on its row is no change of a setting.
    "metering_usagekey": ("counts_from,backfilled_at,backfilled_id,has_sums", "place, name, number, withdrawn_at"),
    "metering_agent": ("", "name, label, description, status, customer_id"),
    # The values of headers may be credentials of the receiver's.
    "events_endpoint": (
        "headers,consecutive_failures,first_failure_at,last_success_at,not_before,updated_at,version",
        "url, description, enabled_events, ordering, payload, headers, metadata, status, disabled_reason, disabled_note, "
        "secret_generation, previous_valid_until",
    ),
}
TRIGGER = (
    "CREATE TRIGGER backoffice_history_{when} AFTER {event} ON {table} FOR EACH ROW EXECUTE FUNCTION backoffice_record_change('{hidden}')"
)
DROP = "DROP TRIGGER backoffice_history_{when} ON {table}"


def statements():
    for table, hidden in TABLES.items():
        yield "any", "INSERT OR UPDATE OR DELETE", table, hidden
    for table, (hidden, columns) in COLUMNS.items():
        yield "update", f"UPDATE OF {columns}", table, hidden
    for table in ("tenants_apikey", "auth_user", "events_endpoint", "metering_usagekey"):
        yield "insert", "INSERT OR DELETE", table, COLUMNS[table][0]


class Migration(migrations.Migration):
    dependencies = [
        ("backoffice", "0001_tables"),
        ("ledger", "0001_functions"),
        ("tenants", "0001_tables"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("billing", "0001_tables"),
        ("credits", "0001_tables"),
        ("metering", "0001_tables"),
        ("paying", "0001_tables"),
        ("corrections", "0001_tables"),
        ("events", "0001_tables"),
    ]

    operations = [
        InstallFunctions("backoffice", version=1, digest="7eadbb68ca63db0c"),
        AppendOnly("Change"),
        AppendOnly("KeptDuplicate"),
        *(
            migrations.RunSQL(TRIGGER.format(when=when, event=event, table=table, hidden=hidden), DROP.format(when=when, table=table))
            for when, event, table, hidden in statements()
        ),
    ]
