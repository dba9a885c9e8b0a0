"""Imports grants from files: an adapter for kernel.backfills."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

from credits import services
from credits.choices import Category, UnitType
from credits.digests import GRANT_FACTS
from credits.imports import lookups
from credits.imports.columns import CREDIT_OF_A_CUSTOMER
from kernel.backfills.adapters import Account, Adapter, Blocker, Existing, Outcome, UndoStep
from kernel.backfills.errors import RowRefused
from kernel.backfills.models import BackfillRun
from kernel.backfills.reading.columns import (
    Column,
    day,
    identifier,
    moment,
    money,
    money_from_json,
    one_of,
    positive_money,
    whole_from_json,
    whole_number,
)
from kernel.backfills.reading.rows import Posting
from kernel.backfills.row_outcomes import find_existing, key_of, to_outcome
from kernel.ledger.errors import InvalidValue
from kernel.ledger.posting import encoded
from kernel.tenants.models import Tenant

# What the name of a recurring grant begins with, as an account of a plan.
RECURRING_GRANT = "recurring grant "


class GrantsAdapter(Adapter):
    """Grants, each with its opening transaction, keyed by idempotency_key or else by id."""

    command = "backfill_credit_grants"
    noun = "credit grants"
    facts = GRANT_FACTS
    amount_column = "amount"
    account_columns = ("customer_id",)
    skipped_columns = ("balance", "held", "status", "closed_at", "created_at", "actor", "request_id")
    columns = (
        *CREDIT_OF_A_CUSTOMER,
        Column("amount", positive_money, required=True, help="units of the grant", from_json=money_from_json(positive_money)),
        Column("cost_of_credit", money, help="what the customer paid for all of it", from_json=money_from_json(money)),
        Column("effective_date", day, required=True, help="first day, UTC"),
        Column("expiry_date", day, help="last day, UTC (default: none)"),
        Column("category", one_of(*Category.values), help="paid or promotional (default: paid)"),
        Column(
            "priority",
            whole_number(lowest=0, highest=100),
            help="0 to 100, lower goes first (default: 50)",
            from_json=whole_from_json(0, 100),
        ),
        Column("occurred_at", moment, help="when it was granted (default: now, or the midnight of an earlier effective_date)"),
        Column("opening_id", identifier, help="from an export: the id of its opening transaction"),
        Column("recurring_grant_id", identifier, help="from an export: the recurring grant that issued it"),
        Column("period", whole_number(lowest=0, highest=99_999), help="and for which period", from_json=whole_from_json(0, 99_999)),
    )

    def defaults(self, tenant: Tenant) -> dict[str, Any]:
        return {"currency": tenant.currency, "category": Category.PAID.value, "priority": 50}

    def prepare(self, values: dict[str, Any]) -> Posting:
        key = key_of(values)
        if (cost := values.get("cost_of_credit")) is not None and cost < 0:
            raise RowRefused("cost_of_credit", "must not be negative")
        if values["unit_type"] != UnitType.METRIC:
            values.pop("metric_id", None)
        if ("recurring_grant_id" in values) != ("period" in values):
            raise RowRefused("period", "belongs to a grant that a recurring grant issued, and such a grant needs it")
        try:
            line = services.grant_line(values)
        except InvalidValue as invalid:
            raise RowRefused(invalid.facts["field"], invalid.facts["reason"].replace("_", " ")) from invalid
        unit = values.get("metric_id") or values["currency"]
        ordered = [(f"{RECURRING_GRANT}{values['recurring_grant_id']}", Decimal(0))] if "recurring_grant_id" in values else []
        return Posting(
            key=key,
            digest=bytes.fromhex(line["facts_digest"][2:]),
            body=line,
            kind=f"grant ({values['category']})",
            occurred_at=datetime.combine(values["effective_date"], time(), tzinfo=UTC),
            amounts=((unit, values["amount"]),),
            effects=(*ordered, (f"{unit}/{values['customer_id']}", values["amount"])),
        )

    def names_of(self, posting: Posting) -> Iterable[tuple[str, str]]:
        unit, _, customer = posting.effects[-1][0].partition("/")
        return (("customers", customer), ("units", unit))

    def known_names(self, tenant: Tenant, noun: str, names: Sequence[str]) -> Iterable[str]:
        look_up = lookups.known_customers if noun == "customers" else lookups.known_units
        return look_up(tenant_id=tenant.id, names=names)

    def pack(self, posting: Posting, audit: Mapping[str, Any]) -> None:
        posting.payload, posting.body, posting.effects = encoded({**posting.body, **audit}), None, ()

    def existing(self, tenant: Tenant, keys: Sequence[str]) -> Mapping[str, Existing]:
        return find_existing("credits_grant", tenant, keys)

    def accounts(self, tenant: Tenant, names: Sequence[str]) -> Mapping[str, Account]:
        wanted = [name.removeprefix(RECURRING_GRANT) for name in names if is_recurring_grant(name)]
        known = lookups.known_recurring_grants(tenant_id=tenant.id, ids=wanted) if wanted else []
        parts = {name: name.partition("/") for name in names if not is_recurring_grant(name)}
        totals = lookups.customer_totals(tenant_id=tenant.id, customers=[customer for _, _, customer in parts.values()])
        customers = {
            name: customer_account(name, totals[customer, unit])
            for name, (unit, _, customer) in parts.items()
            if (customer, unit) in totals
        }
        return customers | {
            name: Account(name=name, label=name, unit="", is_listed=False) for name in (f"{RECURRING_GRANT}{each}" for each in known)
        }

    def new_account(self, tenant: Tenant, name: str, posting: Posting) -> Account | None:
        return None if is_recurring_grant(name) else customer_account(name, Decimal(0))

    def missing(self, name: str) -> Outcome:
        return Outcome("not_found", f"there is no {name}: import the recurring grants first")

    def post(self, tenant: Tenant, postings: Sequence[Posting], run: BackfillRun) -> Sequence[Outcome]:
        answers = services.create_imported_grants(tenant_id=tenant.id, lines=[posting.payload for posting in postings])
        return [to_outcome(answer) for answer in answers]

    def blockers(self, tenant: Tenant, run: BackfillRun, *, at_most: int) -> Iterable[Blocker]:
        for grant in lookups.grants_drawn_on(tenant_id=tenant.id, request_id=run.request_id, at_most=at_most):
            yield Blocker(
                what=f"grant {grant['id']} ({grant['name']} of {grant['customer_id']})",
                why=f"has {grant['last_entry_number'] - 1} later entries, balance {grant['balance']:f}, held {grant['held']:f}",
            )

    def undo(self, tenant: Tenant, run: BackfillRun, *, at_most: int, actor: str, below: Any) -> UndoStep:
        count, lowest = services.delete_run_grants(
            tenant_id=tenant.id, actor=actor, request_id=run.undo_request_id, of=run.request_id, at_most=at_most, below=below
        )
        return UndoStep(reversed=count, lowest_id=lowest)


def is_recurring_grant(name: str) -> bool:
    """A customer's account is called <unit>/<customer>: whatever the unit, the name of a recurring grant has no slash."""
    return name.startswith(RECURRING_GRANT) and "/" not in name


def customer_account(name: str, balance: Decimal) -> Account:
    unit, _, customer = name.partition("/")
    return Account(name=name, label=f"customer {customer}", unit=unit, before=balance, now=balance)
