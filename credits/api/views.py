"""The calls of the credits API; each parses, calls a service or selector, and answers."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse

from credits import selectors, services
from credits.api import serializers as shapes
from credits.api.dialect import dialect
from credits.api.filters import BatchQuery, GrantQuery, TransactionQuery
from kernel.ledger.errors import InvalidValue
from kernel.tenants.services import act_for
from kernel.wire import json
from kernel.wire.problems import problem_of
from kernel.wire.schema import operation
from kernel.wire.views import LedgerViewSet

POSTING_REFUSALS = (
    "grant_not_found",
    "grant_voided",
    "grant_not_yet_effective",
    "grant_expired",
    "insufficient_credit",
    "more_than_taken",
    "idempotency_conflict",
)
EXAMPLE = {
    "grantId": "746fc7f2-8098-4fe7-953c-7d51c580a126",
    "reason": "Refund",
    "invoiceId": "6cedbb5e-4f77-4217-b8d4-020e7e4d33c9",
    "billingRunId": "cbe82021-90bb-47cc-a665-eda41ec4ee5b",
    "type": "DEBIT",
    "amount": "10",
}


class TransactionViewSet(LedgerViewSet):
    dialect = dialect
    ledger = "credits"
    requires_on_behalf_of = frozenset({"create"})

    @operation(
        summary="Create a credit transaction",
        body=shapes.TransactionRequest,
        reply=shapes.TransactionReply,
        status=201,
        refuses=POSTING_REFUSALS,
        idempotent=True,
        replays=True,
        example=EXAMPLE,
    )
    def create(self, request: HttpRequest) -> HttpResponse:
        """Takes an amount from one grant or adds to it. Without an Idempotency-Key, the same request again is another transaction."""
        body = self.read(shapes.TransactionRequest)
        row = services.post_transaction(**self.who(), idempotency_key=self.idempotency_key(), **body)
        return self.reply(shapes.TransactionReply, shown(row._asdict()), status=201, replayed=row.outcome == "replayed")

    @operation(summary="List credit transactions", query=TransactionQuery, reply=shapes.TransactionReply, paged=True)
    def list(self, request: HttpRequest) -> HttpResponse:
        """Newest first."""
        query = self.query(TransactionQuery)
        page = {name: query.pop(name) for name in ("limit", "after", "before")}
        rows = selectors.list_transactions(tenant_id=self.caller.tenant_id, **query)
        return self.page(shapes.TransactionReply, rows, key=("created_at", "id"), written=lambda found: map(shown, found), **page)

    @operation(summary="Get a credit transaction", reply=shapes.TransactionReply)
    def retrieve(self, request: HttpRequest, transaction_id: UUID) -> HttpResponse:
        row = selectors.get_transaction(tenant_id=self.caller.tenant_id, transaction_id=transaction_id)
        return self.reply(shapes.TransactionReply, shown(row))

    @operation(
        summary="Reverse a credit transaction",
        body=shapes.ReversalRequest,
        reply=shapes.TransactionReply,
        status=201,
        refuses=(*POSTING_REFUSALS, "already_reversed", "not_reversible"),
        idempotent=True,
        replays=True,
    )
    def reverse(self, request: HttpRequest, transaction_id: UUID) -> HttpResponse:
        """Takes a transaction back, once, by another that names it: transactions themselves are never changed."""
        body = self.read(shapes.ReversalRequest)
        row = services.reverse_transaction(
            **self.who(), transaction_id=transaction_id, reason=body["reason"], idempotency_key=self.idempotency_key()
        )
        return self.reply(shapes.TransactionReply, shown(row._asdict()), status=201, replayed=row.outcome == "replayed")

    @operation(
        summary="Create many credit transactions",
        body=shapes.BatchRequest,
        query=BatchQuery,
        reply=shapes.BatchReply,
        idempotent=True,
    )
    def batch(self, request: HttpRequest) -> HttpResponse:
        """Up to 1,000 items, each with an outcome of its own, in their order.

        Without an idempotencyKey an item takes the header's and its index.
        """
        body = self.read(shapes.BatchRequest)
        items = keyed(body["items"], self.idempotency_key())
        atomic = body["atomic"] or self.query(BatchQuery)["atomic"]
        return self.reply(shapes.BatchReply, told(services.post_transactions(**self.who(), items=items, atomic=atomic)))


class GrantViewSet(LedgerViewSet):
    dialect = dialect
    ledger = "credits"

    @operation(
        summary="Create a credit grant",
        body=shapes.GrantRequest,
        reply=shapes.GrantReply,
        status=201,
        refuses=("invalid_value", "idempotency_conflict"),
        idempotent=True,
        replays=True,
    )
    def create(self, request: HttpRequest) -> HttpResponse:
        body = self.read(shapes.GrantRequest)
        self._act_for(body.pop("sequence_account_id"))
        unit_type = body.pop("credit_unit_type")
        row = services.create_grant(**self.who(), unit_type=unit_type, idempotency_key=self.idempotency_key(), **body)
        return self._grant(row._asdict(), status=201, replayed=row.outcome == "replayed")

    @operation(summary="List credit grants", query=GrantQuery, reply=shapes.GrantReply, paged=True)
    def list(self, request: HttpRequest) -> HttpResponse:
        """Newest first."""
        query = self.query(GrantQuery)
        rows = selectors.list_grants(tenant_id=self.caller.tenant_id, customer_id=query.pop("customer_id"))
        return self.page(shapes.GrantReply, rows, key=("created_at", "id"), written=lambda found: map(granted, found), **query)

    @operation(summary="Get a credit grant", reply=shapes.GrantReply)
    def retrieve(self, request: HttpRequest, grant_id: UUID) -> HttpResponse:
        return self._grant(selectors.get_grant(tenant_id=self.caller.tenant_id, grant_id=grant_id))

    @operation(summary="Delete a credit grant", reply=shapes.GrantReply, refuses=("grant_drawn_on",))
    def destroy(self, request: HttpRequest, grant_id: UUID) -> HttpResponse:
        """Only while nothing has moved it."""
        services.delete_grant(**self.who(), grant_id=grant_id)
        return self._grant(selectors.get_grant(tenant_id=self.caller.tenant_id, grant_id=grant_id, deleted=True))

    @operation(summary="Void a credit grant", body=shapes.VoidRequest, reply=shapes.GrantReply, refuses=("grant_held",))
    def void(self, request: HttpRequest, grant_id: UUID) -> HttpResponse:
        """Closes a grant for good: what is left is debited."""
        services.void_grant(**self.who(), grant_id=grant_id, reason=self.read(shapes.VoidRequest)["reason"])
        return self._grant(selectors.get_grant(tenant_id=self.caller.tenant_id, grant_id=grant_id))

    def _grant(self, row: dict[str, Any], *, status: int = 200, replayed: bool = False) -> HttpResponse:
        return self.reply(shapes.GrantReply, granted({"tenant_id": self.caller.tenant_id, **row}), status=status, replayed=replayed)

    def _act_for(self, account: str) -> None:
        """The account in the body is the one that is acted for. Raises InvalidValue where the header names another, NotAuthorized."""
        if account == str(self.caller.tenant_id):
            return
        if "On-Behalf-Of" in self.request.headers:
            raise InvalidValue(field="sequence_account_id", reason="other_account")
        self.caller = act_for(self.caller, account)


class CustomerViewSet(LedgerViewSet):
    dialect = dialect
    ledger = "credits"

    @operation(summary="List the usable credit grants of a customer", reply=shapes.UsableGrantsReply)
    def grants(self, request: HttpRequest, customer_id: str) -> HttpResponse:
        """Those with a balance that can be drawn on today, in the order in which they are drawn on."""
        rows = selectors.usable_grants(tenant_id=self.caller.tenant_id, customer_id=customer_id)
        return self.reply(shapes.UsableGrantsReply, {"items": rows})

    @operation(summary="List the credit balances of a customer", reply=shapes.BalancesReply)
    def balances(self, request: HttpRequest, customer_id: str) -> HttpResponse:
        """One balance for each currency and metric, of the grants that can be drawn on today."""
        rows = selectors.customer_balances(tenant_id=self.caller.tenant_id, customer_id=customer_id)
        return self.reply(shapes.BalancesReply, {"items": [{**row, "transactions": map(shown, row["transactions"])} for row in rows]})


def granted(row: dict[str, Any]) -> dict[str, Any]:
    """A grant as it is told. No other system knows our grants, so their ids there are none."""
    return {**selectors.with_unit(row), "integration_ids": []}


def shown(row: dict[str, Any]) -> dict[str, Any]:
    """A transaction as it is told: what the caller left out is left out again."""
    return {name: value for name, value in row.items() if value != ""}


def keyed(items: list[Any], key: str | None) -> list[Any]:
    """The items of a batch; one without a key of its own takes the batch's, with its index."""
    if key is None:
        return items
    return [
        {**item, "idempotency_key": item["idempotency_key"] or f"{key}:{index}"} if isinstance(item, dict) else item
        for index, item in enumerate(items)
    ]


def told(outcomes: list[Any]) -> dict[str, Any]:
    """The reply of a batch: one outcome for each item, in order, and how many there are of each."""
    rows = [{"index": index, **_told(outcome)} for index, outcome in enumerate(outcomes)]
    counts = {status: sum(row["status"] == status for row in rows) for status in ("posted", "replayed", "refused")}
    return {"items": rows, **counts}


def _told(outcome: Any) -> dict[str, Any]:
    if not isinstance(outcome, Exception):
        return {"status": outcome.outcome, "transaction": shown(outcome._asdict())}
    error = dialect.error_body(problem_of(outcome))["error"]
    return {"status": "refused", "error": json.render(error).decode()}
