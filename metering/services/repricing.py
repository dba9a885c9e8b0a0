"""Computes costs from facts again by the prices known now. Changes are posted as superseding rows; an undo supersedes them back."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

from kernel.ledger.errors import NotFound
from kernel.ledger.outcomes import Posted
from metering import selectors
from metering.choices import FactPhase, Pricing
from metering.pricing.choosing_prices import valid_prices
from metering.pricing.price_facts import PricingResult, model_of, parsed_json, price_facts
from metering.selectors import RowDict, repricing
from metering.services.amendments import amend, make_amendment
from metering.usage_reading.name_normalization import with_normalized_names

BATCH = 500


@dataclass(slots=True)
class Day:
    """One tenant's changed costs of one day and currency: how many, and their sums before and after."""

    costs: int = 0
    old: Decimal = Decimal(0)
    new: Decimal = Decimal(0)


@dataclass(slots=True)
class RepricingReport:
    """What a run would change or has changed. `skipped`: superseded or closed by another call meanwhile; `unpriced`: no price now."""

    days: dict[tuple[UUID, date, str], Day] = field(default_factory=dict)
    seen: int = 0
    unpriced: int = 0
    skipped: int = 0

    @property
    def changed(self) -> int:
        return sum(day.costs for day in self.days.values())

    def add(self, change: RowDict) -> None:
        """Count one change. A change of currency is subtracted from the old currency and added to the new."""
        on = change["occurred_at"].date()
        day = self.days.setdefault((change["tenant_id"], on, change["currency"]), Day())
        day.costs += 1
        day.new += change["amount"]
        self.days.setdefault((change["tenant_id"], on, change["old_currency"]), Day()).old += change["old_amount"]


def reprice_transactions(
    *,
    run: UUID,
    apply: bool,
    tenant_id: UUID | None = None,
    service: str | None = None,
    model: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> RepricingReport:
    """Compute costs from facts again; with `apply` post what differs. If it is killed and run again, it goes on where it stopped."""
    report, last = RepricingReport(), None
    book = cache(lambda tenant: selectors.list_prices(tenant_id=tenant))
    while True:
        asked: dict[str, Any] = {"tenant_id": tenant_id, "service": service, "since": since, "until": until}
        costs = repricing.list_inferred_costs(**asked, after_id=last, limit=BATCH)
        if not costs:
            return report
        last = costs[-1]["id"]
        changes = [change for cost in costs if (change := _change(cost, report, book=book(cost["tenant_id"]), model=model))]
        _post_and_report(changes, report, run=run, apply=apply)


def undo_repricing(*, undone: UUID, run: UUID, apply: bool) -> RepricingReport:
    """Undo a run: each cost that it posted and that is still active is superseded by the cost that was there before. Raises NotFound
    (kind: run)."""
    if not repricing.has_run(run=undone):
        raise NotFound(kind="run", id=undone)
    report, last = RepricingReport(), None
    while True:
        costs = repricing.list_repriced_costs(run=undone, after_id=last, limit=BATCH)
        if not costs:
            return report
        last = costs[-1]["id"]
        report.seen += len(costs)
        _post_and_report([_way_back(cost) for cost in costs], report, run=run, apply=apply)


def _change(cost: RowDict, report: RepricingReport, *, book: Sequence[RowDict], model: str | None) -> RowDict | None:
    """The change of one cost by the prices known now; None if the cost stays as it is."""
    if model is not None and model_of(terms=cost, parsed=with_normalized_names(parsed_json(cost["facts"]))) != model:
        return None
    report.seen += 1
    priced = price_facts(terms=cost, facts=cost["facts"], book=valid_prices(book, at=cost["occurred_at"]))
    if priced.amount is None:
        report.unpriced += 1
        return None
    if (priced.amount, priced.currency) == (cost["fiat_amount"], cost["fiat_asset_symbol"]):
        return None
    return _changed(cost, priced)


def _changed(cost: RowDict, priced: PricingResult) -> RowDict:
    return {
        "cost": cost,
        "tenant_id": cost["tenant_id"],
        "occurred_at": cost["occurred_at"],
        "amount": priced.amount,
        "currency": priced.currency,
        "is_estimate": priced.pricing == Pricing.PARTLY_READ or cost["phase"] == FactPhase.PARTIAL,
        "details": priced.details,
        "old_amount": cost["fiat_amount"],
        "old_currency": cost["fiat_asset_symbol"],
    }


def _way_back(cost: RowDict) -> RowDict:
    return {
        "cost": cost,
        "tenant_id": cost["tenant_id"],
        "occurred_at": cost["occurred_at"],
        "amount": cost["old_amount"],
        "currency": cost["old_currency"],
        "is_estimate": cost["old_is_estimate"],
        "details": cost["old_details"],
        "old_amount": cost["fiat_amount"],
        "old_currency": cost["fiat_asset_symbol"],
    }


def _post_and_report(changes: Sequence[RowDict], report: RepricingReport, *, run: UUID, apply: bool) -> None:
    """Post the changes if `apply`, and report those that were or would be made."""
    if not apply or not changes:
        done: Sequence[bool] = [True] * len(changes)
    else:
        done = _post(changes, run=run)
    report.skipped += sum(not one for one in done)
    for change, is_done in zip(changes, done, strict=True):
        if is_done:
            report.add(change)


def _post(changes: Sequence[RowDict], *, run: UUID) -> list[bool]:
    """Post the changes, a call for each tenant; which were written. A cost that was superseded meanwhile is left alone."""
    places: dict[UUID, list[int]] = {}
    for place, change in enumerate(changes):
        places.setdefault(change["tenant_id"], []).append(place)
    done = [False] * len(changes)
    for tenant_id, own in sorted(places.items()):
        outcomes = amend([_superseding(changes[place], run=run) for place in own], tenant_id=tenant_id)
        for place, outcome in zip(own, outcomes, strict=True):
            done[place] = isinstance(outcome, Posted)
    return done


def _superseding(change: RowDict, *, run: UUID) -> dict[str, Any]:
    old = change["cost"]
    cost = {name: change[name] for name in ("amount", "currency", "is_estimate", "details")}
    stated = {
        "call": "reprice",
        "fiat_amount": change["amount"],
        "fiat_asset_symbol": change["currency"],
        "is_estimate": change["is_estimate"],
        "supersedes_id": old["id"],
        "cost_details": change["details"],
    }
    return make_amendment(
        actor=f"command:reprice_transactions:{run}",
        request_id=str(run),
        transaction_id=old["transaction_id"],
        stated=stated,
        cost=cost | {"supersedes_ids": [old["id"]], "inferred_from_id": old["inferred_from_id"], "repricing": run},
    )
