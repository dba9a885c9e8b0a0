"""A tenant's credit settings: its policy, and the balances below which its customers are low. The history of settings records changes."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.utils import timezone

from credits.models import BalanceAlert, Policy
from kernel.base.setting_author import setting_author
from kernel.ledger import queries
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import InvalidValue
from kernel.ledger.holds import check_longest_hold
from kernel.ledger.money import AMOUNT_LIMIT, PLACES, is_currency

CUSTOMER_LENGTH = 255
MAX_EXPIRING_DAYS = 366
UNCHANGED: Any = object()
BALANCE = "SELECT balance FROM credits_unit_balance(%s, %s, %s, %s, ledger_day(ledger_now()))"


@translate_db_errors
def set_balance_alert(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    customer_id: str,
    currency: str | None = None,
    metric_id: str | None = None,
    alert_below: Decimal | None,
) -> BalanceAlert:
    """Set the balance below which a customer is low in one currency or metric; None for no such events. Raises InvalidValue.

    A customer who is below it already is not announced; going below it again is.
    """
    _check_unit(currency, metric_id)
    if len(customer_id) > CUSTOMER_LENGTH:
        raise InvalidValue(field="customer_id", reason="too_long", max=CUSTOMER_LENGTH)
    if alert_below is not None and not (0 <= alert_below < AMOUNT_LIMIT and alert_below == round(alert_below, PLACES)):
        raise InvalidValue(field="alert_below", reason="negative" if alert_below < 0 else "too_many_digits", value=alert_below, max=PLACES)
    unit = {"customer_id": customer_id, "currency": currency or "", "metric_id": metric_id or ""}
    with setting_author(actor=actor, request_id=request_id):
        BalanceAlert.objects.get_or_create(tenant_id=tenant_id, **unit, defaults={"updated_by": actor})
        # The balance is read under the alert's lock, as postings read it.
        alert = BalanceAlert.objects.select_for_update(no_key=True).get(tenant_id=tenant_id, **unit)
        [now] = queries.fetch_rows(BALANCE, [tenant_id, customer_id, currency, metric_id])
        alert.alert_below, alert.is_low = alert_below, alert_below is not None and now.balance < alert_below
        alert.updated_at, alert.updated_by = timezone.now(), actor
        alert.save(update_fields=["alert_below", "is_low", "updated_at", "updated_by"])
    return alert


def _check_unit(currency: str | None, metric_id: str | None) -> None:
    if bool(currency) == bool(metric_id):
        raise InvalidValue(field="currency", reason="one_unit", value=currency)
    if currency and not is_currency(currency):
        raise InvalidValue(field="currency", reason="unknown_currency", value=currency)


@translate_db_errors
def set_policy(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    expiring_days: int = UNCHANGED,
    longest_hold_seconds: int | None = UNCHANGED,
) -> Policy:
    """Change the named settings: how many days before its last day a grant with a balance is announced; how long a hold may last.

    The time of a hold includes its extensions; None means no limit. Holds that are open already keep their end. Raises InvalidValue.
    """
    if expiring_days is not UNCHANGED and not 0 <= expiring_days <= MAX_EXPIRING_DAYS:
        reason = "too_small" if expiring_days < 0 else "too_large"
        raise InvalidValue(field="expiring_days", reason=reason, value=expiring_days, min=0, max=MAX_EXPIRING_DAYS)
    if longest_hold_seconds is not UNCHANGED:
        check_longest_hold(longest_hold_seconds)
    requested: dict[str, Any] = {"expiring_days": expiring_days, "longest_hold_seconds": longest_hold_seconds}
    changes = {name: value for name, value in requested.items() if value is not UNCHANGED}
    changes |= {"updated_by": actor, "updated_at": timezone.now()}
    with setting_author(actor=actor, request_id=request_id):
        policy, _ = Policy.objects.update_or_create(tenant_id=tenant_id, defaults=changes)
    return policy
