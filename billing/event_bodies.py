"""How the objects of billing's events are written: as its API writes them."""

from billing.api.serializers import HoldReply, TransactionReply, WalletReply
from kernel.events.rendering import register_body, with_reply

register_body("billing.transaction.recorded", "billing.transaction.reversed", render=with_reply(TransactionReply))
register_body(
    "billing.transaction.refused",
    "billing.wallet.balance_low",
    "billing.wallet.balance_recovered",
    render=with_reply(WalletReply),
)
HOLD_TYPES = [f"billing.hold.{name}" for name in ("placed", "captured", "extended", "released", "expired")]
register_body(*HOLD_TYPES, render=with_reply(HoldReply))
