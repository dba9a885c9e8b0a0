"""Which rows each figure adds up, for the lists it links to. The numbers are in figures.py and day_sums.py."""

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from django.db.models import Q, QuerySet

from backoffice.dashboard.day_sums import CREDIT_FIGURE, TAKES_OR_GIVES_BACK, FigureName
from billing.choices import ADJUSTMENT
from credits.choices import EXPIRES_SOON_WITHIN, GrantStatus, UnitType
from credits.selectors.database_now import TODAY
from kernel.corrections.models import CorrectionEntry
from kernel.ledger.admin.figures import Figure, figure_url, register_figure
from kernel.ledger.admin.formatting import link, money
from kernel.ledger.admin.panels import Panel, register_panel
from kernel.ledger.clocks import CLOCK_FIELDS, Clock
from kernel.ledger.holds import OPEN
from kernel.tenants.staff_scope import VisibleTenants
from metering.choices import Grain, Status

# Of grants; figures.py adds up by the same conditions.
OUTSTANDING = Q(status=GrantStatus.OPEN, balance__gt=0) & ~Q(expiry_date__lt=TODAY)
EXPIRES_SOON = Q(expiry_date__gte=TODAY, expiry_date__lte=TODAY + EXPIRES_SOON_WITHIN)
EXPIRING_SOON = f"Expiring within {EXPIRES_SOON_WITHIN.days} days"
# A cost counts at the time of its transaction.
COST_TIMES = {Clock.BOOK.value: "transaction__created_at", Clock.WORLD.value: "transaction__occurred_at"}
COST_OF = {
    "tenant_id": "tenant_id",
    "agent_id": "transaction__agent_id",
    "service_id": "transaction__service_id",
    # Of several tenants together.
    "agent_name": "transaction__agent__name",
    "service_name": "transaction__service__name",
}


