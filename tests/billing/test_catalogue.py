"""Types and policy: what a tenant may decide, and when it is too late."""

from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, transaction

from billing import services
from billing.choices import SHIPPED_TYPES
from billing.errors import DirectionInUse
from billing.models import TransactionType
from kernel.ledger.errors import InvalidValue
from tests.billing.conftest import TRANSACTIONS

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("code", SHIPPED_TYPES)
def test_the_shipped_catalogue_applies_to_everyone(record, code, tenant):
    label, direction = SHIPPED_TYPES[code]
    assert record(type=code, amount=1)["direction"] == direction
    kind = TransactionType.objects.get(tenant=tenant)
    assert (kind.code, kind.label, kind.direction, kind.is_catalogued) == (code, label, direction, True)


def test_a_tenants_own_type_gives_the_direction(record, context):
    services.define_type(**context, code="tip", label="Tip", direction="debit")
    assert record(type="tip", amount=3)["effect"] == -3


def test_a_tenants_own_word_comes_before_the_shipped_one(record, context, send, outsider):
    services.define_type(**context, code="refund", label="Refund to a supplier", direction="debit")
    assert record(type="refund", amount=3)["effect"] == -3
    body = {"amount": 3, "type": "refund", "reference_id": "1"}
    assert send("POST", TRANSACTIONS, body, key=outsider).json()["effect"] == 3


def test_a_direction_stands_once_a_transaction_uses_it(record, context):
    record(type="tip", amount=3)
    with pytest.raises(DirectionInUse):
        services.define_type(**context, code="tip", label="Tip", direction="debit")
    assert services.define_type(**context, code="tip", label="Tip", direction="signed").is_catalogued
    unused = services.define_type(**context, code="gift", label="Gift", direction="debit")
    assert services.define_type(**context, code="gift", label="Gift", direction="credit").id == unused.id


def test_the_database_itself_refuses_another_direction(record, tenant):
    record(type="usage", amount=3)
    with pytest.raises(IntegrityError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE billing_transactiontype SET direction = 'credit'")


def test_a_strict_tenant_takes_only_what_is_catalogued(record, context, send):
    record(type="tip", amount=3, reference_id="before")
    services.set_policy(**context, strict_types=True)
    response = send("POST", TRANSACTIONS, {"amount": 3, "type": "tip", "reference_id": "1"})
    assert response.status_code == 422
    assert response.json()["detail"] == [
        {"type": "enum", "loc": ["body", "type"], "msg": "Input should be a type of the catalogue", "input": "tip"}
    ]
    assert record(type="usage", amount=1)["balance"] == 2
    # What was recorded stays recorded, and is repeated as it was.
    assert record(type="tip", amount=3, reference_id="before")["balance"] == 3
    services.define_type(**context, code="tip", label="Tip", direction="signed")
    assert record(type="tip", amount=3, reference_id="1")["balance"] == 5


@pytest.mark.parametrize("facts", [{"code": ""}, {"code": "x" * 129}, {"code": "a\0"}, {"direction": "up"}])
def test_what_no_type_can_be_is_refused(context, facts):
    with pytest.raises(InvalidValue):
        services.define_type(**{**context, "code": "tip", "label": "", "direction": "debit"} | facts)


@pytest.mark.parametrize("facts", [{"default_floor": Decimal(1)}, {"near_duplicate_seconds": -1}, {"near_duplicate_seconds": 10**9}])
def test_what_no_policy_can_be_is_refused(context, facts):
    with pytest.raises(InvalidValue):
        services.set_policy(**context, **facts)


def test_the_catalogue_is_what_is_shipped_what_is_own_and_what_came_in(send, record, context, outsider, django_assert_num_queries):
    services.define_type(**context, code="refund", label="To a supplier", direction="debit")
    record(type="tip", amount=1)
    with django_assert_num_queries(1):
        items = send("GET", "/v1/billing/transaction-types").json()["items"]
    assert [item["code"] for item in items] == sorted([*SHIPPED_TYPES, "tip"])
    found = {item["code"]: item for item in items}
    assert found["refund"] == {"code": "refund", "label": "To a supplier", "direction": "debit", "is_catalogued": True}
    assert found["tip"] == {"code": "tip", "label": "tip", "direction": "signed", "is_catalogued": False}
    theirs = send("GET", "/v1/billing/transaction-types", key=outsider).json()["items"]
    assert {item["code"]: item["direction"] for item in theirs}["refund"] == "credit"
