"""Imports recurring grants from files: an adapter for kernel.backfills."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

from credits import services
from credits.choices import Category, RecurringGrantStatus
from credits.digests import RECURRING_GRANT_FACTS
from credits.imports import lookups
from credits.imports.columns import CREDIT_OF_A_CUSTOMER
from kernel.backfills.adapters import Adapter, Blocker, Existing, Outcome, UndoStep, actor_of
from kernel.backfills.errors import RowRefused
from kernel.backfills.models import BackfillRun
from kernel.backfills.reading.columns import (
    Column,
    day,
    moment,
    money_from_json,
    one_of,
    positive_money,
    positive_or_zero,
    whole_from_json,
    whole_number,
)
from kernel.backfills.reading.rows import Posting
from kernel.backfills.row_outcomes import find_existing, key_of, post_new
from kernel.ledger.errors import InvalidValue
from kernel.tenants.models import Tenant


class RecurringGrantsAdapter(Adapter):
    """Recurring grants, keyed by idempotency_key or else by id. Their grants are in the file of grants."""

    command = "backfill_recurring_grants"
    noun = "recurring grants"
    facts = RECURRING_GRANT_FACTS
    account_columns = ("customer_id",)
    skipped_columns = ("next_on", "created_at", "actor", "request_id")
    columns = (
        *CREDIT_OF_A_CUSTOMER,
        Column("amount", positive_money, required=True, help="units of each grant", from_json=money_from_json(positive_money)),
        Column("cost_of_credit", positive_or_zero, help="what is paid for each grant", from_json=money_from_json(positive_or_zero)),
        Column("category", one_of(*Category.values), help="paid or promotional (default: paid)"),
        Column("priority", whole_number(lowest=0, highest=100), help="0 to 100 (default: 50)", from_json=whole_from_json(0, 100)),
        Column(
            "every_months", whole_number(lowest=1, highest=120), help="months of a period (default: 1)", from_json=whole_from_json(1, 120)
        ),
        Column("starts_on", day, required=True, help="first day of the first period, UTC"),
        Column("ends_on", day, help="no period begins later (default: none)"),
        Column("rollover_cap", positive_or_zero, help="what may roll over (default: nothing)", from_json=money_from_json(positive_or_zero)),
        Column("status", one_of(*RecurringGrantStatus.values), help="active, ended or cancelled (default: active)"),
        Column(
            "next_period",
            whole_number(lowest=0, highest=99_999),
            help="the first without a grant (default: 0)",
            from_json=whole_from_json(0, 99_999),
        ),
        Column("occurred_at", moment, help="when it was ordered (default: starts_on)"),
    )

    def defaults(self, tenant: Tenant) -> dict[str, Any]:
        return {"currency": tenant.currency}

    def prepare(self, values: dict[str, Any]) -> Posting:
        key = key_of(values)
        begins = datetime.combine(values["starts_on"], time(), tzinfo=UTC)
        values.setdefault("occurred_at", begins)
        try:
            line = services.recurring_grant_line(values)
        except InvalidValue as invalid:
            raise RowRefused(invalid.facts["field"], invalid.facts["reason"].replace("_", " ")) from invalid
        return Posting(
            key=key,
            digest=line["facts_digest"],
            body=line,
            kind="recurring grant",
            occurred_at=values["occurred_at"],
            amounts=((values.get("metric_id") or values["currency"], Decimal(0)),),
        )

    def sizes(self, posting: Posting) -> Sequence[tuple[str, Decimal]]:
        # It moves nothing itself; each of its grants is as large as this.
        return tuple((unit, posting.body["amount"]) for unit, _ in posting.amounts)

    def existing(self, tenant: Tenant, keys: Sequence[str]) -> Mapping[str, Existing]:
        return find_existing("credits_recurringgrant", tenant, keys)

    def post(self, tenant: Tenant, postings: Sequence[Posting], run: BackfillRun) -> Sequence[Outcome]:
        audit: dict[str, Any] = {"tenant_id": tenant.id, "actor": actor_of(run), "request_id": run.request_id}
        return post_new(
            self, tenant, postings, lambda fresh: services.create_imported_recurring_grants(**audit, lines=[one.body for one in fresh])
        )

    def blockers(self, tenant: Tenant, run: BackfillRun, *, at_most: int) -> Iterable[Blocker]:
        for recurring_grant, name, grants in lookups.recurring_grants_used(tenant_id=tenant.id, request_id=run.request_id, at_most=at_most):
            yield Blocker(what=f"recurring grant {recurring_grant} ({name})", why=f"has {grants} grants")

    def undo(self, tenant: Tenant, run: BackfillRun, *, at_most: int, actor: str, below: Any) -> UndoStep:
        return UndoStep(
            reversed=services.cancel_recurring_grants_of_run(tenant_id=tenant.id, actor=actor, of=run.request_id, at_most=at_most)
        )
