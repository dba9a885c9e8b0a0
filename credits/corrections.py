"""Credits' kinds of correction: reverse a transaction, move a debit to another grant, adjust or void a grant."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from credits import selectors, services
from credits.choices import REVERSIBLE, GrantStatus, TransactionType, UnitType
from kernel.corrections.kinds import CorrectionInput, FormField, Kind, PostedEntry, register

CHANGE = FormField(
    "amount", "Change of the grant", type="amount", help="Signed, in the grant's own units: 12.5 adds to it, -12.5 takes from it."
)
OTHER_GRANT = FormField("grant_id", "Grant to take it from instead", type="id", help="The id from that grant's page.")
MAX_REASON = 1000
# The idempotency keys of debits that adjust a grant. Those that a move posts end otherwise: they are consumption, as before the move.
ADJUSTED = r"^correction:[0-9a-f-]{36}:[0-9a-f-]{36}$"


def reverse(correction: CorrectionInput) -> list[PostedEntry]:
    """Reverse a transaction."""
    row = services.reverse_transaction(
        **correction.audit_context,
        transaction_id=correction.target_id,
        reason=correction.reason[:MAX_REASON],
        idempotency_key=correction.key,
    )
    return [_posted(correction, row, "Reverses the transaction")]


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
        idempotency_key=f"{correction.key}:moved",
    )
    return [_posted(correction, reversal, "Reverses the debit"), _posted(correction, debit, "Debits this grant instead")]


def move_cautions(tenant_id: UUID, target_ids: Sequence[UUID], facts: Mapping[str, str]) -> list[str]:
    """Says so where the other grant belongs to another customer, who pays from then on."""
    other = selectors.get_grant(tenant_id=tenant_id, grant_id=UUID(facts["grant_id"]), deleted=True)["customer_id"]
    owners = {selectors.get_transaction(tenant_id=tenant_id, transaction_id=target_id)["customer_id"] for target_id in target_ids}
    return [f"The grant belongs to another customer: {other} pays instead of {owner}." for owner in sorted(owners - {other})]


def adjust(correction: CorrectionInput) -> list[PostedEntry]:
    """Change a grant's balance by a new transaction."""
    amount = Decimal(correction.facts["amount"])
    row = services.record_transaction(
        **correction.audit_context,
        grant_id=correction.target_id,
        type=TransactionType.CREDIT if amount > 0 else TransactionType.DEBIT,
        amount=abs(amount),
        reason=correction.reason[:MAX_REASON],
        idempotency_key=correction.key,
    )
    return [_posted(correction, row, "Adjustment")]


def void(correction: CorrectionInput) -> list[PostedEntry]:
    """Close a grant for good and debit its remaining balance."""
    row = services.void_grant(**correction.audit_context, grant_id=correction.target_id, reason=correction.reason[:MAX_REASON])
    return [_posted(correction, row, "Voids the grant")] if row.outcome == "posted" else []


def _posted(correction: CorrectionInput, row: Any, what: str) -> PostedEntry:
    grant = selectors.get_grant(tenant_id=correction.tenant_id, grant_id=row.grant_id, deleted=True)
    effect = row.amount if row.type == TransactionType.CREDIT else -row.amount
    return PostedEntry(
        account_label="credits.grant",
        account_id=row.grant_id,
        account_name=f"{grant['name']} of {grant['customer_id']}",
        entry_number=row.entry_number,
        what=what,
        unit=grant["metric_id"] if grant["unit_type"] == UnitType.METRIC else grant["currency"],
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
    return row.status not in {GrantStatus.VOIDED, GrantStatus.DELETED}


register(
    Kind(
        code="credits.reverse",
        model_label="credits.credittransaction",
        title="Reverse",
        description="Reverses each transaction, by one with the opposite effect on the same grant.",
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
        takes_many=False,
        icon="move_down",
    )
)
register(
    Kind(
        code="credits.adjust",
        model_label="credits.grant",
        title="Adjust",
        description="Changes the grant's balance by a transaction of its own.",
        post=adjust,
        fields=(CHANGE,),
        applies_to=_is_open,
        takes_many=False,
        icon="balance",
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
        icon="block",
    )
)
