"""A posting reads as many rows in a full book as in an empty one, also before the tables were ever analysed."""

from decimal import Decimal

import pytest
from django.db import connection

from billing import services
from tests.factories import TenantFactory


def rows_read():
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_stat_force_next_flush()")
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute("SELECT coalesce(idx_tup_fetch, 0) + seq_tup_read FROM pg_stat_user_tables WHERE relname = 'billing_transaction'")
        return cursor.fetchone()[0]


@pytest.mark.django_db(transaction=True)
def test_a_posting_reads_a_few_rows_however_many_there_are():
    # A new connection has planned nothing yet: what was planned for the tests before this one is no help.
    connection.close()
    who = {"tenant_id": TenantFactory().id, "actor": "command:test"}
    for batch in range(4):
        before = rows_read()
        lines = [
            {"amount": Decimal(number % 7), "type": "usage", "reference_id": f"{batch}-{number}", "agent_id": f"{batch}-{number}"}
            for number in range(1000)
        ]
        services.record_transactions(**who, transactions=lines)
        # The entry itself, to answer with it, and what its foreign keys look at.
        assert (rows_read() - before) / 1000 < 5, f"batch {batch}"
