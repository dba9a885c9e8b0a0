"""What is available of credits is decided by one database function, credits_available. Its copy is equal to it."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.db import connection

from credits import services
from credits.errors import InsufficientCredit
from credits.imports import lookups
from credits.selectors.balances import available
from tests.replaced_rules import replace_rule

pytestmark = pytest.mark.django_db
HOLD = {"customer_id": "acme", "currency": "USD", "expires_at": datetime(2099, 1, 1, tzinfo=UTC)}


def test_debits_draws_holds_closings_and_the_blockers_of_an_undo_call_the_function(book):
    """Another rule: 1 of each balance can't be taken."""
    replace_rule("credits_available", "balance - held - 1")
    grant_id = book.grant(10)
    with pytest.raises(InsufficientCredit):
        book.debit(grant_id, 10)
    with pytest.raises(InsufficientCredit):
        services.place_hold(**book.context, **HOLD, amount=Decimal(10), idempotency_key="h")
    arrays = services.record_transactions(
        **book.context, transactions=[{"grant_id": grant_id, "type": "DEBIT", "amount": Decimal(1)} for _ in range(10)]
    )
    assert [isinstance(one, InsufficientCredit) for one in arrays] == [False] * 9 + [True]
    run = book.context | {"request_id": "run:1"}
    opened = services.create_grant(**run, customer_id="acme", name="Other", unit_type="CURRENCY", currency="USD", amount=Decimal(5)).row.id
    assert lookups.grants_short_without(tenant_id=book.tenant_id, request_id="run:1", at_most=9) == [(opened, -1)]
    drawn = services.consume(**book.context, customer_id="acme", currency="USD", amount=Decimal(9), partial=True)
    assert (drawn.row.taken, book.balance(grant_id), book.balance(opened)) == (4, 1, 1)
    assert services.void_grant(**book.context, grant_id=opened, reason="").nothing_to_do


@pytest.mark.parametrize("held", ["0", "0.000000000000000001", "7"])
def test_the_copy_for_people_is_equal(db, held):
    with connection.cursor() as cursor:
        cursor.execute("SELECT credits_available(5, %s)", [Decimal(held)])
        assert cursor.fetchone()[0] == available(Decimal(5), Decimal(held))
