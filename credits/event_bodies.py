"""How the objects of the events about credits are written: as the API writes them."""

from typing import Any

from credits.api.dialect import CreditsReply, without_blanks
from credits.api.serializers.grants import GrantReply, to_grant_reply
from credits.api.serializers.holds import HoldReply
from credits.api.serializers.transactions import TransactionReply
from credits.choices import BalanceType
from kernel.api.amounts import AmountText
from kernel.api.fields import Choice, Text
from kernel.events.rendering import register_body, with_reply


class WatchedBalanceReply(CreditsReply):
    """A customer's balance in one currency or metric."""

    customer_id = Text()
    id = Text()
    type = Choice(BalanceType.values)
    name = Text()
    balance = AmountText()
    held = AmountText()
    available = AmountText()
    alert_below = AmountText()


def _named(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "name": row["id"]}


GRANT_TYPES = [f"credits.grant.{name}" for name in ("created", "depleted", "expiring", "expired", "voided")]
HOLD_TYPES = [f"credits.hold.{name}" for name in ("placed", "captured", "extended", "released", "expired")]

register_body(*GRANT_TYPES, render=with_reply(GrantReply, to_grant_reply))
register_body("credits.transaction.posted", render=with_reply(TransactionReply, without_blanks))
register_body(*HOLD_TYPES, render=with_reply(HoldReply, without_blanks))
register_body("credits.balance.low", "credits.balance.recovered", render=with_reply(WatchedBalanceReply, _named))
