"""Credits' kinds of correction: reverse a transaction, move a debit to another grant, adjust, extend or void a grant."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.utils import timezone

from credits import selectors, services
from credits.choices import REVERSIBLE, GrantStatus, TransactionType, UnitType
from credits.selectors.database_now import TODAY
from credits.selectors.grants import status_today
from credits.services.posting_rows import GrantRow, TransactionRow
from kernel.corrections.kinds import CorrectionInput, FormField, Kind, PostedEntry, register
from kernel.ledger.errors import InvalidValue
from kernel.ledger.money import finer_than_currency, with_thousands

CHANGE = FormField(
    "amount", "Change of the grant", type="amount", help="Signed, in the grant's own units: 12.5 adds to it, -12.5 takes from it."
)


def open_grants(tenant_id: UUID, customer_id: str) -> list[tuple[UUID, str]]:
    """The grants that a customer can draw on, each as a form names it."""
    rows = selectors.list_grants(tenant_id=tenant_id, customer_id=customer_id).filter(status=GrantStatus.OPEN, effective_date__lte=TODAY)
    drawable = rows.exclude(expiry_date__lt=TODAY).order_by("id")[:MAX_NAMED]
    return [(row["id"], f"{row['name']}, {with_thousands(row['balance'], _unit(row))} {_unit(row)} left") for row in drawable]


def _unit(grant: Mapping[str, Any]) -> str:
    return str(grant["metric_id"] if grant["unit_type"] == UnitType.METRIC else grant["currency"])


OTHER_GRANT = FormField(
    "grant_id",
    "Grant to take it from instead",
    type="id",
    help="The id from that grant's page; or the id of a customer, where one grant of theirs is open.",
    model_label="credits.grant",
    find=open_grants,
)
NEVER_EXPIRES = FormField("never_expires", "It never expires", type="tick", is_required=False, help="Instead of a last day.")
EXPIRY = FormField("expiry_date", "Last day, in UTC", type="date", is_required=False, help="Later than now.", unless=NEVER_EXPIRES.name)
MAX_REASON = 1000
# Grants of a customer that a message names.
MAX_NAMED = 10
# A correction may post several entries of one kind. The ending of an entry's idempotency key tells which figure of the dashboard counts it
# (backoffice/dashboard/day_sums.py), where staff posted it: without an ending (ADJUSTED), "adjusted"; `:moved`, "consumed", as before the
# move to another grant; `:extended`, a grant that takes another's place, none.
MOVED, EXTENDED = ":moved", ":extended"
ADJUSTED = r"^correction:[0-9a-f-]{36}:[0-9a-f-]{36}$"


def reverse(correction: CorrectionInput) -> list[PostedEntry]:
    """Reverse a transaction."""
    posted = services.reverse_transaction(
        **correction.audit_context,
        transaction_id=correction.target_id,
        reason=correction.reason[:MAX_REASON],
        idempotency_key=correction.key,
    )
    return [_posted(correction, posted.row, "Reverses the entry")]


def move(correction: CorrectionInput) -> list[PostedEntry]:
    """Reverse a debit and post it on another grant, for the same invoice."""
    original = selectors.get_transaction(tenant_id=correction.tenant_id, transaction_id=correction.target_id)
    facts = {name: original[name] for name in ("amount", "invoice_id", "billing_run_id")}
    reversal = services.reverse_transaction(
        **correction.audit_context,
        transaction_id=correction.target_id,
        reason=correction.reason[:MAX_REASON],
        idempotency_key=correction.key,
    )
    debit = services.record_transaction(
        **correction.audit_context,
        **facts,
        grant_id=UUID(correction.facts["grant_id"]),
        type=TransactionType.DEBIT,
        reason=correction.reason[:MAX_REASON],
        idempotency_key=f"{correction.key}{MOVED}",
    )
    return [_posted(correction, reversal.row, "Reverses the debit"), _posted(correction, debit.row, "Debits this grant instead")]


def move_cautions(tenant_id: UUID, target_ids: Sequence[UUID], facts: Mapping[str, str]) -> list[str]:
    """Says so where the other grant belongs to another customer, who pays from then on."""
    other = selectors.get_grant(tenant_id=tenant_id, grant_id=UUID(facts["grant_id"]), deleted=True)["customer_id"]
    owners = {selectors.get_transaction(tenant_id=tenant_id, transaction_id=target_id)["customer_id"] for target_id in target_ids}
    return [f"The grant belongs to another customer: {other} pays instead of {owner}." for owner in sorted(owners - {other})]


def adjust(correction: CorrectionInput) -> list[PostedEntry]:
    """Change a grant's balance by a new transaction."""
    amount = Decimal(correction.facts["amount"])
    posted = services.record_transaction(
        **correction.audit_context,
        grant_id=correction.target_id,
        type=TransactionType.CREDIT if amount > 0 else TransactionType.DEBIT,
        amount=abs(amount),
        reason=correction.reason[:MAX_REASON],
        idempotency_key=correction.key,
    )
    return [_posted(correction, posted.row, "Adjustment")]


def void(correction: CorrectionInput) -> list[PostedEntry]:
    """Close a grant for good and debit its remaining balance."""
    posted = services.void_grant(**correction.audit_context, grant_id=correction.target_id, reason=correction.reason[:MAX_REASON])
    return [_posted(correction, posted.row, "Voids the grant")] if posted.is_new else []


