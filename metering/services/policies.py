"""How a tenant's transactions are decided and closed."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models.functions import Now

from kernel.ledger.constraints import translate_db_errors
from kernel.ledger.errors import InvalidValue
from kernel.tenants.setting_author import setting_author
from metering.models import Policy

# The default of an argument that was not passed: None is a value here.
UNCHANGED: Any = object()


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
    is_prepaid: bool = UNCHANGED,
    payer_customer_id: str | None = UNCHANGED,
    allows_overdraft: bool = UNCHANGED,
) -> Policy:
    """Change the given parts of a tenant's policy; the others stay as they are. `stale_after` None: nothing is closed automatically.
    `is_prepaid`: estimated costs are held, and what a transaction cost is captured. `payer_customer_id`: whose credits pay where neither
    the transaction nor its agent names a customer; None: the tenant's slug. `allows_overdraft`: a wallet without a floor pays below zero.
    `reported_costs`: a value of ReportedCosts. `prices_self_hosted`: whether models that the tenant runs itself have their list price.

    Raises InvalidValue.
    """
    if stale_after is not UNCHANGED and stale_after is not None and stale_after <= timedelta(0):
        raise InvalidValue(field="stale_after", reason="not_positive")
    wanted: dict[str, Any] = {
        "authorizes_at_once": authorizes_at_once,
        "stale_after": stale_after,
        "reported_costs": reported_costs,
        "prices_self_hosted": prices_self_hosted,
        "is_prepaid": is_prepaid,
        "payer_customer_id": payer_customer_id,
        "allows_overdraft": allows_overdraft,
    }
    changes = {name: value for name, value in wanted.items() if value is not UNCHANGED} | {"actor": actor, "updated_at": Now()}
    with setting_author(actor=actor, request_id=request_id):
        policy, _ = Policy.objects.update_or_create(tenant_id=tenant_id, defaults=changes)
    return policy
