"""Metering's kinds of correction: supersede or waive a cost, cancel a transaction. A transaction's active cost is shown as its balance."""

from decimal import Decimal
from typing import Any

import msgspec

from kernel.corrections.kinds import CorrectionInput, FormField, Kind, PostedEntry, register
from metering import selectors
from metering.choices import MOVES, Status
from metering.services import cancel_transaction, record_cost

AMOUNT = FormField("amount", "What it really cost", type="amount_or_zero", help="In the cost's own currency; zero waives it.")


def supersede(correction: CorrectionInput) -> list[PostedEntry]:
    """Supersede a cost by one with another amount."""
    return _superseded(correction, amount=Decimal(correction.facts["amount"]))


def waive(correction: CorrectionInput) -> list[PostedEntry]:
    """Supersede a cost by zero."""
    return _superseded(correction, amount=Decimal(0))


def _superseded(correction: CorrectionInput, *, amount: Decimal) -> list[PostedEntry]:
    old = selectors.get_cost(tenant_id=correction.tenant_id, cost_id=correction.target_id)
    keys = {"tenant_id": correction.tenant_id, "transaction_id": old["transaction_id"]}
    before = selectors.total_active(selectors.list_costs(**keys), currency=old["fiat_asset_symbol"])
    recorded = record_cost(
        **keys,
        actor=correction.actor,
        request_id=correction.request_id,
        fiat_amount=amount,
        fiat_asset_symbol=old["fiat_asset_symbol"],
        is_estimate=False,
        supersedes_cost_id=correction.target_id,
        cost_details=msgspec.json.encode({"correction": correction.reason_code, "reason": correction.reason}).decode(),
        idempotency_key=correction.key,
    )
    effect = amount - old["fiat_amount"]
    before -= effect if recorded.replayed else 0
    return [
        PostedEntry(
            account_label="metering.transaction",
            account_id=old["transaction_id"],
            account_name="Cost of the call",
            entry_number=None,
            what="Cost superseded",
            unit=old["fiat_asset_symbol"],
            effect=effect,
            balance_before=before,
            balance_after=before + effect,
            entry_label="metering.cost",
            entry_id=recorded.row["cost_id"],
        )
    ]


def cancel(correction: CorrectionInput) -> list[PostedEntry]:
    """Cancel an open transaction. Its estimates are superseded by zero; its actual costs stay active and can be waived one by one."""
    keys = {"tenant_id": correction.tenant_id, "transaction_id": correction.target_id}
    before = selectors.get_transaction(**keys)["status"]
    cancelled = cancel_transaction(
        **keys,
        actor=correction.actor,
        request_id=correction.request_id,
        reason=correction.reason,
        idempotency_key=correction.key,
    ).row
    # What was only expected isn't money: the correction moves none, whatever the estimates were.
    actual = [cost for cost in cancelled["costs"] if not cost["is_estimate"]]
    currency = cancelled["costs"][0]["fiat_asset_symbol"] if cancelled["costs"] else "USD"
    total = selectors.total_active(actual, currency=currency)
    return [
        PostedEntry(
            account_label="metering.transaction",
            account_id=correction.target_id,
            account_name="Status of the call",
            entry_number=None,
            what=f"From {before} to cancelled",
            unit=currency,
            effect=Decimal(0),
            balance_before=total,
            balance_after=total,
            entry_label="metering.transaction",
            entry_id=correction.target_id,
        )
    ]


def _is_open(row: Any) -> bool:
    return row.status in MOVES[Status.CANCELLED]


def _is_active(row: Any) -> bool:
    return bool(row.is_active)


register(
    Kind(
        code="metering.supersede",
        model_label="metering.cost",
        title="Supersede",
        description="Adds a cost with another amount, which supersedes this one; the old one stays visible.",
        post=supersede,
        fields=(AMOUNT,),
        applies_to=_is_active,
        takes_many=False,
        icon="edit_note",
    )
)
register(
    Kind(
        code="metering.waive",
        model_label="metering.cost",
        title="Waive",
        description="Supersedes each cost by zero.",
        post=waive,
        applies_to=_is_active,
        icon="money_off",
    )
)
register(
    Kind(
        code="metering.cancel",
        model_label="metering.transaction",
        title="Cancel",
        description="Cancels each open call. Its estimates are superseded by zero; its actual costs stay active.",
        post=cancel,
        applies_to=_is_open,
        icon="cancel",
    )
)
