"""Replies to questions about usage."""

from typing import Any

from kernel.api.amounts import AmountText
from kernel.api.fields import Boolean, Choice, Currency, Field, Identifier, Integer, Text, Timestamp
from kernel.api.nested import ListOf, Nested
from metering.api.serializers.base import MeteringBody, MeteringReply
from metering.choices import KeyPlace, UsageClock

COUNT: dict[str, Any] = {"min_value": 0, "required": False, "omitted": True}


class Group(Field):
    """The value of each dimension by its name, null for transactions without one."""

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": {"type": ["string", "null"]}}


class GroupSpendReply(MeteringReply):
    """The active costs in one currency: all, and of them what is estimated and what is actual."""

    fiat_asset_symbol = Currency(source="currency")
    total = AmountText(full=True, source="amount")
    estimated = AmountText(full=True)
    actual = AmountText(full=True)


class GroupLinksReply(MeteringReply):
    """`transactions`: the address that lists what the sums are made of."""

    transactions = Text()


class UsageGroupReply(MeteringReply):
    starts_at = Timestamp(required=False)
    group = Group()
    count = Integer(source="transactions", **COUNT)
    spend = ListOf(Nested(GroupSpendReply), source="costs", required=False, omitted=True)
    input_tokens = Integer(**COUNT)
    output_tokens = Integer(**COUNT)
    cache_read_tokens = Integer(**COUNT)
    cache_write_tokens = Integer(**COUNT)
    input_audio_tokens = Integer(**COUNT)
    output_audio_tokens = Integer(**COUNT)
    reasoning_tokens = Integer(**COUNT)
    links = Nested(GroupLinksReply)


class GroupsLinksReply(MeteringReply):
    self = Text()
    next = Text(required=False)


class GroupsPageReply(MeteringReply):
    limit = Integer(min_value=1)
    has_next = Boolean()


class QuestionReply(MeteringReply):
    """The span, in UTC, and how it is divided."""

    page = Nested(GroupsPageReply)
    from_date = Timestamp(source="since", fine=True)
    to_date = Timestamp(source="until", fine=True)
    interval = Text(required=False)
    timezone = Text(source="zone")
    clock = Choice(UsageClock.values)


class UsageGroupsReply(MeteringReply):
    data = ListOf(Nested(UsageGroupReply))
    links = Nested(GroupsLinksReply)
    meta = Nested(QuestionReply)


class UsageKeyRequest(MeteringBody):
    place = Choice(KeyPlace.values, example="qualifiers")
    name = Text(is_key=True, min_length=1, max_length=64, pattern=r"^[^\[\],]+$", example="env", description="Dots lead into objects.")


class UsageKeyReply(MeteringReply):
    """A declared key. `countsFrom`: what happened before isn't counted by it yet; null: everything is."""

    id = Identifier()
    key = Text()
    place = Choice(KeyPlace.values)
    name = Text()
    declared_at = Timestamp()
    counts_from = Timestamp(required=False, fine=True)
    is_complete = Boolean()
