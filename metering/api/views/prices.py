"""The views of the tenant's own prices."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse

from kernel.api.schema import operation
from metering import selectors, services
from metering.api.filters import PriceQuery
from metering.api.serializers.prices import EndPriceRequest, PriceReply, PriceRequest, QuoteReply, QuoteRequest
from metering.api.views.base import MeteringViewSet


class PriceViewSet(MeteringViewSet):
    @operation(summary="Begin a price", body=PriceRequest, reply=PriceReply, status=201, refuses=("price_exists",))
    def create(self, request: HttpRequest) -> HttpResponse:
        """Ends the price with the same names that has no end yet, at the moment the new one begins. A price is never edited: costs go on
        naming the one that they came from."""
        price_id = services.begin_price(**self.audit_context(), **self.read(PriceRequest))
        return self.reply(PriceReply, selectors.get_price(tenant_id=self.caller.tenant_id, price_id=price_id), status=201)

    @operation(summary="List prices", query=PriceQuery, reply=PriceReply, paged=True)
    def list(self, request: HttpRequest) -> HttpResponse:
        """Newest first, with those that have ended unless `filter[active_at]` names a moment."""
        query = self.query(PriceQuery)
        tenant_id = self.caller.tenant_id
        names = {name: query[name] for name in ("service_name", "action_name", "resource_name")}
        rows = selectors.query_prices(tenant_id=tenant_id, at=query["at"], **names)
        page = {name: query[name] for name in ("limit", "after", "before")}
        return self.page(PriceReply, rows, **page, written=lambda found: selectors.with_units(found, tenant_id=tenant_id))

    @operation(summary="Get a price", reply=PriceReply, refuses=("not_found",))
    def retrieve(self, request: HttpRequest, price_id: UUID) -> HttpResponse:
        """One price with its units."""
        return self.reply(PriceReply, selectors.get_price(tenant_id=self.caller.tenant_id, price_id=price_id))

    @operation(summary="End a price", body=EndPriceRequest, reply=PriceReply, refuses=("not_found",))
    def end(self, request: HttpRequest, price_id: UUID) -> HttpResponse:
        """Transactions from `validTo` on don't have the price. Costs that were computed by it stay; re-pricing would change them."""
        body: dict[str, Any] = self.read(EndPriceRequest)
        services.end_price(**self.audit_context(), price_id=price_id, **body)
        return self.reply(PriceReply, selectors.get_price(tenant_id=self.caller.tenant_id, price_id=price_id))

    @operation(summary="Quote a call", body=QuoteRequest, reply=QuoteReply)
    def quote(self, request: HttpRequest) -> HttpResponse:
        """What a call with these facts would cost, by which price, with the arithmetic. Records nothing."""
        return self.reply(QuoteReply, services.quote_call(tenant_id=self.caller.tenant_id, **self.read(QuoteRequest)))
