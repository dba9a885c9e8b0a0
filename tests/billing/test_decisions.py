"""Decisions that stand once in SQL: their copies are equal, and the two roads of billing_post call them with the same results."""

import json
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.db.utils import IntegrityError

from billing import services
from billing.integrity.checks import find_violations
from billing.models import Transaction
from billing.services.postings import make_posting
from kernel.ledger.errors import LedgerError
from kernel.ledger.identifiers import new_id
from kernel.ledger.posting import statements
from tests.billing.test_posting_model import BILLING_POST
from tests.factories import TenantFactory

pytestmark = pytest.mark.django_db
STEP = Decimal("0.000000000000000001")
LIMIT = Decimal(10) ** 20


def effect_of(direction, amount, is_reversal):
    with connection.cursor() as cursor:
        cursor.execute("SELECT billing_effect(%s, %s, %s)", [direction, amount, is_reversal])
        return cursor.fetchone()[0]


@pytest.mark.parametrize("direction", ["credit", "debit", "signed"])
@pytest.mark.parametrize("amount", [Decimal(0), STEP, Decimal("2.5"), Decimal("-2.5")])
@pytest.mark.parametrize("is_reversal", [False, True])
def test_the_check_constraint_of_the_effect_is_equal_to_billing_effect(context, direction, amount, is_reversal):
    original = services.record_transaction(**context, amount=Decimal(1), type="topup", reference_id="1").row
    services.define_type(**context, code="kind", label="", direction=direction)
    effect = effect_of(direction, amount, is_reversal)
    row = Transaction.objects.get(id=original.id)
    row.pk, row.reference_id, row.entry_number, row.type, row.direction = new_id(), "2", 2, "kind", direction
    row.amount, row.effect, row.reversed_amount = amount, effect, Decimal(0)
    if is_reversal:
        row.reverses_id, row.reason_code = original.id, "other"
    is_negative = amount < 0 and direction != "signed"
    for wrong in ({-effect, effect + STEP} - {effect}) | ({effect} if is_negative else set()):
        with pytest.raises(IntegrityError), transaction.atomic():
            row.effect = wrong
            row.save(force_insert=True)
    if not is_negative:
        row.effect = effect
        row.save(force_insert=True)


# Balance, floor, strict, type, amount: each at, just before and just beyond its boundary.
EDGES = [
    (Decimal(5), Decimal(0), False, "usage", Decimal(5) - STEP),
    (Decimal(5), Decimal(0), False, "usage", Decimal(5)),
    (Decimal(5), Decimal(0), False, "usage", Decimal(5) + STEP),
    (Decimal(5), Decimal(5), False, "usage", Decimal(0)),
    (Decimal(5), Decimal(5), False, "usage", STEP),
    (Decimal(5), Decimal(-1), False, "adjustment", Decimal(-6)),
    (Decimal(5), Decimal(-1), False, "adjustment", Decimal(-6) - STEP),
    (Decimal(5), None, False, "adjustment", Decimal(-6)),
    (Decimal(5), None, False, "usage", Decimal(0)),
    (Decimal(5), None, False, "usage", -STEP),
    (Decimal(5), None, False, "topup", -STEP),
    (Decimal(5), None, False, "own", -STEP),
    (Decimal(5), None, True, "own", STEP),
    (Decimal(5), None, True, "usage", STEP),
    (LIMIT - Decimal(10) ** 18, None, False, "topup", Decimal(10) ** 18 - STEP),
    (LIMIT - Decimal(10) ** 18 + STEP, None, False, "topup", Decimal(10) ** 18 - STEP),
    (Decimal(10) ** 18 - LIMIT, None, False, "usage", Decimal(10) ** 18 - STEP),
    (Decimal(10) ** 18 - LIMIT - STEP, None, False, "usage", Decimal(10) ** 18 - STEP),
]


def opened(balance, floor, is_strict):
    """A tenant whose wallet stands at a balance, and whose catalogue has every type of EDGES."""
    context = {"tenant_id": TenantFactory().id, "actor": "command:test", "request_id": ""}
    start = {"type": "adjustment", "amount": max(min(balance, Decimal(10) ** 18 - 1), 1 - Decimal(10) ** 18)}
    services.record_transaction(**context, **start, reference_id="start")
    for kind in ("usage", "topup", "own"):
        services.record_transaction(**context, amount=Decimal(0), type=kind, reference_id="type")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE billing_wallet SET balance = %s, floor = %s WHERE tenant_id = %s", [balance, floor, context["tenant_id"]])
    services.set_policy(**context, strict_types=is_strict)
    return context


def result(outcome):
    if isinstance(outcome, LedgerError):
        return type(outcome), outcome.facts
    names = ("amount", "effect", "balance_after", "entry_number", "direction", "currency", "flags", "reference_id", "reason_code")
    return outcome.replayed, {name: getattr(outcome.row, name) for name in names}


