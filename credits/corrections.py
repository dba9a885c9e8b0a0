"""How credit is put right: transactions reversed, grants adjusted or voided, a debit moved from one grant to another."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from credits import selectors, services
from credits.choices import REVERSIBLE, GrantStatus, TransactionType, UnitType
from kernel.corrections.kinds import Case, Kind, Posted, Question, register

CHANGE = Question(
    "amount", "Change of the grant", form="amount", help="Signed, in the grant's own units: 12.5 adds to it, -12.5 takes from it."
)
OTHER_GRANT = Question("grant_id", "Grant to take it from instead", form="id", help="The id from that grant's page.")
EXPLAINED = 1000


def reverse(case: Case) -> list[Posted]:
    """Take a transaction back."""
    row = services.reverse_transaction(
        **_who(case), transaction_id=case.target_id, reason=case.reason[:EXPLAINED], idempotency_key=case.key
    )
    return [_posted(case, row, "Reverses the transaction")]


def move(case: Case) -> list[Posted]:
    """Give a debit back to its grant, and take it from another one with the same invoice."""
    original = selectors.get_transaction(tenant_id=case.tenant_id, transaction_id=case.target_id)
    facts = {name: original[name] for name in ("amount", "invoice_id", "billing_run_id")}
    given_back = services.reverse_transaction(
        **_who(case), transaction_id=case.target_id, reason=case.reason[:EXPLAINED], idempotency_key=case.key
    )
    taken = services.post_transaction(
        **_who(case),
        **facts,
        grant_id=UUID(case.facts["grant_id"]),
        type=TransactionType.DEBIT,
        reason=case.reason[:EXPLAINED],
        idempotency_key=f"{case.key}:moved",
    )
    return [_posted(case, given_back, "Gives the debit back"), _posted(case, taken, "Takes it from this grant instead")]


def adjust(case: Case) -> list[Posted]:
    """Change a grant's balance by a transaction of its own."""
    amount = Decimal(case.facts["amount"])
    row = services.post_transaction(
        **_who(case),
        grant_id=case.target_id,
        type=TransactionType.CREDIT if amount > 0 else TransactionType.DEBIT,
        amount=abs(amount),
        reason=case.reason[:EXPLAINED],
        idempotency_key=case.key,
    )
    return [_posted(case, row, "Adjustment")]


def void(case: Case) -> list[Posted]:
    """Close a grant for good, debiting what is left of it."""
    row = services.void_grant(**_who(case), grant_id=case.target_id, reason=case.reason[:EXPLAINED])
    return [_posted(case, row, "Voids the grant")] if row.outcome == "posted" else []


def _who(case: Case) -> dict[str, Any]:
    return {"tenant_id": case.tenant_id, "actor": case.actor, "request_id": case.request_id}


def _posted(case: Case, row: Any, what: str) -> Posted:
    grant = selectors.get_grant(tenant_id=case.tenant_id, grant_id=row.grant_id, deleted=True)
    effect = row.amount if row.type == TransactionType.CREDIT else -row.amount
    return Posted(
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
        label="credits.credittransaction",
        title="Reverse",
        does="Takes each transaction back, by one with the opposite effect on the same grant.",
        post=reverse,
        fits=_is_reversible,
    )
)
register(
    Kind(
        code="credits.move",
        label="credits.credittransaction",
        title="Move to another grant",
        does="Gives the debit back to its grant and takes it from another one, for the same invoice.",
        post=move,
        questions=(OTHER_GRANT,),
        fits=_is_debit,
        takes_many=False,
        icon="move_down",
    )
)
register(
    Kind(
        code="credits.adjust",
        label="credits.grant",
        title="Adjust",
        does="Changes the grant's balance by a transaction of its own.",
        post=adjust,
        questions=(CHANGE,),
        fits=_is_open,
        takes_many=False,
        icon="balance",
    )
)
register(
    Kind(
        code="credits.void",
        label="credits.grant",
        title="Void",
        does="Closes each grant for good, debiting what is left of it. That can't be undone; a new grant can be made.",
        post=void,
        fits=_is_open,
        icon="block",
    )
)
