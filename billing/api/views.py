"""The views of the billing API: each reads its request, calls a service or selector, and replies."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse

from billing import selectors, services
from billing.api.dialect import dialect
from billing.api.filters import AgentQuery, HoldQuery, StatementQuery, TransactionQuery, WalletQuery
from billing.api.serializers import (
    AgentReply,
    AlertRequest,
    BatchReply,
    BatchRequest,
    CaptureReply,
    CaptureRequest,
    ExtensionRequest,
    HoldReply,
    HoldRequest,
    LineReply,
    ReleaseRequest,
    ReversalRequest,
    StatementReply,
    TransactionReply,
    TransactionRequest,
    TypesReply,
    WalletReply,
    WalletsReply,
)
from billing.choices import HoldEntryKind
from billing.selectors.statements import WalletStatement, csv_text, html_text
from kernel.api.batches import post_batch
from kernel.api.schema import operation
from kernel.api.views import LedgerViewSet
from kernel.ledger.clocks import Clock
from kernel.ledger.moments import END_OF_MOMENTS

MEDIA = {"csv": "text/csv", "html": "text/html"}


class BillingViewSet(LedgerViewSet):
    dialect = dialect
    ledger = "billing"


class TransactionViewSet(BillingViewSet):
    @operation(
        summary="Record Transaction",
        body=TransactionRequest,
        reply=TransactionReply,
        refuses=("insufficient", "idempotency_conflict", "out_of_range"),
        replays=True,
    )
    def create(self, request: HttpRequest) -> HttpResponse:
        """Record a transaction"""
        body = self.read(TransactionRequest)
        posted = services.record_transaction(**self.audit_context(), **body)
        return self.reply(TransactionReply, posted.row, replayed=posted.replayed)

    @operation(summary="List Transactions", query=TransactionQuery, reply=TransactionReply, paged=True, reads_past=True)
    def list(self, request: HttpRequest) -> HttpResponse:
        """Newest first, by the time they were booked; by the time they happened where occurred_from or occurred_to is given."""
        query = self.query(TransactionQuery)
        limit, cursor = query.pop("limit"), query.pop("cursor")
        time = "occurred_at" if query["occurred_from"] or query["occurred_to"] else "created_at"
        final_until = self.wait_for_past(query["created_to"] or (query["occurred_to"] and END_OF_MOMENTS))
        rows = selectors.list_transactions(tenant_id=self.caller.tenant_id, filters=query, final_until=final_until)
        return self.page(TransactionReply, rows, limit=limit, after=cursor, key=(time, "id"))

    @operation(summary="Get Transaction", reply=TransactionReply)
    def retrieve(self, request: HttpRequest, transaction_id: UUID) -> HttpResponse:
        """One entry; its reversals show in reversed_amount and reversed_by."""
        row = selectors.get_transaction(tenant_id=self.caller.tenant_id, transaction_id=transaction_id)
        return self.reply(TransactionReply, row)

    @operation(
        summary="Reverse Transaction",
        body=ReversalRequest,
        reply=TransactionReply,
        refuses=("insufficient", "idempotency_conflict", "already_reversed", "not_reversible", "exceeds_original"),
        replays=True,
    )
    def reverse(self, request: HttpRequest, transaction_id: UUID) -> HttpResponse:
        """Reverse a transaction, all of it or a part; the reply is the reversing entry."""
        body: dict[str, Any] = self.read(ReversalRequest)
        posted = services.reverse_transaction(**self.audit_context(), transaction_id=transaction_id, **body)
        return self.reply(TransactionReply, posted.row, replayed=posted.replayed)

    @operation(
        summary="Record Transactions", body=BatchRequest, reply=BatchReply, refuses=("insufficient", "idempotency_conflict", "out_of_range")
    )
    def record_batch(self, request: HttpRequest) -> HttpResponse:
        """Record up to 1,000 transactions, each independently; with atomic, all or none, and then with the first refusal's status."""
        body = self.read(BatchRequest)
        outcome = post_batch(
            body["transactions"],
            post=lambda items: services.record_transactions(**self.audit_context(), transactions=items, atomic=body["atomic"]),
            aborted="withdrawn",
            is_atomic=body["atomic"],
        )
        return self.batch_reply(TransactionReply, outcome)


