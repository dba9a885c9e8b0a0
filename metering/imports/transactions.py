"""Imports metered transactions with their costs from files: an adapter for kernel.backfills."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from kernel.backfills.adapters import Account, Adapter, Blocker, Existing, Outcome, UndoStep
from kernel.backfills.errors import RowRefused
from kernel.backfills.models import BackfillRun
from kernel.backfills.reading.columns import (
    Column,
    currency,
    flag,
    flag_from_json,
    identifier,
    json_from_json,
    json_text,
    moment,
    money_from_json,
    one_of,
    positive_or_zero,
    text,
)
from kernel.backfills.reading.rows import Posting
from kernel.backfills.row_outcomes import ID_COLUMNS, find_existing, key_of, post_new
from kernel.ledger.errors import InvalidValue
from kernel.tenants.models import Tenant
from metering.choices import Outcome as Ending
from metering.choices import Status
from metering.digests import TRANSACTION_FACTS
from metering.imports import lookups
from metering.imports.costs import active_sums, costs_from_json, costs_from_text, costs_of
from metering.imports.lifecycle import (
    LIFE,
    MAX_REASON_LENGTH,
    check_life,
    reports_from_json,
    reports_from_text,
    steps_from_json,
    steps_from_text,
)
from metering.services import encode_import, import_digest, later_of, record_imported_many, reverse_run, with_names

LEDGER, AGENT = "ledger", "agent "
# The unit under which the sums count transactions without a cost.
NO_CURRENCY = "none"


class TransactionsAdapter(Adapter):
    """Transactions with their costs, keyed by idempotency_key or else by id."""

    command = "backfill_metered_transactions"
    noun = "metered transactions"
    facts = TRANSACTION_FACTS
    amount_column = "fiat_amount"
    skipped_columns = ("created_at", "updated_at", "actor", "request_id", "service_id")
    part_columns = ("costs", "status_changes", "reported_facts")
    columns = (
        *ID_COLUMNS,
        Column("occurred_at", moment, required=True, help="when it happened, with UTC offset; a date alone is its midnight UTC"),
        Column("service_name", text(at_most=255), help="a row needs it or request_facts"),
        Column("action_name", text(at_most=255), help="default: from request_facts, else unspecified"),
        Column("resource_name", text(at_most=2048), help="default: from request_facts, else unspecified"),
        Column("agent_name", text(at_most=255), help="which agent; made if there is none of that name"),
        Column("agent_id", identifier, help="which agent"),
        Column("trace_id", identifier, help="which trace"),
        Column("trace_external_id", text(at_most=255), help="which trace, by its owner's id"),
        Column("customer_id", text(at_most=255), help="for which of your customers it was done"),
        Column("status", one_of(*Status.values), help="default: completed where there is an outcome, else as the tenant decides"),
        Column("outcome", one_of(*Ending.values), help="of a completed one: success or error"),
        Column("completed_at", moment, help="when it was completed (default: occurred_at)"),
        Column("qualifiers", json_text, help="a JSON object, kept digit for digit", from_json=json_from_json),
        Column("metadata", json_text, help="a JSON object, kept digit for digit", from_json=json_from_json),
        Column("request_facts", json_text, help="a JSON object, kept digit for digit", from_json=json_from_json),
        Column("payment_data", json_text, help="a JSON object, kept digit for digit", from_json=json_from_json),
        Column(
            "costs",
            costs_from_text,
            help='JSON: [{"fiatAmount": "0.05", "fiatAssetSymbol": "USD", "isEstimate": false}, ...]',
            from_json=costs_from_json,
        ),
        Column("fiat_amount", positive_or_zero, help="or a single cost: its amount", from_json=money_from_json(positive_or_zero)),
        Column("fiat_asset_symbol", currency, help="its currency, ISO 4217 (default: the tenant's)"),
        Column("is_estimate", flag, help="true or false (default: false)", from_json=flag_from_json),
        Column("cost_details", json_text, help="how it came about, a JSON object", from_json=json_from_json),
        Column("decline_reason", text(at_most=MAX_REASON_LENGTH), help="of a denied one: why"),
        Column("status_changes", steps_from_text, help="from an export: the steps of its status, JSON", from_json=steps_from_json),
        Column("reported_facts", reports_from_text, help="from an export: what integrations reported, JSON", from_json=reports_from_json),
    )

    def defaults(self, tenant: Tenant) -> dict[str, Any]:
        return {"fiat_asset_symbol": tenant.currency, "is_estimate": False}

    def prepare(self, values: dict[str, Any]) -> Posting:
        key = key_of(values)
        costs = costs_of(values)
        status = values.get("status") or (Status.COMPLETED.value if "outcome" in values else None)
        if (status == Status.COMPLETED) != ("outcome" in values):
            raise RowRefused("outcome", "belongs to a completed transaction, and a completed one needs it")
        if not LIFE.isdisjoint(values):
            check_life({**values, "status": status})
        try:
            facts = with_names({**values, "status": status, "costs": costs})
        except InvalidValue as invalid:
            raise RowRefused(invalid.facts["field"], "is required where the row has no request_facts") from invalid
        return Posting(
            key=key,
            digest=import_digest(facts),
            body=facts,
            kind=facts["service_name"],
            occurred_at=values["occurred_at"],
            amounts=tuple(active_sums(costs).items()) or ((NO_CURRENCY, Decimal(0)),),
        )

    def pack(self, posting: Posting, audit: Mapping[str, Any]) -> None:
        facts = posting.body
        actor, request_id = audit["actor"], audit["request_id"]
        posting.payload = encode_import(facts, digest=posting.digest, actor=actor, request_id=request_id)
        posting.body = later_of(facts)

    def names_of(self, posting: Posting) -> Iterable[tuple[str, str]]:
        facts = posting.body
        names = [("services", facts["service_name"]), ("agents", facts.get("agent_name")), ("currencies", posting.amounts[0][0])]
        return [(noun, name) for noun, name in names if name and name != NO_CURRENCY]

    def known_names(self, tenant: Tenant, noun: str, names: Sequence[str]) -> Iterable[str]:
        look_up = {"services": lookups.known_services, "agents": lookups.known_agent_names, "currencies": lookups.known_currencies}
        return look_up[noun](tenant_id=tenant.id, names=names)

    def simulate(self, tenant: Tenant, postings: Sequence[Posting]) -> None:
        for posting in postings:
            posting.effects = [(LEDGER, Decimal(0))]
            if "agent_id" in posting.body and "agent_name" not in posting.body:
                posting.effects.append((f"{AGENT}{posting.body['agent_id']}", Decimal(0)))

    def existing(self, tenant: Tenant, keys: Sequence[str]) -> Mapping[str, Existing]:
        return find_existing("metering_transaction", tenant, keys)

    def accounts(self, tenant: Tenant, names: Sequence[str]) -> Mapping[str, Account]:
        """Metering has no balances: one account for the whole ledger, with its newest hour, and one for each agent that exists."""
        found = {LEDGER: hidden_account(LEDGER, lookups.latest_hour(tenant_id=tenant.id))}
        agents = [name.removeprefix(AGENT) for name in names if name.startswith(AGENT)]
        for agent in lookups.known_agents(tenant_id=tenant.id, ids=agents) if agents else ():
            found[f"{AGENT}{agent}"] = hidden_account(f"{AGENT}{agent}", None)
        return found

    def missing(self, name: str) -> Outcome:
        return Outcome("invalid_value", f"agent_id: there is no {name}")

    def post(self, tenant: Tenant, postings: Sequence[Posting], run: BackfillRun) -> Sequence[Outcome]:
        def post(fresh: list[Posting]) -> list[Any]:
            lines, later = [posting.payload for posting in fresh], [posting.body for posting in fresh]
            return record_imported_many(tenant_id=tenant.id, lines=lines, later=later)

        return post_new(self, tenant, postings, post)

    def blockers(self, tenant: Tenant, run: BackfillRun, *, at_most: int) -> Iterable[Blocker]:
        added = lookups.added_since(tenant_id=tenant.id, request_id=run.request_id, undo=run.undo_request_id, at_most=at_most)
        for transaction, what, count in added:
            yield Blocker(what=f"transaction {transaction}", why=f"has {count} later {what}{'s' if count > 1 else ''}")
        for transaction, status in lookups.closed_with_costs(tenant_id=tenant.id, request_id=run.request_id, at_most=at_most):
            yield Blocker(what=f"transaction {transaction}", why=f"is {status}: its costs can't be superseded")

    def undo(self, tenant: Tenant, run: BackfillRun, *, at_most: int, actor: str, below: Any) -> UndoStep:
        count, lowest = reverse_run(
            tenant_id=tenant.id, actor=actor, request_id=run.undo_request_id, run_request_id=run.request_id, at_most=at_most, below=below
        )
        return UndoStep(reversed=count, lowest_id=lowest)


def hidden_account(name: str, latest: Any) -> Account:
    return Account(name=name, label=name, unit="", latest=latest, is_listed=False)