@pytest.mark.parametrize(("balance", "floor", "is_strict", "kind", "amount"), EDGES)
def test_a_posting_alone_and_in_an_array_has_the_same_outcome(db, balance, floor, is_strict, kind, amount):
    """Alone it takes the short form where it can be posted; among others, all of them are refused, it takes the steps for arrays."""
    item = {"amount": amount, "type": kind, "reference_id": "edge"}
    refused = {"amount": Decimal(-1), "type": "usage", "reference_id": "refused"}
    alone = opened(balance, floor, is_strict)
    [single] = services.record_transactions(**alone, transactions=[item])
    among = opened(balance, floor, is_strict)
    first, middle, last = services.record_transactions(**among, transactions=[refused, item, refused])
    assert result(single) == result(middle)
    assert isinstance(first, LedgerError)
    assert isinstance(last, LedgerError)


@pytest.mark.parametrize(
    ("call", "entry", "apart"),
    [
        (
            "billing_make_outcome('outcome', entry, 'wallet_currency', 1, 2, 3, 4, 5, NULL)",
            "billing_transaction",
            {"balance": "1", "held": "2", "floor": "3", "requested": "4", "remaining": "5", "wallet_currency": "wallet_currency"},
        ),
        (
            "credits_make_outcome('outcome', entry, NULL, grant_row, 1, 2, NULL)",
            "credits_transaction",
            {"balance": "31.0", "held": "32.0", "status": "voided", "taken": "1", "left_to_reverse": "2"},
        ),
    ],
)
def test_the_columns_of_an_answer_have_the_values_of_their_names(db, call, entry, apart):
    """The functions write the attributes in the order of their type: two of the same kind could be exchanged."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attname, format_type(atttypid, NULL) FROM pg_attribute "
            "WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped",
            [entry],
        )
        columns = {name: _some_value(kind, number) for number, (name, kind) in enumerate(cursor.fetchall(), 1)}
        row = json.dumps(columns)
        cursor.execute(
            f"SELECT to_jsonb({call}) FROM jsonb_populate_record(NULL::{entry}, %s) entry, "
            "jsonb_populate_record(NULL::credits_grant, %s) grant_row",
            [row, json.dumps({"balance": 31, "held": 32, "status": "voided"})],
        )
        answer = json.loads(cursor.fetchone()[0])
        cursor.execute(f"SELECT to_jsonb(entry) FROM jsonb_populate_record(NULL::{entry}, %s) entry", [row])
        recorded = json.loads(cursor.fetchone()[0])
    recorded |= {"first_digest": recorded["facts_digest"], "outcome": "outcome"}
    shared = [name for name in answer if name in recorded and name not in apart and name != "metadata"]
    assert len(shared) > 20
    assert {name: answer[name] for name in shared} == {name: recorded[name] for name in shared}
    assert {name: str(answer[name]) for name in apart} == apart


def _some_value(kind, number):
    """A value that no other column has."""
    # Short enough for a currency.
    text = str(number)
    texts = {"uuid": f"00000000-0000-0000-0000-{number:012}", "timestamp with time zone": f"2026-01-{number:02}T00:00:00+00:00"}
    if kind in {"numeric", "bigint", "smallint", "integer"}:
        return number
    return [text] if kind.endswith("[]") else texts.get(kind, f"\\x{number:02}" if kind == "bytea" else text)


@pytest.mark.parametrize("is_array", [True, False])
@pytest.mark.parametrize(
    ("amounts", "expected"),
    [
        ([None, None], ["posted", "already_reversed"]),
        ([None, 1], ["posted", "already_reversed"]),
        ([30, 1], ["posted", "already_reversed"]),
        ([10, None, None], ["posted", "posted", "already_reversed"]),
        ([10, 20, 1], ["posted", "posted", "already_reversed"]),
        ([10, 20 + STEP, 20], ["posted", "exceeds_original", "posted"]),
        ([30 + STEP, None], ["exceeds_original", "posted"]),
    ],
)
def test_reversals_of_one_transaction_are_the_same_in_an_array_and_alone(context, amounts, expected, is_array):
    original = services.record_transaction(**context, amount=Decimal(30), type="topup", reference_id="1").row
    postings = [
        make_posting(
            {"reverses": original.id, "amount": amount and Decimal(amount), "reference_id": f"part-{number}", "reason_code": "other"},
            actor="command:test",
            request_id="",
        )
        for number, amount in enumerate(amounts)
    ]
    calls = [postings] if is_array else [[posting] for posting in postings]
    rows = [row for call in calls for row in statements.call_function(BILLING_POST, [(context["tenant_id"], posting) for posting in call])]
    assert [row.outcome for row in rows] == expected
    last = [row.id for row in rows if row.outcome == "posted"][-1]
    assert [row.blocking_id for row in rows if row.outcome == "already_reversed"] == [last] * expected.count("already_reversed")
    row = Transaction.objects.get(id=original.id)
    assert (row.reversed_amount, row.reversed_by_id) == (30, last)
    assert list(find_violations(tenant_id=context["tenant_id"])) == []


def test_a_reversal_goes_to_the_wallet_of_its_original_whatever_currency_it_names(context):
    original = services.record_transaction(**context, amount=Decimal(30), type="topup", reference_id="1", currency="EUR").row
    facts = {"reverses": original.id, "currency": "USD", "reason_code": "other"}
    posting = make_posting(facts, actor="command:test", request_id="")
    [row] = statements.call_function(BILLING_POST, [(context["tenant_id"], posting)])
    assert (row.outcome, row.currency, row.effect, row.balance_after) == ("posted", "EUR", -30, 0)
    assert list(find_violations(tenant_id=context["tenant_id"])) == []
