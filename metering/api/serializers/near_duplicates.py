"""Replies about transactions that may have been recorded twice."""

from datetime import timedelta

from kernel.api.amounts import AmountText
from kernel.api.fields import Choice, Currency, Identifier, Integer, Text
from kernel.api.nested import ListOf, Nested
from metering.api.serializers.base import MeteringReply
from metering.api.serializers.replies import TransactionReply
from metering.choices import Outcome


class Milliseconds(Integer):
    """A length of time."""

    def plain(self, value: timedelta) -> int:
        return value // timedelta(milliseconds=1)


class AlikeCostReply(MeteringReply):
    """The active costs of each in one currency."""

    fiat_asset_symbol = Currency(source="currency")
    total = AmountText(full=True, source="amount")
    estimated = AmountText(full=True)


class AlikeReply(MeteringReply):
    """What both have the same of; null where neither has it."""

    service_name = Text(source="service")
    action_name = Text(source="action")
    resource_name = Text(source="resource")
    model = Text(required=False)
    agent_id = Identifier(source="agent", required=False)
    customer_id = Text(source="customer", required=False)
    outcome = Choice(Outcome.values, required=False)
    costs = ListOf(Nested(AlikeCostReply))
    input_tokens = Integer(min_value=0)
    output_tokens = Integer(min_value=0)
    cache_read_tokens = Integer(min_value=0)
    cache_write_tokens = Integer(min_value=0)
    input_audio_tokens = Integer(min_value=0)
    output_audio_tokens = Integer(min_value=0)
    reasoning_tokens = Integer(min_value=0)


class NearDuplicateReply(MeteringReply):
    """Two transactions that are alike, and how long after one another they occurred."""

    milliseconds_apart = Milliseconds(source="apart", min_value=0)
    alike = Nested(AlikeReply)
    earlier = Nested(TransactionReply)
    later = Nested(TransactionReply)
