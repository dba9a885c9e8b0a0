"""How a line of a wallet is put right: by services of this ledger, told as entries of an account."""

from decimal import Decimal
from typing import Any

from billing import selectors, services
from billing.choices import ReversalReason
from kernel.corrections.kinds import Case, Kind, Posted, Question, register

AMOUNT = Question("amount", "Amount to take back", form="amount", help="In the transaction's currency; less than what is left of it.")
CHANGE = Question("amount", "Change of the balance", form="amount", help="Signed: 12.50 adds to the wallet, -12.50 takes from it.")


def _reason_code(case: Case) -> str:
    return case.reason_code if case.reason_code in ReversalReason.values else str(ReversalReason.OTHER)


def _posted(row: Any, what: str) -> list[Posted]:
    return [
        Posted(
            account_label="billing.wallet",
            account_id=row.wallet_id,
            account_name=f"{row.currency} wallet",
            entry_number=row.entry_number,
            what=what,
            unit=row.currency,
            effect=row.effect,
            balance_before=row.balance_after - row.effect,
            balance_after=row.balance_after,
            entry_label="billing.transaction",
            entry_id=row.id,
        )
    ]


def _who(case: Case) -> dict[str, Any]:
    return {"tenant_id": case.tenant_id, "actor": case.actor, "request_id": case.request_id}


def reverse(case: Case) -> list[Posted]:
    """Take back all that is left of a transaction."""
    row = services.reverse_transaction(
        **_who(case), transaction_id=case.target_id, reason_code=_reason_code(case), reason=case.reason[:500]
    )
    return _posted(row, f"Reverses {row.type} of entry {_entry_number(case)}")


def reverse_part(case: Case) -> list[Posted]:
    """Take back a part of a transaction."""
    row = services.reverse_transaction(
        **_who(case),
        transaction_id=case.target_id,
        reason_code=_reason_code(case),
        reason=case.reason[:500],
        amount=Decimal(case.facts["amount"]),
        reference_id=case.key,
    )
    return _posted(row, f"Reverses a part of {row.type} of entry {_entry_number(case)}")


def _entry_number(case: Case) -> int:
    number: int = selectors.get_transaction(tenant_id=case.tenant_id, transaction_id=case.target_id)["entry_number"]
    return number


def adjust_beside(case: Case) -> list[Posted]:
    """Change the balance of the wallet that a transaction stands in."""
    currency = selectors.get_transaction(tenant_id=case.tenant_id, transaction_id=case.target_id)["currency"]
    return _adjust(case, currency)


def adjust_wallet(case: Case) -> list[Posted]:
    return _adjust(case, selectors.list_wallets(tenant_id=case.tenant_id).get(id=case.target_id)["currency"])


def _adjust(case: Case, currency: str) -> list[Posted]:
    row = services.record_transaction(
        **_who(case),
        amount=Decimal(case.facts["amount"]),
        type="adjustment",
        reference_id=case.key,
        description=case.reason,
        currency=currency,
    )
    return _posted(row, "Adjustment")


def _is_whole(row: Any) -> bool:
    return row.reverses_id is None and row.reversed_by_id is None


register(
    Kind(
        code="billing.reverse",
        label="billing.transaction",
        title="Reverse",
        does="Takes back all that is left of each transaction, by an entry of the same type with the opposite effect.",
        post=reverse,
        fits=_is_whole,
    )
)
register(
    Kind(
        code="billing.reverse_part",
        label="billing.transaction",
        title="Reverse a part",
        does="Takes back a part of the transaction; the rest stands.",
        post=reverse_part,
        questions=(AMOUNT,),
        fits=_is_whole,
        takes_many=False,
        icon="content_cut",
    )
)
register(
    Kind(
        code="billing.adjust_beside",
        label="billing.transaction",
        title="Adjust the wallet",
        does="Changes the wallet's balance by an entry of its own; the transaction stands.",
        post=adjust_beside,
        questions=(CHANGE,),
        takes_many=False,
        icon="balance",
    )
)
register(
    Kind(
        code="billing.adjust",
        label="billing.wallet",
        title="Adjust",
        does="Changes the wallet's balance by an entry of its own.",
        post=adjust_wallet,
        questions=(CHANGE,),
        takes_many=False,
        icon="balance",
    )
)
