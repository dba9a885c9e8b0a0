"""/credits/{customerId}/..."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from credits import selectors, services
from credits.api.dialect import without_blanks
from credits.api.filters import ExplainQuery, PartialQuery, PastQuery, PreviewQuery
from credits.api.serializers.customers import (
    BalancesReply,
    ConsumeReply,
    ConsumeRequest,
    PreviewReply,
    ReinstateReply,
    ReinstateRequest,
    TenantBalancesReply,
    UsableGrantsReply,
)
from credits.api.serializers.transactions import EntryReply, ExplanationReply
from credits.api.views.base import CreditsViewSet
from kernel.api import json
from kernel.api.pagination import Page
from kernel.api.schema import operation
from kernel.ledger.errors import NotFound


class CustomerViewSet(CreditsViewSet):
    @operation(summary="List the usable credit grants of a customer", reply=UsableGrantsReply)
    def grants(self, request: HttpRequest, customer_id: str) -> HttpResponse:
        """Returns the grants with a balance that can be drawn on today, in the order in which a draw uses them."""
        rows = selectors.usable_grants(tenant_id=self.caller.tenant_id, customer_id=customer_id)
        return self.reply(UsableGrantsReply, {"items": rows})

    @operation(summary="List the credit balances of a customer", query=PastQuery, reply=BalancesReply, reads_past=True)
    def balances(self, request: HttpRequest, customer_id: str) -> HttpResponse:
        """Returns one balance for each currency and metric, over the grants that can be drawn on: today, or at a moment in the past."""
        query = self.query(PastQuery)
        if query["at"] is not None:
            rows = selectors.customer_balance_at(tenant_id=self.caller.tenant_id, customer_id=customer_id, **self.past_arguments(query))
            return self.reply(BalancesReply, {"items": rows})
        rows = selectors.customer_balances(tenant_id=self.caller.tenant_id, customer_id=customer_id)
        items = [{**row, "transactions": map(without_blanks, row["transactions"])} for row in rows]
        return self.reply(BalancesReply, {"items": items})

    @operation(summary="List the credit balances of the tenant", query=PastQuery, reply=TenantBalancesReply, reads_past=True)
    def account_balances(self, request: HttpRequest) -> HttpResponse:
        """Returns what the tenant owes all its customers, for each currency and metric: now, or at a moment in the past."""
        query = self.query(PastQuery)
        rows = selectors.tenant_balance_at(tenant_id=self.caller.tenant_id, **self.past_arguments(query))
        return self.reply(TenantBalancesReply, {"at": query["at"] or timezone.now(), "items": rows})

    @operation(
        summary="Draw an amount across a customer's grants",
        body=ConsumeRequest,
        query=PartialQuery,
        reply=ConsumeReply,
        status=201,
        refuses=("insufficient_credit", "idempotency_conflict"),
        idempotent=True,
        replays=True,
    )
    def consume(self, request: HttpRequest, customer_id: str) -> HttpResponse:
        """Takes an amount from the customer's grants, in burn-down order; all or nothing, unless `partial`.

        The order is: priority, METRIC before CURRENCY, soonest expiryDate, promotional before paid, effectiveDate, createdAt, id.
        """
        body = self.read(ConsumeRequest)
        body["partial"] = body["partial"] or self.query(PartialQuery)["partial"]
        posted = services.consume(**self.audit_context(), customer_id=customer_id, idempotency_key=self.idempotency_key(), **body)
        drawn = posted.row
        reply = {name: getattr(drawn, name) for name in ("id", "amount", "taken", "missing", "created_at")}
        reply |= {"customer_id": customer_id, "transactions": map(without_blanks, drawn.transactions)}
        return self.reply(ConsumeReply, reply, status=201, replayed=posted.replayed)

    @operation(summary="Preview a draw", query=PreviewQuery, reply=PreviewReply)
    def preview(self, request: HttpRequest, customer_id: str) -> HttpResponse:
        """Returns which grants a draw would use now, and how much of each. Nothing is taken."""
        plan = selectors.preview_consumption(tenant_id=self.caller.tenant_id, customer_id=customer_id, **self.query(PreviewQuery))
        return self.reply(PreviewReply, plan)

    @operation(
        summary="Give back what an invoice took",
        body=ReinstateRequest,
        reply=ReinstateReply,
        status=201,
        refuses=("nothing_to_reinstate",),
        replays=True,
    )
    def reinstate(self, request: HttpRequest, customer_id: str) -> HttpResponse:
        """Gives back exactly what an invoice took, to the grants it took it from.

        Repeating the call gives back nothing more, and returns the transactions that gave back.
        """
        body = self.read(ReinstateRequest)
        posted = services.reinstate(**self.audit_context(), customer_id=customer_id, **body)
        rows = [without_blanks(row._asdict()) for row in posted.row.transactions]
        reply = {"invoice_id": body["invoice_id"], "amount": posted.row.amount, "transactions": rows}
        return self.reply(ReinstateReply, reply, status=201, replayed=posted.replayed)


class ExplanationViewSet(CreditsViewSet):
    sums: list[dict[str, Any]]
    at: datetime | None

    @operation(summary="Explain a balance", query=ExplainQuery, reply=ExplanationReply, reads_past=True)
    def explain(self, request: HttpRequest, owner: str) -> HttpResponse:
        """Returns every transaction up to a moment, in order, of one grant or of all grants of a customer, and sums computed from them."""
        query = self.query(ExplainQuery)
        self.at = self.wait_for_past(query.pop("at"))
        explained = self._explained(owner)
        self.sums = explained["sums"]
        return self.page(
            EntryReply,
            explained["entries"],
            key=("created_at", "id"),
            descending=False,
            written=lambda rows: map(without_blanks, rows),
            **query,
        )

    def page_reply(self, reply: Any, page: Page, *, rows: Any) -> HttpResponse:
        cursors = {"after": page.next, "before": page.previous}
        explanation = {
            "at": self.at or timezone.now(),
            "entries": rows,
            "pagination": json.to_json({name: cursor for name, cursor in cursors.items() if cursor}).decode(),
            "sums": self.sums,
        }
        return self.reply(ExplanationReply, explanation)

    def _explained(self, owner: str) -> dict[str, Any]:
        """The explanation of the grant with this id, or else of the customer with this id. Raises NotFound."""
        try:
            return selectors.explain_grant(tenant_id=self.caller.tenant_id, grant_id=UUID(owner), at=self.at)
        except (ValueError, NotFound):
            return selectors.explain_customer(tenant_id=self.caller.tenant_id, customer_id=owner, at=self.at)