def extend(correction: CorrectionInput) -> list[PostedEntry]:
    """Void a grant and open one with what was left of it, its cost and its priority, that expires later.

    A grant's own days never change: what was booked by them stays explained. Raises InvalidValue, GrantHeld.
    """
    old = selectors.get_grant(tenant_id=correction.tenant_id, grant_id=correction.target_id)
    expiry = date.fromisoformat(correction.facts["expiry_date"]) if "expiry_date" in correction.facts else None
    if old["expiry_date"] is None or (expiry is not None and expiry <= old["expiry_date"]):
        raise InvalidValue(field="expiry_date", reason="not_later", value=expiry)
    reason = correction.reason[:MAX_REASON]
    voided = services.void_grant(**correction.audit_context, grant_id=correction.target_id, reason=reason)
    if not voided.is_new or not voided.row.amount:
        return []
    today = timezone.now().astimezone(UTC).date()
    opened = services.create_grant(
        **correction.audit_context,
        **{name: old[name] for name in ("customer_id", "name", "unit_type", "currency", "metric_id", "category", "priority")},
        amount=voided.row.amount,
        cost_of_credit=voided.row.cost_basis,
        effective_date=old["effective_date"] if old["effective_date"] > today else None,
        expiry_date=expiry,
        idempotency_key=f"{correction.key}{EXTENDED}",
    )
    name = f"{old['name']} of {old['customer_id']}, extended"
    until = f"up to {expiry}" if expiry else "without an end"
    entry = opened_entry(correction, opened.row, what=f"Opens one {until}", label="credits.grant", name=name)
    return [_posted(correction, voided.row, "Voids the grant"), entry]


def opened_entry(correction: CorrectionInput, grant: GrantRow, *, what: str, label: str, name: str) -> PostedEntry:
    """The opening of a grant, under the row that is corrected: the new grant has another id in every preview."""
    opening = selectors.list_transactions(tenant_id=correction.tenant_id, grant_id=grant.id).get(entry_number=1)
    return PostedEntry(
        account_label=label,
        account_id=correction.target_id,
        account_name=name,
        entry_number=1,
        what=what,
        unit=grant.metric_id or grant.currency,
        effect=opening["amount"],
        balance_before=Decimal(0),
        balance_after=opening["amount"],
        entry_label="credits.credittransaction",
        entry_id=opening["id"],
    )


def _posted(correction: CorrectionInput, row: TransactionRow, what: str) -> PostedEntry:
    grant = selectors.get_grant(tenant_id=correction.tenant_id, grant_id=row.grant_id, deleted=True)
    effect = row.amount if row.type == TransactionType.CREDIT else -row.amount
    is_stated_money = "amount" in correction.facts and grant["unit_type"] == UnitType.CURRENCY
    return PostedEntry(
        remark=finer_than_currency(effect, grant["currency"]) if is_stated_money else "",
        account_label="credits.grant",
        account_id=row.grant_id,
        account_name=f"{grant['name']} of {grant['customer_id']}",
        entry_number=row.entry_number,
        what=what,
        unit=_unit(grant),
        effect=effect,
        balance_before=row.balance_after - effect,
        balance_after=row.balance_after,
        entry_label="credits.credittransaction",
        entry_id=row.id,
    )


def _is_reversible(row: Any) -> bool:
    return row.kind in REVERSIBLE and not row.reversals.exists()


def _is_debit(row: Any) -> bool:
    return row.type == TransactionType.DEBIT and _is_reversible(row)


def _is_open(row: Any) -> bool:
    return status_today(row) == GrantStatus.OPEN


def _is_extendable(row: Any) -> bool:
    return _is_open(row) and row.expiry_date is not None and row.balance > 0


register(
    Kind(
        code="credits.reverse",
        model_label="credits.credittransaction",
        title="Reverse",
        description="Reverses each entry, by one with the opposite effect on the same grant.",
        post=reverse,
        applies_to=_is_reversible,
    )
)
register(
    Kind(
        code="credits.move",
        model_label="credits.credittransaction",
        title="Move to another grant",
        description="Reverses the debit and posts it on another grant, for the same invoice.",
        post=move,
        fields=(OTHER_GRANT,),
        applies_to=_is_debit,
        cautions=move_cautions,
        phrase="move {rows} to another grant",
        takes_many=False,
        icon="move_down",
    )
)
register(
    Kind(
        code="credits.adjust",
        model_label="credits.grant",
        title="Adjust",
        description="Changes the grant's balance by an entry of its own.",
        post=adjust,
        fields=(CHANGE,),
        applies_to=_is_open,
        takes_many=False,
        icon="balance",
    )
)
register(
    Kind(
        code="credits.extend",
        model_label="credits.grant",
        title="Extend",
        description="Closes the grant and opens one with what is left of it, its cost and its priority, that expires later.",
        post=extend,
        fields=(EXPIRY, NEVER_EXPIRES),
        applies_to=_is_extendable,
        takes_many=False,
        takes_what_is_left=True,
        icon="event_available",
    )
)
register(
    Kind(
        code="credits.void",
        model_label="credits.grant",
        title="Void",
        description="Closes each grant for good, debiting what is left of it. That can't be undone; a new grant can be made.",
        post=void,
        applies_to=_is_open,
        takes_what_is_left=True,
        icon="block",
    )
)