class WalletViewSet(BillingViewSet):
    @operation(summary="Get Wallet", query=WalletQuery, reply=WalletsReply, reads_past=True)
    def balance(self, request: HttpRequest) -> HttpResponse:
        """What the tenant has, now or at a past moment, in every currency."""
        query = self.query(WalletQuery)
        final_until = self.wait_for_past(query["as_of"] and (query["as_of"] if query["clock"] == Clock.BOOK else END_OF_MOMENTS))
        tenant_id = self.caller.tenant_id
        if final_until is None:
            wallets = selectors.list_wallets(tenant_id=tenant_id)
        else:
            wallets = selectors.list_wallets_at(tenant_id=tenant_id, moment=query["as_of"], clock=query["clock"], final_until=final_until)
        currency = query["currency"] or self.caller.currency
        balance = next((wallet["balance"] for wallet in wallets if wallet["currency"] == currency), 0)
        row = {"currency": currency, "balance": balance, "as_of": query["as_of"], "wallets": wallets}
        return self.reply(WalletsReply, row)

    @operation(summary="Set Wallet Alert", body=AlertRequest, reply=WalletReply)
    def set_alert(self, request: HttpRequest) -> HttpResponse:
        """Set the balance below which a wallet is low. A balance that is below it already isn't announced; the next crossing is.

        The events are billing.wallet.balance_low and billing.wallet.balance_recovered.
        """
        body = self.read(AlertRequest)
        currency = body["currency"] or self.caller.currency
        services.set_alert(**self.audit_context(), currency=currency, alert_below=body["alert_below"])
        wallets = selectors.list_wallets(tenant_id=self.caller.tenant_id)
        return self.reply(WalletReply, next(wallet for wallet in wallets if wallet["currency"] == currency))

    @operation(summary="Get Statement", query=StatementQuery, reply=StatementReply, other_media=tuple(MEDIA.values()), reads_past=True)
    def statement(self, request: HttpRequest) -> HttpResponseBase:
        """Opening balance, every entry, closing balance: as JSON, as CSV, or as a page to print."""
        query = self.query(StatementQuery)
        form = query.pop("format") or _accepted(request)
        query["currency"] = query["currency"] or self.caller.currency
        statement = selectors.get_statement(tenant_id=self.caller.tenant_id, **query)
        write = {"json": self._statement_json, "csv": csv_text, "html": html_text}[form]
        reply = StreamingHttpResponse(
            write(statement), content_type=f"{MEDIA[form]}; charset=utf-8" if form in MEDIA else "application/json"
        )
        if form == "csv":
            name = f"statement-{statement.currency}-{statement.since:%Y-%m-%d}-{statement.until:%Y-%m-%d}.csv"
            reply.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        self.final_until = statement.final_until
        return reply

    def _statement_json(self, statement: WalletStatement) -> Iterator[bytes]:
        """The reply in pieces: its frame first, then the entries one by one."""
        line = self.reply_class_for_preference(LineReply)
        yield self.reply_class_for_preference(StatementReply).render(_frame(statement))[:-1] + b',"entries":['
        comma = b""
        for row in statement.entries():
            yield comma + line.render(row)
            comma = b","
        yield b"]}"


