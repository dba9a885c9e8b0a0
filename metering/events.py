"""Metering's types of events."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.utils import timezone

from kernel.events.registry import EventType, recorded_reply, register, register_volume
from metering.selectors import rollups

RULE = "rule:01900000-0000-0000-0000-000000000018"
AGENT = "01900000-0000-0000-0000-000000000017"
TRANSACTION = "transaction:01900000-0000-0000-0000-000000000001"
AT = "2026-01-31T12:00:00.000Z"


def _transaction(status: str, **changed: Any) -> Callable[[], dict[str, Any]]:
    return lambda: recorded_reply("metering", "metering_transactions_create") | {"status": status} | changed


def _cost() -> dict[str, Any]:
    return dict(recorded_reply("metering", "metering_transactions_costs_add_cost"))


def _superseded_cost() -> dict[str, Any]:
    return dict(recorded_reply("metering", "metering_transactions_costs")["costs"][0])


def _of_transaction(name: str, description: str, example: Callable[[], dict[str, Any]]) -> EventType:
    return EventType(
        name=f"metering.transaction.{name}",
        group="metering",
        description=description,
        account=TRANSACTION,
        object_type="transaction",
        example_object=example,
    )


register(
    _of_transaction("authorized", "A transaction may go ahead.", _transaction("authorized")),
    _of_transaction(
        "denied",
        "A transaction may not go ahead; `declineReason` says why.",
        _transaction("denied", authorizedAt=None, deniedAt=AT, declineReason="Agent is inactive"),
    ),
    _of_transaction(
        "completed",
        "A transaction ended; `outcome` says how. Its costs are those known at that moment.",
        lambda: dict(recorded_reply("metering", "metering_transactions_complete")["transaction"]),
    ),
    _of_transaction(
        "cancelled", "A transaction will not be completed.", lambda: dict(recorded_reply("metering", "metering_transactions_cancel"))
    ),
    _of_transaction("waiting", "A person has to decide about a transaction.", _transaction("pending", authorizedAt=None)),
    _of_transaction(
        "stale",
        "A transaction stayed authorized longer than the tenant's policy allows, and was cancelled.",
        lambda: dict(recorded_reply("metering", "metering_transactions_cancel")),
    ),
    EventType(
        name="metering.cost.recorded",
        group="metering",
        description="A cost was added to a transaction.",
        account=TRANSACTION,
        object_type="cost",
        example_object=_cost,
    ),
    EventType(
        name="metering.cost.superseded",
        group="metering",
        description="A newer cost took the place of an earlier one. The object is the newer one, `previous` the earlier one.",
        account=TRANSACTION,
        object_type="cost",
        example_object=_cost,
        example_previous=_superseded_cost,
    ),
)


def _of_rule(name: str, description: str, operation: str) -> EventType:
    return EventType(
        name=f"spending_rule.{name}",
        group="rules",
        description=description,
        account=RULE,
        object_type="spending rule",
        example_object=lambda: dict(recorded_reply("metering", f"rules_spending_rules_{operation}")),
    )


register(
    _of_rule("created", "A spending rule was made. It is in force, unless it was made paused.", "create"),
    _of_rule("updated", "A spending rule was changed, paused or put in force again. `version` says which change it was.", "create"),
    _of_rule("archived", "A spending rule was taken out of force and out of the list.", "archive"),
    _of_rule("restored", "An archived spending rule was brought back, paused.", "restore"),
)


def _report(**more: Any) -> Callable[[], dict[str, Any]]:
    def example() -> dict[str, Any]:
        rule = recorded_reply("metering", "rules_spending_rules_create")
        [parameter, *_] = rule["parameters"]
        named = {name: rule[name] for name in ("id", "numericId", "formattedId", "name", "ruleType", "status", "version")}
        counted = {
            "parameterId": parameter["id"],
            "group": dict.fromkeys(parameter["groupBy"] or (), AGENT),
            "limitValue": parameter["limitValue"],
            "used": parameter["limitValue"],
        }
        return named | counted | {"windowEnd": None} | more

    return example


def _of_limit(name: str, description: str, **more: Any) -> EventType:
    return EventType(
        name=f"spending_rule.{name}",
        group="rules",
        description=description,
        account=RULE,
        object_type="spending rule",
        example_object=_report(**more),
    )


register(
    _of_limit(
        "denied",
        "A rule denied a transaction. For each rule and group at most one a minute; `denials` says how many there were since the last one. "
        "The parameter, its group and its amounts are null for an allowlist or a blocklist.",
        reason="Transaction count including this transaction (101) would exceed limit of 100 in 1 days",
        denials=12,
    ),
    _of_limit(
        "threshold_reached",
        "What is used of a limit reached one of the rule's `notifyAt`: `threshold` is that share. Once in a window, on the way up.",
        threshold="0.8",
    ),
    _of_limit(
        "exceeded",
        "A limit was passed, `exceededBy` so much, by costs that became known after their transactions were let through.",
        exceededBy="0.500000000000000000",
    ),
)


PAYMENT_EVENTS = {
    "authorized": "Money is held for a transaction: credits of a customer first, the wallet next.",
    "presented": "Whom a payment of a 402 pays has seen it, and may collect it until `holdExpiresAt`.",
    "captured": "What a transaction cost was taken, and the rest of what was held is free again. After a capture that isn't final the "
    "status is still `authorized`, and the rest stays held.",
    "extended": "What is held for a transaction is held for longer: `holdExpiresAt`.",
    "released": "What was held for a transaction is free again, and nothing was taken.",
    "expired": "What was held for a transaction is free again, because its time is over.",
    "cancelled": "The payment of another challenge took the place of this one, and what it held is free again.",
    "failed": "A transaction cost something, nothing was held for it any more, and neither credits nor the wallet cover it.",
    "unpaid": "A transaction cost more than was held for it, and the rest isn't covered: `unpaidAmount` is still due.",
}


def _payment(name: str) -> Callable[[], dict[str, Any]]:
    def example() -> dict[str, Any]:
        if name in {"presented", "cancelled"}:
            payment = dict(recorded_reply("metering", "metering_transactions_reauthorize")["payment"])
        else:
            [payment] = recorded_reply("metering", "metering_transactions_payments")["payments"]
        status = {"unpaid": "captured", "extended": "authorized"}.get(name, name)
        return {field: value for field, value in payment.items() if field not in {"legs", "authorizationPayload"}} | {"status": status}

    return example


register(
    *(
        EventType(
            name=f"payment.{name}",
            group="paying",
            description=description,
            account=TRANSACTION,
            object_type="payment",
            example_object=_payment(name),
        )
        for name, description in PAYMENT_EVENTS.items()
    )
)


def _volume(tenant_id: UUID) -> str:
    """How many events the form of an endpoint warns of: those of the last day."""
    now = timezone.now()
    span = {"since": rollups.start_of(now - rollups.DAY, rollups.HOUR), "until": rollups.end_of(now, rollups.HOUR)}
    calls = rollups.get_summary(tenant_id=tenant_id, **span)["transactions"] or 0
    return f"metering.* is not chosen: one call makes several events, and this tenant had {calls:,} metered transactions in the last day."


register_volume("metering", _volume)
