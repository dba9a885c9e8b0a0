"""A posting reads as many rows in a full book as in an empty one, also before the tables were ever analysed."""

from decimal import Decimal

import pytest
from django.db import connection

from billing import services
from tests.factories import TenantFactory
from tests.rows_read import rows_read


@pytest.mark.django_db(transaction=True)
def test_a_posting_reads_a_few_rows_however_many_there_are():
    # A new connection has planned nothing yet: what was planned for the tests before this one is no help.
    connection.close()
    who = {"tenant_id": TenantFactory().id, "actor": "command:test"}
    for batch in range(4):
        before = rows_read("billing_transaction")
        lines = [
            {"amount": Decimal(number % 7), "type": "usage", "reference_id": f"{batch}-{number}", "agent_id": f"{batch}-{number}"}
            for number in range(1000)
        ]
        services.record_transactions(**who, transactions=lines)
        # The entry itself, to answer with it, and what its foreign keys look at.
        assert (rows_read("billing_transaction") - before) / 1000 < 5, f"batch {batch}"
