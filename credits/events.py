"""Credits' types of events."""

from collections.abc import Callable
from typing import Any

from kernel.events.registry import EventType, recorded_reply, register

GRANT = "grant:01900000-0000-0000-0000-000000000002"
CUSTOMER = "customer:customer-1"


def _reply(operation: str, **changed: Any) -> Callable[[], dict[str, Any]]:
    return lambda: recorded_reply("credits", operation) | changed


def _balance() -> dict[str, Any]:
    balance: dict[str, Any] = recorded_reply("credits", "credits_balances")["items"][0]
    facts = {name: balance[name] for name in ("id", "type", "name", "balance", "held", "available")}
    return {"customerId": "customer-1", **facts, "alertBelow": "100"}


def _of_grant(name: str, description: str, example: Callable[[], dict[str, Any]]) -> EventType:
    return EventType(
        name=f"credits.grant.{name}",
        group="credits",
        description=description,
        account=GRANT,
        object_type="grant",
        example_object=example,
    )


def _of_hold(name: str, description: str, example: Callable[[], dict[str, Any]]) -> EventType:
    return EventType(
        name=f"credits.hold.{name}",
        group="credits",
        description=description,
        account=CUSTOMER,
        object_type="hold",
        example_object=example,
    )


register(
    _of_grant("created", "Credit was granted.", _reply("credits_create")),
    _of_grant("depleted", "Nothing of a grant is left.", _reply("credits_retrieve", currentBalance="0")),
    _of_grant(
        "expiring",
        "A grant with a balance expires within the days that the tenant chose, 7 unless set.",
        _reply("credits_retrieve", expiryDate="2026-02-07"),
    ),
    _of_grant(
        "expired",
        "A grant expired with a balance, which was taken off it.",
        _reply("credits_retrieve", expiryDate="2026-01-30", currentBalance="0", status="expired"),
    ),
    _of_grant("voided", "A grant was taken back.", _reply("credits_void")),
    EventType(
        name="credits.transaction.posted",
        group="credits",
        description="A grant's balance changed: a debit, a credit, a reversal, a part of a burn-down.",
        account=GRANT,
        object_type="credit transaction",
        example_object=_reply("credits_credit_transactions_retrieve"),
    ),
    _of_hold("placed", "Credit was reserved.", _reply("credits_holds_create")),
    _of_hold(
        "captured",
        "A part of a hold was debited. `status` says whether it was the last one; then the rest is free again.",
        _reply("credits_holds_capture"),
    ),
    _of_hold("extended", "A hold got a later end.", _reply("credits_holds_extend")),
    _of_hold("released", "A hold was released.", _reply("credits_holds_release")),
    _of_hold("expired", "A hold ended because its time was over.", _reply("credits_holds_release", status="expired")),
    EventType(
        name="credits.balance.low",
        group="credits",
        description="What a customer has in one currency or metric went below the threshold set for it. Sent once; again only after it has"
        " recovered.",
        account=CUSTOMER,
        object_type="balance",
        example_object=_balance,
    ),
    EventType(
        name="credits.balance.recovered",
        group="credits",
        description="What a customer has in one currency or metric is at or above the threshold again.",
        account=CUSTOMER,
        object_type="balance",
        example_object=lambda: _balance() | {"alertBelow": "50"},
    ),
)
