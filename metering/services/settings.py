"""A tenant's metering settings (its policy): how its transactions are decided and closed."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models.functions import Now

from kernel.base.setting_author import setting_author
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import InvalidValue
from metering.models import Policy
from metering.models.transactions import TIME_LIMITS

# The default of an argument that was not passed: None is a value here.
UNCHANGED: Any = object()


def out_of_bounds(*, tenant_id: UUID) -> InvalidValue:
    """The error of a time that a caller states and that lies beyond the limits of the tenant's policy; it names both."""
    policy = Policy.objects.filter(tenant_id=tenant_id).first() or Policy()
    earliest, latest = policy.backdating_limit, policy.postdating_limit
    return InvalidValue(field="occurred_at", reason="out_of_bounds", earliest=_in_words(earliest), latest=_in_words(latest))


def _in_words(limit: timedelta) -> str:
    """`35 days`, `5 minutes`, `1 day 90 seconds`."""
    seconds, parts = int(limit.total_seconds()), []
    for name, length in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        count, seconds = divmod(seconds, length)
        parts += [f"{count} {name}{'' if count == 1 else 's'}"] if count else []
    return " ".join(parts) or "0 seconds"


def _check_spans(*, stale_after: timedelta | None, **limits: timedelta) -> None:
    """Raises InvalidValue for a time that a policy can't have."""
    if stale_after is not UNCHANGED and stale_after is not None and stale_after <= timedelta(0):
        raise InvalidValue(field="stale_after", reason="not_positive")
    for name, limit in limits.items():
        if limit is not UNCHANGED and not TIME_LIMITS[0] <= limit <= TIME_LIMITS[1]:
            raise InvalidValue(field=name, reason="not_between_0_and_3650_days")


@translate_db_errors
def set_policy(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    authorizes_at_once: bool = UNCHANGED,
    stale_after: timedelta | None = UNCHANGED,
    reported_costs: str = UNCHANGED,
    prices_self_hosted: bool = UNCHANGED,
    holds_estimates: bool = UNCHANGED,
    payer_customer_id: str | None = UNCHANGED,
    allows_overdraft: bool = UNCHANGED,
    backdating_limit: timedelta = UNCHANGED,
    postdating_limit: timedelta = UNCHANGED,
) -> Policy:
    """Change the given parts of a tenant's policy; the others stay as they are. `stale_after` None: nothing is closed automatically.
    `holds_estimates`: estimates are held, and what a transaction cost is captured. `payer_customer_id`: whose credits pay where neither
    the transaction nor its agent names a customer; None: the tenant's slug. `allows_overdraft`: a wallet without a floor pays below zero.
    `reported_costs`: a value of ReportedCosts. `prices_self_hosted`: whether models that the tenant runs itself have their list price.
    `backdating_limit`, `postdating_limit`: how far before and after the present a call of the API may say that something happened.

    Raises InvalidValue.
    """
    _check_spans(stale_after=stale_after, backdating_limit=backdating_limit, postdating_limit=postdating_limit)
    wanted: dict[str, Any] = {
        "authorizes_at_once": authorizes_at_once,
        "stale_after": stale_after,
        "reported_costs": reported_costs,
        "prices_self_hosted": prices_self_hosted,
        "holds_estimates": holds_estimates,
        "payer_customer_id": payer_customer_id,
        "allows_overdraft": allows_overdraft,
        "backdating_limit": backdating_limit,
        "postdating_limit": postdating_limit,
    }
    changes = {name: value for name, value in wanted.items() if value is not UNCHANGED} | {"actor": actor, "updated_at": Now()}
    with setting_author(actor=actor, request_id=request_id):
        policy, _ = Policy.objects.update_or_create(tenant_id=tenant_id, defaults=changes)
    return policy