def _billed(rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows.filter(TAKES_OR_GIVES_BACK).exclude(type=ADJUSTMENT)


def _outstanding(rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows.filter(OUTSTANDING)


def _expiring(rows: QuerySet[Any]) -> QuerySet[Any]:
    return rows.filter(OUTSTANDING, EXPIRES_SOON)


def _usable(figure: Any) -> Any:
    """Of grants, those that count from today or before."""
    return lambda rows: figure(rows).filter(effective_date__lte=TODAY)


def _unit_of_grant(prefix: str) -> Any:
    def unit(unit: str) -> Q:
        is_metric = Q(**{f"{prefix}unit_type": UnitType.METRIC})
        return (is_metric & Q(**{f"{prefix}metric_id": unit})) | (~is_metric & Q(**{f"{prefix}currency": unit}))

    return unit


def _in_figure(name: str) -> Any:
    return lambda rows: rows.alias(figure=CREDIT_FIGURE).filter(figure=name)


def _costs(**condition: Any) -> Any:
    return lambda rows: rows.filter(is_active=True, **condition)


def _happened_on(day: str) -> Q:
    since = datetime.combine(date.fromisoformat(day), time(), tzinfo=UTC)
    return Q(occurred_at__gte=since, occurred_at__lt=since + timedelta(days=1))


ENTRY = {"times": CLOCK_FIELDS, "of": {"tenant_id": "tenant_id", "type": "type", "happened_on": _happened_on}}
for _name, _figure in {
    "billed": Figure("Billed: debits, less what was reversed of them", _billed, **ENTRY),  # type: ignore[arg-type]
    "adjusted": Figure("Adjusted", lambda rows: rows.filter(type=ADJUSTMENT), **ENTRY),  # type: ignore[arg-type]
    "debits": Figure("Debits", lambda rows: rows.filter(effect__lt=0), **ENTRY),  # type: ignore[arg-type]
    "credits": Figure("Credits", lambda rows: rows.filter(effect__gt=0), **ENTRY),  # type: ignore[arg-type]
}.items():
    register_figure("billing.transaction", _name, _figure)

OF_WALLET = {"tenant_id": "tenant_id", "wallet_id": "wallet_id"}
register_figure("billing.transaction", "wallet", Figure("Every entry of a wallet", lambda rows: rows, of=OF_WALLET))
register_figure("billing.wallethold", "held", Figure("Open holds of a wallet", lambda rows: rows.filter(OPEN), of=OF_WALLET))


def _of_correction(correction_id: str) -> Q:
    """The entries that a correction posted."""
    posted = CorrectionEntry.objects.filter(request_id=UUID(correction_id), entry_id__isnull=False)
    return Q(pk__in=posted.values("entry_id"))


for _label, _account in (("billing.transaction", "wallet_id"), ("credits.credittransaction", "grant_id")):
    _of: Mapping[str, Any] = {"correction_id": _of_correction, "account_id": _account}
    register_figure(_label, "correction", Figure("Posted by a correction", lambda rows: rows, of=_of))

for _name, _title, _condition in (
    ("actual", "Actual cost", {"is_estimate": False}),
    ("estimated", "Estimated cost", {"is_estimate": True}),
    ("cost", "Cost, actual and estimated", {}),
    ("cost_without_agent", "Cost of calls without an agent", {"transaction__agent__isnull": True}),
):
    register_figure(
        "metering.cost", _name, Figure(_title, _costs(**_condition), lambda unit: Q(fiat_asset_symbol=unit), COST_TIMES, COST_OF)
    )
register_figure(
    "metering.transaction",
    "denied",
    Figure("Denied calls", lambda rows: rows.filter(status=Status.DENIED), times=CLOCK_FIELDS, of={"agent_id": "agent_id"}),
)
register_figure(
    "metering.transaction",
    "calls",
    Figure(
        "Calls", lambda rows: rows, times=CLOCK_FIELDS, of={"tenant_id": "tenant_id", "agent_id": "agent_id", "service_id": "service_id"}
    ),
)

CREDIT_TITLES = {
    FigureName.GRANTED: "Credit granted",
    FigureName.CONSUMED: "Credit consumed",
    FigureName.CREDIT_ADJUSTED: "Credit adjusted",
}
GRANT_OF = {"customer_id": "customer_id", "tenant_id": "tenant_id"}
for _name, _title in CREDIT_TITLES.items():
    _figure = Figure(_title, _in_figure(_name), _unit_of_grant("grant__"), CLOCK_FIELDS, GRANT_OF | {"happened_on": _happened_on})
    register_figure("credits.credittransaction", _name, _figure)
register_figure(
    "credits.grant",
    "usable",
    Figure("Balance that can be drawn on, with what is held of it", _usable(_outstanding), _unit_of_grant(""), of=GRANT_OF),
)
register_figure("credits.grant", "usable_expiring", Figure(EXPIRING_SOON, _usable(_expiring), _unit_of_grant(""), of=GRANT_OF))
register_figure("credits.grant", "outstanding", Figure("Outstanding credit", _outstanding, _unit_of_grant(""), of=GRANT_OF))
register_figure("credits.grant", "expiring", Figure(EXPIRING_SOON, _expiring, _unit_of_grant(""), of=GRANT_OF))
register_figure(
    "credits.hold",
    "held",
    Figure(
        "Open holds",
        lambda rows: rows.filter(OPEN),
        lambda unit: Q(currency=unit) | Q(metric_id=unit),
        of=GRANT_OF,
    ),
)


def entries_of_total(row: Any, user: Any, scope: VisibleTenants) -> Panel | None:
    """The entries that a daily total of billing adds up."""
    if not user.has_perm("billing.view_transaction"):
        return None
    keys = {"unit": row.currency, "clock": Clock.WORLD, "since": row.day, "until": row.day, "tenant_id": row.tenant_id, "type": row.type}
    lines = [
        (title, link(figure_url("billing.transaction", name, **keys), money(getattr(row, name), row.currency)))
        for title, name in (("Credits", "credits"), ("Debits", "debits"))
    ]
    return Panel("Its entries", ("Sum", "Entries"), lines, note="Each amount leads to the entries that it adds up.")


def costs_of_rollup(row: Any, user: Any, scope: VisibleTenants) -> Panel | None:
    """The active costs, and the calls, that a sum of a day adds up. Sums of an hour are parts of these."""
    if row.grain != Grain.DAY or not user.has_perm("metering.view_cost"):
        return None
    day = row.starts_at.astimezone(UTC).date()
    keys: Mapping[str, Any] = {
        "clock": Clock.WORLD,
        "since": day,
        "until": day,
        "tenant_id": row.tenant_id,
        "service_id": row.service_id,
    }
    agent = {"agent_id": row.agent_id} if row.agent_id else {}
    costs = figure_url("metering.cost", "cost" if agent else "cost_without_agent", unit=row.currency, **keys, **agent)
    lines = [("Cost", link(costs, money(row.amount, row.currency)))]
    note = "All of that day, service, agent and currency. A hot sum is stored in several rows: add them up."
    return Panel("Its costs", ("Sum", "Costs"), lines, note=note)


FIGURE_OF = {FigureName.BILLED: ("billing.transaction", "billed"), FigureName.WALLET_ADJUSTED: ("billing.transaction", "adjusted")}


def rows_of_day_sum(row: Any, user: Any, scope: VisibleTenants) -> Panel | None:
    """The rows that the sum of a day adds up."""
    label, name = FIGURE_OF.get(row.figure, ("credits.credittransaction", row.figure))
    if not user.has_perm(label.replace(".", ".view_")):
        return None
    keys: dict[str, Any] = {"unit": row.unit, "clock": Clock.BOOK, "since": row.day, "until": row.day, "tenant_id": row.tenant_id}
    # The sum of one customer is of all that was booked on the day, whenever it happened.
    keys |= {"customer_id": row.customer_id} if row.customer_id else {"happened_on": row.occurred_on}
    amount = link(figure_url(label, name, **keys), money(row.amount, row.unit))
    return Panel("Its rows", ("Sum", "Rows"), [(row.get_figure_display(), amount)], note="The amount leads to the rows that it adds up.")


register_panel("backoffice.daysum", rows_of_day_sum)
register_panel("billing.dailytotal", entries_of_total)
register_panel("metering.rollup", costs_of_rollup)
