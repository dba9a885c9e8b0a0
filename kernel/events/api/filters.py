"""The query parameters of the webhooks API."""

from typing import Any

from kernel.api.fields import Choice, Text, Timestamp
from kernel.api.query_fields import PageLimit, Until
from kernel.api.serializers import Query
from kernel.events import registry
from kernel.events.api.dialect import TypePattern, dialect
from kernel.events.choices import ACCOUNT_LENGTH, OBJECT_ID_LENGTH, DeliveryState, EndpointStatus

SORTS = ("createdAt", "-createdAt")


class WebhooksQuery(Query):
    dialect = dialect


class PageQuery(WebhooksQuery):
    limit = PageLimit(wire_name="page[limit]")
    after = Text(required=False, max_length=1000, wire_name="page[after]")
    before = Text(required=False, max_length=1000, wire_name="page[before]")


class EndpointQuery(PageQuery):
    status = Choice((EndpointStatus.ENABLED, EndpointStatus.DISABLED), required=False, wire_name="filter[status]")


class SentQuery(PageQuery):
    type = TypePattern(required=False, wire_name="filter[type]", description="A type, or a pattern such as `billing.*`.")
    account = Text(required=False, max_length=ACCOUNT_LENGTH, wire_name="filter[account]", description="As events name it: `wallet:USD`.")
    since = Timestamp(days=True, required=False, wire_name="filter[from]")
    until = Until(days=True, required=False, wire_name="filter[to]", description="Excluded; a bare day counts as a whole.")


class DeliveryQuery(SentQuery):
    state = Choice(DeliveryState.values, required=False, wire_name="filter[state]")


class EventQuery(SentQuery):
    sort = Choice(SORTS, required=False, default="createdAt", description="In the order of recording, or the newest first.")
    object_id = Text(required=False, max_length=OBJECT_ID_LENGTH, wire_name="filter[object]", description="The id of the object.")
    delivery = Choice(DeliveryState.values, required=False, wire_name="filter[delivery]", description="With a delivery in this state.")


class EventTypeQuery(WebhooksQuery):
    group = Choice(registry.GROUPS, required=False, wire_name="filter[group]")


PLACE = ("limit", "after", "before")


def conditions_of(query: dict[str, Any]) -> dict[str, Any]:
    """The values of a query that aren't about pages or sorting."""
    return {name: value for name, value in query.items() if name not in {*PLACE, "sort"}}


def place_of(query: dict[str, Any]) -> dict[str, Any]:
    return {name: query[name] for name in PLACE}
