"""Billing's kinds of correction: reverse a transaction in full or in part, and adjust a wallet's balance."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

from billing import selectors, services
from billing.choices import ADJUSTMENT, REASON_LENGTH, ReversalReason, type_in_words
from kernel.corrections.kinds import CorrectionInput, FormField, Kind, PostedEntry, register
from kernel.ledger.errors import InvalidValue
from kernel.ledger.money import finer_than_currency, with_thousands

AMOUNT = FormField("amount", "Amount to reverse", type="positive_amount", help="In the entry's currency; less than what is left of it.")
CHANGE = FormField("amount", "Change of the balance", type="amount", help="Signed: 12.50 adds to the wallet, -12.50 takes from it.")


def _reason_code(correction: CorrectionInput) -> str:
    return correction.reason_code if correction.reason_code in ReversalReason.values else str(ReversalReason.OTHER)


def _posted(correction: CorrectionInput, row: Any, what: str) -> list[PostedEntry]:
    return [
        PostedEntry(
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
            remark=_remark(correction, row),
        )
    ]


def _remark(correction: CorrectionInput, row: Any) -> str:
    """What was reversed of the corrected transaction before, and which entry the new one resembles."""
    finer = finer_than_currency(row.effect, row.currency) if "amount" in correction.facts else ""
    remarks = [finer] if finer else []
    corrected = selectors.list_transactions(tenant_id=correction.tenant_id).filter(id=correction.target_id).first()
    reversed_here = row.amount if row.reverses_id else 0
    if corrected is not None and corrected["reversed_amount"] != reversed_here:
        whole, reversed_amount = (with_thousands(corrected[name], row.currency) for name in ("amount", "reversed_amount"))
        remarks.append(f"A part of it was reversed before: of {whole} {row.currency}, {reversed_amount} are then reversed.")
    if row.near_duplicate_of_id is not None:
        near = selectors.get_transaction(tenant_id=correction.tenant_id, transaction_id=row.near_duplicate_of_id)
        remarks.append(f"It looks like entry {near['entry_number']}, posted shortly before.")
    return "\n".join(remarks)


def reverse(correction: CorrectionInput) -> list[PostedEntry]:
    """Reverse what is left of a transaction."""
    row = services.reverse_transaction(
        **correction.audit_context,
        transaction_id=correction.target_id,
        reason_code=_reason_code(correction),
        reason=correction.reason[:REASON_LENGTH],
    ).row
    return _posted(correction, row, f"Reverses {type_in_words(row.type)} of entry {_entry_number(correction)}")


def reverse_part(correction: CorrectionInput) -> list[PostedEntry]:
    """Reverse a part of a transaction."""
    row = services.reverse_transaction(
        **correction.audit_context,
        transaction_id=correction.target_id,
        reason_code=_reason_code(correction),
        reason=correction.reason[:REASON_LENGTH],
        amount=Decimal(correction.facts["amount"]),
        reference_id=correction.key,
    ).row
    return _posted(correction, row, f"Reverses a part of {type_in_words(row.type)} of entry {_entry_number(correction)}")


def _entry_number(correction: CorrectionInput) -> int:
    number: int = selectors.get_transaction(tenant_id=correction.tenant_id, transaction_id=correction.target_id)["entry_number"]
    return number


def adjust_wallet_of_entry(correction: CorrectionInput) -> list[PostedEntry]:
    """Change the balance of the transaction's wallet."""
    currency = selectors.get_transaction(tenant_id=correction.tenant_id, transaction_id=correction.target_id)["currency"]
    return _adjust(correction, currency)


def adjust_wallet(correction: CorrectionInput) -> list[PostedEntry]:
    [currency] = [
        wallet["currency"] for wallet in selectors.list_wallets(tenant_id=correction.tenant_id) if wallet["id"] == correction.target_id
    ]
    return _adjust(correction, currency)


def _adjust(correction: CorrectionInput, currency: str) -> list[PostedEntry]:
    row = services.record_transaction(
        **correction.audit_context,
        amount=Decimal(correction.facts["amount"]),
        type=ADJUSTMENT,
        reference_id=correction.key,
        description=correction.reason,
        currency=currency,
    ).row
    return _posted(correction, row, "Adjustment")


def open_wallet(correction: CorrectionInput) -> list[PostedEntry]:
    """Open the tenant's wallet in a currency, by its first entry. Raises InvalidValue for a currency that it has a wallet in."""
    currency = correction.facts["currency"]
    if any(wallet["currency"] == currency for wallet in selectors.list_wallets(tenant_id=correction.tenant_id)):
        raise InvalidValue(field="currency", reason="taken", value=currency)
    row = services.record_transaction(
        **correction.audit_context,
        amount=Decimal(correction.facts["amount"]),
        type="topup",
        reference_id=correction.facts.get("reference_id") or correction.key,
        description=correction.reason,
        currency=currency,
    ).row
    [posted] = _posted(correction, row, "Opens the wallet with a top-up")
    # The wallet's id is another one in each preview: the entry counts for the tenant, whose wallet it opens.
    return [replace(posted, account_label="tenants.tenant", account_id=correction.target_id, account_name=f"New {currency} wallet")]


def _is_whole(row: Any) -> bool:
    return row.reverses_id is None and row.reversed_by_id is None


register(
    Kind(
        code="billing.reverse",
        model_label="billing.transaction",
        title="Reverse",
        description="Reverses what is left of each entry, by one of the same type with the opposite effect.",
        post=reverse,
        applies_to=_is_whole,
    )
)
register(
    Kind(
        code="billing.reverse_part",
        model_label="billing.transaction",
        title="Reverse a part",
        description="Reverses a part of the entry; the rest stays.",
        post=reverse_part,
        fields=(AMOUNT,),
        applies_to=_is_whole,
        takes_many=False,
        icon="content_cut",
        phrase="reverse a part of {rows}",
    )
)
register(
    Kind(
        code="billing.open_wallet",
        model_label="tenants.tenant",
        title="Open a wallet",
        description="Opens a wallet of the tenant in a currency that it has none in yet, by its first top-up.",
        post=open_wallet,
        fields=(
            FormField("currency", "Currency", type="currency", help="ISO 4217, like EUR."),
            FormField("amount", "First top-up", type="positive_amount", help="What was paid in."),
            FormField("reference_id", "Reference of the payment", is_required=False, help="Empty: that of this correction."),
        ),
        takes_many=False,
        icon="add",
        phrase="open a wallet of {rows}",
    )
)
register(
    Kind(
        code="billing.adjust_beside",
        model_label="billing.transaction",
        title="Adjust the wallet",
        phrase="adjust the wallet of {rows}",
        description="Changes the wallet's balance by an entry of its own; the entry stays.",
        post=adjust_wallet_of_entry,
        fields=(CHANGE,),
        takes_many=False,
        icon="balance",
    )
)
register(
    Kind(
        code="billing.adjust",
        model_label="billing.wallet",
        title="Adjust",
        description="Changes the wallet's balance by an entry of its own.",
        post=adjust_wallet,
        fields=(CHANGE,),
        takes_many=False,
        icon="balance",
    )
)