class HoldViewSet(BillingViewSet):
    """A repeated call gets the first reply: each call leaves an entry that says what the hold was after it."""

    @operation(
        summary="Place Hold", body=HoldRequest, reply=HoldReply, refuses=("insufficient", "hold_conflict", "out_of_range"), replays=True
    )
    def create(self, request: HttpRequest) -> HttpResponse:
        """Reserve an amount of the wallet until a moment. Only captures of the hold can debit it, until it is released or expires."""
        posted = services.place_hold(**self.audit_context(), **self.read(HoldRequest))
        return self._after(HoldReply, posted.row.id, HoldEntryKind.PLACED, replayed=posted.replayed)

    @operation(summary="List Holds", query=HoldQuery, reply=HoldReply, paged=True)
    def list(self, request: HttpRequest) -> HttpResponse:
        """Newest first."""
        query = self.query(HoldQuery)
        limit, cursor = query.pop("limit"), query.pop("cursor")
        rows = selectors.list_holds(tenant_id=self.caller.tenant_id, **query)
        page = self.page_of_rows(rows, limit=limit, after=cursor, key=("created_at", "id"))
        return self.page_reply(HoldReply, page, rows=map(selectors.as_shown, page.rows))

    @operation(summary="Get Hold", reply=HoldReply)
    def retrieve(self, request: HttpRequest, hold_id: UUID) -> HttpResponse:
        """One hold, as it is now."""
        return self.reply(HoldReply, selectors.get_hold(tenant_id=self.caller.tenant_id, hold_id=hold_id))

    @operation(
        summary="Capture Hold",
        body=CaptureRequest,
        reply=CaptureReply,
        refuses=("hold_closed", "hold_exceeded", "hold_conflict", "usage_not_a_debit", "out_of_range"),
        replays=True,
    )
    def capture(self, request: HttpRequest, hold_id: UUID) -> HttpResponse:
        """Debit what the hold reserves, or an amount of it, as a transaction of the type usage; the rest is released if this is final."""
        body = self.read(CaptureRequest)
        posted = services.capture_hold(**self.audit_context(), hold_id=hold_id, **body)
        return self._after(CaptureReply, hold_id, HoldEntryKind.CAPTURED, reference_id=body["reference_id"], replayed=posted.replayed)

    @operation(summary="Extend Hold", body=ExtensionRequest, reply=HoldReply, refuses=("hold_closed", "hold_conflict"), replays=True)
    def extend(self, request: HttpRequest, hold_id: UUID) -> HttpResponse:
        """Give the hold a later end, within the tenant's longest time for a hold."""
        body = self.read(ExtensionRequest)
        posted = services.extend_hold(**self.audit_context(), hold_id=hold_id, **body)
        return self._after(HoldReply, hold_id, HoldEntryKind.EXTENDED, reference_id=body["reference_id"], replayed=posted.replayed)

    @operation(summary="Release Hold", body=ReleaseRequest, reply=HoldReply, refuses=("hold_closed", "hold_conflict"), replays=True)
    def release(self, request: HttpRequest, hold_id: UUID) -> HttpResponse:
        """Release what the hold still reserves."""
        posted = services.release_hold(**self.audit_context(), hold_id=hold_id, **self.read(ReleaseRequest))
        return self._after(HoldReply, hold_id, HoldEntryKind.RELEASED, replayed=posted.replayed)

    def _after(self, reply: type[HoldReply], hold_id: UUID, kind: str, *, replayed: bool, reference_id: str | None = None) -> HttpResponse:
        row = selectors.get_hold_after(tenant_id=self.caller.tenant_id, hold_id=hold_id, kind=kind, reference_id=reference_id)
        return self.reply(reply, row, replayed=replayed)


class TypeViewSet(BillingViewSet):
    @operation(summary="List Transaction Types", reply=TypesReply)
    def list(self, request: HttpRequest) -> HttpResponse:
        """The tenant's catalogue by code: what is shipped, what is its own, and what came in uncatalogued."""
        return self.reply(TypesReply, {"items": selectors.list_types(tenant_id=self.caller.tenant_id)})


class AgentViewSet(BillingViewSet):
    @operation(summary="Get Agent Summary", query=AgentQuery, reply=AgentReply, reads_past=True)
    def summary(self, request: HttpRequest, agent_id: str) -> HttpResponse:
        """What an agent's entries came to; zeros for an agent that has none."""
        query = self.query(AgentQuery)
        final_until = self.wait_for_past(query["created_to"])
        totals = selectors.list_agent_totals(
            tenant_id=self.caller.tenant_id,
            agent_id=agent_id,
            since=query["created_from"],
            until=query["created_to"],
            final_until=final_until,
        )
        currencies = []
        for currency, group in groupby(totals, key=lambda total: total["currency"]):
            rows = list(group)
            facts = {"entries": sum(row["entries"] for row in rows), "net": sum(row["net"] for row in rows)}
            currencies.append({"currency": currency} | facts)
        row = {"agent_id": agent_id, "currencies": currencies, "totals": totals}
        return self.reply(AgentReply, row)


def _accepted(request: HttpRequest) -> str:
    """The form that the Accept header asks for first; JSON where it names none of ours."""
    forms = {"application/json": "json"} | {media_type: form for form, media_type in MEDIA.items()}
    kinds = (part.partition(";")[0].strip().lower() for part in request.headers.get("Accept", "").split(","))
    return next((forms[kind] for kind in kinds if kind in forms), "json")


def _frame(statement: WalletStatement) -> dict[str, Any]:
    names = ("currency", "since", "until", "clock", "opening_balance", "closing_balance", "held", "entry_count", "totals")
    return {name: getattr(statement, name) for name in names}
