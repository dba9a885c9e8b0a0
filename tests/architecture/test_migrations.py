"""The migrations lead from an empty database to the last of them and back, and leave nothing behind."""

import pytest
from django.core.management import call_command
from django.db import connection, connections
from django.db.migrations.recorder import MigrationRecorder

pytestmark = pytest.mark.django_db(transaction=True)

# Taking back the tenants takes back every migration that depends on them, which is nearly all, in one run.
APPS = ["tenants", "ledger", "corrections", "backfills", "events", "billing", "metering", "rules", "paying", "credits", "backoffice"]
LEFT_BEHIND = """
SELECT 'relation ' || relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relname ~ %(ours)s
UNION ALL SELECT 'function ' || proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname ~ %(ours)s
UNION ALL SELECT 'type ' || typname FROM pg_type WHERE typnamespace = 'public'::regnamespace AND typname ~ %(ours)s
"""


@pytest.fixture
def empty(monkeypatch):
    """A second database, empty, under the alias "empty"."""
    name = f"{connection.settings_dict['NAME']}_migrations"
    with connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{name}"')
        cursor.execute(f'CREATE DATABASE "{name}"')
    monkeypatch.setitem(connections.settings, "empty", connection.settings_dict | {"NAME": name})
    yield connections["empty"]
    connections["empty"].close()
    with connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def left_behind(database):
    with database.cursor() as cursor:
        cursor.execute(LEFT_BEHIND, {"ours": f"^_?({'|'.join(APPS)})_"})
        return sorted(name for (name,) in cursor.fetchall())


def test_the_migrations_lead_to_the_last_and_back_to_nothing(empty, django_db_blocker):
    with django_db_blocker.unblock():
        call_command("migrate", database="empty", verbosity=0)
        assert len(left_behind(empty)) > 100
        for app in APPS:
            call_command("migrate", app, "zero", database="empty", verbosity=0)
        applied = {label for label, _ in MigrationRecorder(empty).applied_migrations()}
        assert applied & set(APPS) == set()
        assert left_behind(empty) == []
