"""A tenant's billing settings: its policy, and the floors and alerts of its wallets. The history of settings records who changed them."""

import json
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.utils import timezone

from billing.choices import NEAR_DUPLICATE_LIMIT_SECONDS
from billing.errors import FloorAboveBalance
from billing.models import Policy, Wallet
from billing.selectors.floors import floor_allows
from billing.services.holds import end_overdue_holds
from billing.services.postings import check_amount
from kernel.base.setting_author import setting_author
from kernel.ledger import queries
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import InvalidValue
from kernel.ledger.holds import check_longest_hold
from kernel.ledger.identifiers import new_id
from kernel.ledger.money import is_currency

UNCHANGED: Any = object()
LOCK_WALLET = "SELECT opened FROM billing_lock_wallets(%s, ARRAY[jsonb_populate_record(NULL::billing_posting, %s::jsonb)])"


@translate_db_errors
def set_policy(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    strict_types: bool = UNCHANGED,
    near_duplicate_seconds: int = UNCHANGED,
    default_floor: Decimal | None = UNCHANGED,
    longest_hold_seconds: int | None = UNCHANGED,
) -> Policy:
    """Change the named settings of the tenant's policy. `default_floor` is for wallets opened from now on. Raises InvalidValue.

    `longest_hold_seconds`: how long a hold may last, with its extensions; None for no limit. Holds that are open keep their end.
    """
    if default_floor is not UNCHANGED and default_floor is not None:
        check_amount("default_floor", default_floor)
        # A new wallet has a balance of zero.
        if not floor_allows(balance=Decimal(0), held=Decimal(0), floor=default_floor):
            raise InvalidValue(field="default_floor", reason="too_large", value=default_floor, max=0)
    if near_duplicate_seconds is not UNCHANGED:
        _check_near_duplicate_seconds(near_duplicate_seconds)
    if longest_hold_seconds is not UNCHANGED:
        check_longest_hold(longest_hold_seconds)
    requested: dict[str, Any] = {
        "strict_types": strict_types,
        "near_duplicate_seconds": near_duplicate_seconds,
        "default_floor": default_floor,
        "longest_hold_seconds": longest_hold_seconds,
    }
    changes = {name: value for name, value in requested.items() if value is not UNCHANGED}
    changes |= {"updated_by": actor, "updated_at": timezone.now()}
    with setting_author(actor=actor, request_id=request_id):
        policy, _ = Policy.objects.update_or_create(tenant_id=tenant_id, defaults=changes)
    return policy


def _check_near_duplicate_seconds(seconds: int) -> None:
    if seconds < 0:
        raise InvalidValue(field="near_duplicate_seconds", reason="too_small", value=seconds, min=0)
    if seconds > NEAR_DUPLICATE_LIMIT_SECONDS:
        raise InvalidValue(field="near_duplicate_seconds", reason="too_large", value=seconds, max=NEAR_DUPLICATE_LIMIT_SECONDS)


def _lock_wallet(tenant_id: UUID, currency: str) -> Wallet:
    """The wallet, locked against postings. If it doesn't exist it is opened as by a posting, with the policy's default_floor."""
    queries.fetch_rows(LOCK_WALLET, [tenant_id, json.dumps({"id": str(new_id()), "currency": currency})])
    return Wallet.objects.get(tenant_id=tenant_id, currency=currency)


@translate_db_errors
def set_floor(*, tenant_id: UUID, actor: str, request_id: str, currency: str, floor: Decimal | None) -> Wallet:
    """Set the balance below which no debit may take the wallet; None for no limit.

    Opens the wallet if the tenant has none in this currency; the floor given here replaces the policy's default_floor.
    Raises FloorAboveBalance where the wallet, less what holds reserve, is below the floor already, InvalidValue for an unknown currency
    or a bad amount.
    """
    if not is_currency(currency):
        raise InvalidValue(field="currency", reason="unknown_currency", value=currency)
    if floor is not None:
        check_amount("floor", floor)
    with setting_author(actor=actor, request_id=request_id):
        wallet = _lock_wallet(tenant_id, currency)
        # Balance and holds are read under the lock, so no posting can move them before the floor is set. Overdue holds reserve nothing,
        # and the constraint on the row would count them.
        held = end_overdue_holds(wallet, actor=actor, request_id=request_id) if wallet.held else Decimal(0)
        if not floor_allows(balance=wallet.balance, held=held, floor=floor):
            raise FloorAboveBalance(balance=wallet.balance, held=held, floor=floor)
        wallet.floor = floor
        wallet.save(update_fields=["floor"])
    return wallet


@translate_db_errors
def set_alert(*, tenant_id: UUID, actor: str, request_id: str, currency: str, alert_below: Decimal | None) -> Wallet:
    """Set the balance below which the wallet is low: crossing it, in either direction, is an event. None for no such events.

    Opens the wallet if the tenant has none in this currency. Raises InvalidValue for an unknown currency or a bad amount.
    """
    if not is_currency(currency):
        raise InvalidValue(field="currency", reason="unknown_currency", value=currency)
    if alert_below is not None:
        check_amount("alert_below", alert_below)
    with setting_author(actor=actor, request_id=request_id):
        wallet = _lock_wallet(tenant_id, currency)
        wallet.alert_below = alert_below
        wallet.save(update_fields=["alert_below"])
    return wallet
