"""How the objects of metering's events are written: as its API writes them."""

from typing import Any

from kernel.events.rendering import register_body, with_python_types, with_reply
from metering.api.serializers.payments import PaymentReply, ProtocolMetadataReply, SettlementReply
from metering.api.serializers.replies import CostReply, TransactionReply
from metering.api.serializers.rule_replies import FlatRuleReply
from metering.events import PAYMENT_EVENTS
from metering.rules.choices import RuleChange


def _superseded(snapshot: dict[str, Any]) -> dict[str, Any]:
    return {name: CostReply.plain(with_python_types(CostReply, snapshot[name])) for name in ("object", "previous")}


def _payment(snapshot: dict[str, Any]) -> dict[str, Any]:
    """The row of a payment holds the members of `protocolMetadata` too, so it is typed for both."""
    row = with_python_types(ProtocolMetadataReply, with_python_types(PaymentReply, snapshot))
    if (token := row.get("token")) is not None:
        row["token"] = with_python_types(SettlementReply, with_python_types(ProtocolMetadataReply, token))
    return {"object": PaymentReply.plain(row)}


STATUSES = ("authorized", "denied", "completed", "cancelled", "waiting", "stale")

register_body(*(f"metering.transaction.{name}" for name in STATUSES), render=with_reply(TransactionReply))
register_body("metering.cost.recorded", render=with_reply(CostReply))
register_body("metering.cost.superseded", render=_superseded)
register_body(*(f"spending_rule.{change}" for change in RuleChange.values), render=with_reply(FlatRuleReply))
register_body(*(f"payment.{name}" for name in PAYMENT_EVENTS), render=_payment)
