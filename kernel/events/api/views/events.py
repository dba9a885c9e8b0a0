"""The views of events and their types."""

from django.http import HttpRequest, HttpResponse

from kernel.api.schema import operation
from kernel.events import registry
from kernel.events.api.filters import EventQuery, EventTypeQuery, conditions_of, place_of
from kernel.events.api.serializers import EventReply, EventTypesReply
from kernel.events.api.views.base import WebhooksViewSet, event_id_of
from kernel.events.selectors import events as selectors


class EventViewSet(WebhooksViewSet):
    @operation(summary="List events", query=EventQuery, reply=EventReply, paged=True)
    def list(self, request: HttpRequest) -> HttpResponse:
        """The events that the tenant's endpoints want, in the order of recording, for callers that pull. `links.next` is there on the last
        page too: ask it again later for what came since. Nothing is skipped, also while long transactions run. Kept for 90 days."""
        query = self.query(EventQuery)
        rows = selectors.list_events(tenant_id=self.caller.tenant_id, **conditions_of(query))
        is_descending = query["sort"].startswith("-")
        return self.page(EventReply, rows, key=("position",), descending=is_descending, grows=not is_descending, **place_of(query))

    @operation(summary="Read an event", reply=EventReply)
    def retrieve(self, request: HttpRequest, event_id: str) -> HttpResponse:
        """An event, byte for byte as endpoints get it; always in full."""
        return self.reply(EventReply, selectors.get_event(tenant_id=self.caller.tenant_id, event_id=event_id_of(event_id)))


class EventTypeViewSet(WebhooksViewSet):
    @operation(summary="List types of events", query=EventTypeQuery, reply=EventTypesReply)
    def list(self, request: HttpRequest) -> HttpResponse:
        """Every type that can be sent, with an example."""
        group = self.query(EventTypeQuery)["group"]
        types = [each for each in registry.list_types() if group in {None, each.group}]
        return self.reply(EventTypesReply, {"api_version": registry.API_VERSION, "types": types})
