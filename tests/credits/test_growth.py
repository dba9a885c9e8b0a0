"""A posting reads as many rows in a large ledger as in a small one, whatever statistics the planner has."""

from decimal import Decimal

import pytest

from credits import services
from tests.credits.book import Book
from tests.factories import TenantFactory
from tests.rows_read import arrays_of_each_size, index_blocks_read, rows_read, several_connections

TABLES = ("credits_transaction", "credits_grant")


def small_tenant():
    book = Book(TenantFactory().id)
    book.debit(book.grant(1), 1)


@pytest.fixture
def book(planner_knows):
    book = Book(TenantFactory().id)
    planner_knows(*TABLES, first_rows=lambda: [book.debit(book.grant(1), 1) for _ in range(100)], small_tenant=small_tenant)
    return book


def test_a_posting_reads_a_few_rows_however_many_there_are(book):
    grants = [book.grant(1_000_000) for _ in range(50)]
    for batch in range(4):
        before = rows_read(*TABLES)
        items = [
            {"grant_id": grants[number % 50], "type": "DEBIT", "amount": Decimal(1), "idempotency_key": f"{batch}-{number}"}
            for number in range(1000)
        ]
        services.record_transactions(**book.context, transactions=items)
        # The grant for its posting and for the foreign key.
        assert (rows_read(*TABLES) - before) / 1000 < 4, f"batch {batch}"


def test_a_single_posting_reads_a_few_rows_however_many_there_are(book):
    grants = [book.grant(1_000_000) for _ in range(50)]
    for round_ in range(4):
        before = rows_read(*TABLES)
        for number in range(150):
            book.debit(grants[number % 50], 1, idempotency_key=f"{round_}-{number}")
        # And the grant once more to be updated.
        assert (rows_read(*TABLES) - before) / 150 < 5, f"round {round_}"


def test_arrays_of_any_size_read_a_few_rows_over_each_connection(planner_knows):
    book = Book(TenantFactory().id)
    with several_connections() as in_turn:
        # The first connection makes its plans while the tables are empty.
        planner_knows(
            *TABLES,
            first_rows=lambda: in_turn(lambda: [book.debit(book.grant(1), 1) for _ in range(10)]),
            small_tenant=small_tenant,
        )
        grants = [book.grant(1_000_000) for _ in range(50)]
        for batch in range(3):
            items = [
                {"grant_id": grants[number % 50], "type": "DEBIT", "amount": Decimal(1), "idempotency_key": f"{batch}-{number}"}
                for number in range(1000)
            ]
            rows, blocks = rows_read(*TABLES), index_blocks_read(*TABLES)
            for array in arrays_of_each_size(items):
                in_turn(services.record_transactions, **book.context, transactions=array)
            if batch == 0:
                continue  # Each connection discards its first plans only after some postings.
            assert (rows_read(*TABLES) - rows) / 1000 < 5, f"batch {batch}"
            assert (index_blocks_read(*TABLES) - blocks) / 1000 < 25, f"batch {batch}"
