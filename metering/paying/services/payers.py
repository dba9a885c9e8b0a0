"""Which payers pay a tenant's challenges, and within which limits."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db.models.functions import Now

from kernel.base.setting_author import setting_author
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import InvalidValue
from kernel.ledger.identifiers import new_id
from kernel.ledger.money import is_currency
from metering.paying.errors import PayerUnavailable
from metering.paying.models import PayerSetting
from metering.paying.payers import missing_for, payer_names

MAX_LENGTH = 255
MAX_NAMES = 1000


@translate_db_errors
def set_payer(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    payer: str,
    is_enabled: bool,
    max_amount: Decimal | None = None,
    max_currency: str = "",
    networks: Sequence[str] = (),
    pay_to: Sequence[str] = (),
) -> PayerSetting:
    """Set whether a payer pays the tenant's challenges: at most `max_amount` for one payment, on these networks, to these names; empty:
    all. A payment in another currency than that of the most is refused. Payments that are placed already stay as they are.

    A payer that pays with other money than the ledgers' needs a most or names. Raises InvalidValue, PayerUnavailable, Busy.
    """
    _check_limits(payer=payer, max_amount=max_amount, max_currency=max_currency, networks=networks, pay_to=pay_to)
    if is_enabled and (missing := missing_for(payer, tenant_id=tenant_id)):
        raise PayerUnavailable(payer=payer, reason=missing)
    wanted: dict[str, Any] = {
        "is_enabled": is_enabled,
        "max_amount": max_amount,
        "max_currency": max_currency,
        "networks": list(networks),
        "pay_to": list(pay_to),
    }
    with setting_author(actor=actor, request_id=request_id):
        setting, _ = PayerSetting.objects.update_or_create(
            tenant_id=tenant_id,
            payer=payer,
            defaults=wanted | {"actor": actor, "updated_at": Now()},
            create_defaults=wanted | {"actor": actor, "id": new_id()},
        )
    return setting


def _check_limits(*, payer: str, max_amount: Decimal | None, max_currency: str, networks: Sequence[str], pay_to: Sequence[str]) -> None:
    """Raises InvalidValue."""
    if payer not in payer_names():
        raise InvalidValue(field="payer", reason="unknown_choice", value=payer, choices=payer_names())
    if (max_amount is None) != (not max_currency):
        raise InvalidValue(field="max_currency", reason="amount_without_currency")
    if max_currency and not is_currency(max_currency):
        raise InvalidValue(field="max_currency", reason="unknown_currency", value=max_currency)
    if max_amount is not None and max_amount <= 0:
        raise InvalidValue(field="max_amount", reason="not_positive", value=max_amount)
    for field, names in (("networks", networks), ("pay_to", pay_to)):
        if len(names) > MAX_NAMES or any(not _is_name(name) for name in names):
            raise InvalidValue(field=field, reason="text_syntax")


def _is_name(name: str) -> bool:
    return 0 < len(name) <= MAX_LENGTH and name.isascii() and name.isprintable() and name == name.strip()
