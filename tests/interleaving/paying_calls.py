"""A tenant that prepays and the calls that may meet at its money."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from billing.models import Wallet
from credits.models import Grant, Hold
from metering import services as metering
from metering.models import Cost, Transaction
from metering.paying import services
from metering.paying.models import Payment, PaymentLeg
from tests.interleaving.harness import Lock, Row, Scene, number
from tests.paying.book import NAMES, PayingBook, cost

LATER = datetime(2190, 1, 1, tzinfo=UTC)


def paying() -> PayingBook:
    """Two grants of 3 and 4 and a wallet of 5; a transaction of 8 holds all credits and 1 of the wallet."""
    book = PayingBook(credit=3, wallet=5)
    book.grant(4)
    book.transaction = book.record(cost(8))["id"]
    book.paid = book.payment({"id": book.transaction}).id
    return book


def money_rows(book: PayingBook) -> dict[str, Lock]:
    its = {"tenant_id": book.tenant_id}
    rows: dict[str, Lock] = {
        "transaction": Row("metering_transaction", book.tenant_id, book.transaction),
        "payment": Row("paying_payment", book.tenant_id, book.paid),
        "hold": Row("credits_hold", book.tenant_id, Hold.objects.get(**its).id),
        "wallet": Row("billing_wallet", book.tenant_id, Wallet.objects.get(**its).id),
    }
    for place, grant in enumerate(Grant.objects.filter(**its).order_by("id")):
        rows[f"grant {place}"] = Row("credits_grant", book.tenant_id, grant.id)
    return rows


def state(book: PayingBook) -> Any:
    its = {"tenant_id": book.tenant_id}
    book.is_sound()
    return {
        "transactions": sorted((row.status, str(row.decline_reason)) for row in Transaction.objects.filter(**its)),
        "costs": sorted((number(row.fiat_amount), row.is_estimate, row.is_active) for row in Cost.objects.filter(**its)),
        "payments": sorted(
            (row.status, number(row.amount), number(row.captured), number(row.unpaid)) for row in Payment.objects.filter(**its)
        ),
        "legs": sorted((row.ordinal, row.kind, number(row.amount), number(row.captured)) for row in PaymentLeg.objects.filter(**its)),
        "money": [number(amount) for amount in book.money()],
    }


def its_transaction(book: PayingBook) -> dict[str, Any]:
    return book.who | {"transaction_id": book.transaction}


def record_several(book: PayingBook, *amounts: int) -> list[str]:
    items = [NAMES | {"costs": [cost(amount)]} for amount in amounts]
    return [one.row["status"] for one in metering.record_transactions(**book.who, transactions=items)]


def capture_part(book: PayingBook, amount: int) -> bool:
    its = its_transaction(book) | {"payment_id": book.paid, "final": False, "idempotency_key": "part"}
    return services.capture_payment(**its, amount=Decimal(amount)).replayed


def extend(book: PayingBook) -> bool:
    its = its_transaction(book) | {"payment_id": book.paid, "idempotency_key": "later"}
    return services.extend_payment(**its, expires_at=LATER).replayed


SCENES = (
    Scene(
        name="paying",
        make=paying,
        rows=money_rows,
        state=state,
        calls={
            "record 2": lambda book: book.record(cost(2), idempotency_key="two")["status"],
            "record several": lambda book: record_several(book, 3, 2, 1),
            "complete": lambda book: metering.complete_transaction(**its_transaction(book), outcome="success").replayed,
            "fail": lambda book: metering.complete_transaction(**its_transaction(book), outcome="error").replayed,
            "cancel": lambda book: metering.cancel_transaction(**its_transaction(book)).replayed,
            "release": lambda book: services.release_payment(**book.who, payment_id=book.paid, reason="r").replayed,
            "part of 2": lambda book: capture_part(book, 2),
            "extend": extend,
            "cost of 10": lambda book: book.add_cost({"id": book.transaction}, 10)["is_active"],
            "top up": lambda book: book.top_up(2),
        },
    ),
)
