"""How a transaction's cost is put right: by a cost that supersedes it, told as a change of the transaction's total."""

from decimal import Decimal
from typing import Any

import msgspec

from kernel.corrections.kinds import Case, Kind, Posted, Question, register
from metering import selectors
from metering.choices import MOVES, Status
from metering.services.costs import add_cost
from metering.services.lifecycle import cancel_transaction

AMOUNT = Question("amount", "What it really cost", form="amount_or_zero", help="In the cost's own currency; zero waives it.")


def supersede(case: Case) -> list[Posted]:
    """Put another amount in a cost's place."""
    return _superseded(case, amount=Decimal(case.facts["amount"]))


def waive(case: Case) -> list[Posted]:
    """Put zero in a cost's place."""
    return _superseded(case, amount=Decimal(0))


def _superseded(case: Case, *, amount: Decimal) -> list[Posted]:
    old = selectors.get_cost(tenant_id=case.tenant_id, cost_id=case.target_id)
    its = {"tenant_id": case.tenant_id, "transaction_id": old["transaction_id"]}
    before = selectors.total_active(selectors.costs(**its), currency=old["fiat_asset_symbol"])
    new, is_replay = add_cost(
        **its,
        actor=case.actor,
        request_id=case.request_id,
        fiat_amount=amount,
        fiat_asset_symbol=old["fiat_asset_symbol"],
        is_estimate=False,
        supersedes_cost_id=case.target_id,
        cost_details=msgspec.json.encode({"correction": case.reason_code, "reason": case.reason}).decode(),
        idempotency_key=f"correction:{case.key}"[:255],
    )
    effect = amount - old["fiat_amount"]
    before -= effect if is_replay else 0
    return [
        Posted(
            account_label="metering.transaction",
            account_id=old["transaction_id"],
            account_name="Transaction's cost",
            entry_number=None,
            what="Cost superseded",
            unit=old["fiat_asset_symbol"],
            effect=effect,
            balance_before=before,
            balance_after=before + effect,
            entry_label="metering.cost",
            entry_id=new["id"],
        )
    ]


def cancel(case: Case) -> list[Posted]:
    """Cancel a transaction that isn't over. Its costs stand: they are waived one by one."""
    its = {"tenant_id": case.tenant_id, "transaction_id": case.target_id}
    costs = selectors.costs(**its)
    currency = costs[0]["fiat_asset_symbol"] if costs else "USD"
    total = selectors.total_active(costs, currency=currency)
    before = selectors.get_transaction(**its)["status"]
    cancel_transaction(
        **its, actor=case.actor, request_id=case.request_id, reason=case.reason, idempotency_key=f"correction:{case.key}"[:255]
    )
    return [
        Posted(
            account_label="metering.transaction",
            account_id=case.target_id,
            account_name="Transaction's status",
            entry_number=None,
            what=f"From {before} to cancelled",
            unit=currency,
            effect=Decimal(0),
            balance_before=total,
            balance_after=total,
            entry_label="metering.transaction",
            entry_id=case.target_id,
        )
    ]


def _is_under_way(row: Any) -> bool:
    return row.status in MOVES[Status.CANCELLED]


def _is_active(row: Any) -> bool:
    return bool(row.is_active)


register(
    Kind(
        code="metering.supersede",
        label="metering.cost",
        title="Supersede",
        does="Puts another amount in the cost's place, by a cost that names it; the old one stays to be seen.",
        post=supersede,
        questions=(AMOUNT,),
        fits=_is_active,
        takes_many=False,
        icon="edit_note",
    )
)
register(
    Kind(
        code="metering.waive",
        label="metering.cost",
        title="Waive",
        does="Puts zero in the place of each cost, by a cost that names it.",
        post=waive,
        fits=_is_active,
        icon="money_off",
    )
)
register(
    Kind(
        code="metering.cancel",
        label="metering.transaction",
        title="Cancel",
        does="Cancels each transaction that is not over yet. Its costs stand.",
        post=cancel,
        fits=_is_under_way,
        icon="cancel",
    )
)
