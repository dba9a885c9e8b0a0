"""What a tenant has and what it spends of it: its balance in billing, and its metered cost of the last hours and days."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from billing.selectors.wallets import list_wallets
from metering.selectors.rollups import DAY, HOUR, end_of, get_summary, start_of

SPANS: Mapping[str, timedelta] = {"24h": DAY, "7d": 7 * DAY, "30d": 30 * DAY}
# The span whose cost, by the day, is what the tenant spends.
BURN_SPAN, BURN_DAYS = "7d", 7
CURRENCY = "USD"


def get_account_spend(*, tenant_id: UUID, now: datetime) -> dict[str, Any]:
    """`available`: the balance in USD, None without a wallet; `spend` by the names of SPANS, in whole hours up to the present one;
    `burn_per_day`; `runway_days`: how long the balance lasts at that rate, None where nothing is spent or there is no balance."""
    spend = {
        name: _cost(tenant_id=tenant_id, since=start_of(now - length, HOUR), until=end_of(now, HOUR)) for name, length in SPANS.items()
    }
    available = next((wallet["balance"] for wallet in list_wallets(tenant_id=tenant_id) if wallet["currency"] == CURRENCY), None)
    burn = (spend[BURN_SPAN] / BURN_DAYS).quantize(Decimal("1e-18"))
    runway = max(available, Decimal(0)) / burn if available is not None and burn else None
    return {
        "available": available,
        "spend": spend,
        "burn_per_day": burn,
        "runway_days": None if runway is None else round(runway, 1),
    }


def _cost(*, tenant_id: UUID, since: datetime, until: datetime) -> Decimal:
    costs = get_summary(tenant_id=tenant_id, since=since, until=until)["costs"]
    return next((row["amount"] for row in costs if row["currency"] == CURRENCY), Decimal(0))
