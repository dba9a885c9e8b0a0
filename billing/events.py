"""Billing's types of events."""

from collections.abc import Callable
from typing import Any

from kernel.events.registry import EventType, recorded_reply, register

WALLET = "wallet:USD"


def _entry() -> dict[str, Any]:
    return dict(recorded_reply("billing", "billing_transactions_retrieve"))


def _reversal() -> dict[str, Any]:
    return dict(recorded_reply("billing", "billing_transactions_reverse"))


def _wallet(**changed: Any) -> dict[str, Any]:
    return recorded_reply("billing", "billing_wallet_balance")["wallets"][0] | changed


def _of_hold(name: str, description: str, example: Callable[[], dict[str, Any]]) -> EventType:
    return EventType(
        name=f"billing.hold.{name}", group="billing", description=description, account=WALLET, object_type="hold", example_object=example
    )


def _hold(operation: str, **changed: Any) -> Callable[[], dict[str, Any]]:
    def example() -> dict[str, Any]:
        reply = dict(recorded_reply("billing", operation))
        reply.pop("transaction_id", None)
        return reply | changed

    return example


register(
    EventType(
        name="billing.transaction.recorded",
        group="billing",
        description="A transaction was recorded. A reversal is a transaction too: it has `reverses`, and both events are sent.",
        account=WALLET,
        object_type="transaction",
        example_object=_entry,
    ),
    EventType(
        name="billing.transaction.reversed",
        group="billing",
        description="A transaction was reversed, wholly or in part. The object is the reversal; `reverses` names what it takes back.",
        account=WALLET,
        object_type="transaction",
        example_object=_reversal,
    ),
    EventType(
        name="billing.transaction.refused",
        group="billing",
        description="A debit was refused because the wallet's floor doesn't allow it (402). At most one a minute for each wallet.",
        account=WALLET,
        object_type="wallet",
        example_object=lambda: _wallet(balance=3, floor=0),
    ),
    EventType(
        name="billing.wallet.balance_low",
        group="billing",
        description="The balance went below the wallet's `alert_below`. Sent once; again only after it has recovered.",
        account=WALLET,
        object_type="wallet",
        example_object=lambda: _wallet(balance=18.5),
    ),
    EventType(
        name="billing.wallet.balance_recovered",
        group="billing",
        description="The balance is at or above the wallet's `alert_below` again.",
        account=WALLET,
        object_type="wallet",
        example_object=lambda: _wallet(balance=118.5),
    ),
    _of_hold("placed", "An amount of the wallet was reserved.", _hold("billing_wallet_holds_create")),
    _of_hold(
        "captured",
        "A part of a hold was debited. `status` says whether it was the last one; then the rest is free again.",
        _hold("billing_wallet_holds_capture"),
    ),
    _of_hold("extended", "A hold got a later end.", _hold("billing_wallet_holds_extend")),
    _of_hold("released", "A hold was released.", _hold("billing_wallet_holds_release")),
    _of_hold("expired", "A hold ended because its time was over.", _hold("billing_wallet_holds_release", status="expired")),
)
