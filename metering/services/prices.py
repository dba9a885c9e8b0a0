"""The tenant's prices. A price is begun and ended, never edited."""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from kernel.ledger.constraints import translate_db_errors
from kernel.ledger.errors import InvalidValue, NotFound
from kernel.ledger.identifiers import new_id
from kernel.ledger.money import is_currency
from kernel.tenants.models import Tenant
from kernel.tenants.setting_author import setting_author
from metering.models import Price, UnitPrice
from metering.services.usage_bodies import whole_of

UNIT = re.compile(
    r"(?P<fact_key>[^=]+?)(?: in (?P<part_of>[^=]+))?"
    r"=(?P<amount>[0-9]+(?:\.[0-9]{1,18})?)(?:/(?P<per>[1-9][0-9]{0,17}))?(?P<optional>\?)?\Z",
    re.ASCII,
)
# `KEY in none`: no part of another quantity, whatever the names say.
NO_PART = "none"


def parse_unit(text: str) -> dict[str, Any]:
    """A quantity of a price from `inputTokens=2.50/1000000`: an amount per number of units; with `?` at the end it may be absent.

    `cachedTokens in inputTokens=1/1000000`: a quantity that the other one counts as well. Raises ValueError with a sentence.
    """
    match = UNIT.match(text)
    if not match:
        raise ValueError(f"{text!r} is not of the form KEY=AMOUNT[/PER][?] or KEY in KEY=AMOUNT[/PER][?]")
    amount, per = Decimal(match["amount"]), int(match["per"] or 1)
    part_of = "" if match["part_of"] == NO_PART else match["part_of"]
    return {"fact_key": match["fact_key"], "amount": amount, "per": per, "is_optional": bool(match["optional"]), "part_of": part_of}


@translate_db_errors
def set_price(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    units: Sequence[Mapping[str, Any]],
    valid_from: datetime,
    valid_to: datetime | None = None,
    service_name: str = "",
    action_name: str = "",
    resource_name: str = "",
    currency: str = "USD",
) -> UUID:
    """Begin a price and end the one it takes over from (same names, no end yet); its id.

    `units`: fact_key, amount (Decimal), and perhaps per (1), is_optional (False) and part_of: the fact_key of the unit that counts this
    one as well, from which it is taken out before that is billed. Without part_of it is found by the names (usage_bodies.whole_of);
    empty means that the quantity is no part of another. Names left empty match everything. Raises PriceExists, InvalidValue.
    """
    if not is_currency(currency):
        raise InvalidValue(field="currency", reason="unknown_currency", value=currency)
    if not units:
        raise InvalidValue(field="units", reason="too_short", min=1)
    units = _with_parts(units)
    names = {"service_name": service_name, "action_name": action_name, "resource_name": resource_name}
    with setting_author(actor=actor, request_id=request_id):
        # Two calls for the same names come one after the other, also where there is no price yet that both could lock. Otherwise the second
        # wouldn't see the price that the first begins, and both would have no end.
        Tenant.objects.select_for_update(no_key=True).get(id=tenant_id)
        Price.objects.filter(tenant_id=tenant_id, **names, valid_to__isnull=True, valid_from__lt=valid_from).update(valid_to=valid_from)
        price = Price(id=new_id(), tenant_id=tenant_id, **names, currency=currency, valid_from=valid_from, valid_to=valid_to, actor=actor)
        price.save(force_insert=True)
        UnitPrice.objects.bulk_create(UnitPrice(tenant_id=tenant_id, price=price, **unit) for unit in units)
    return price.id


def _with_parts(units: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The units, each with what it is a part of. Raises InvalidValue where that is no unit of the price, or is a part itself."""
    keys = [unit["fact_key"] for unit in units]
    wholes = {unit["fact_key"]: unit["part_of"] if unit.get("part_of") is not None else whole_of(unit["fact_key"], keys) for unit in units}
    for key, whole in wholes.items():
        if whole and (whole == key or whole not in wholes or wholes[whole]):
            raise InvalidValue(field="part_of", reason="unknown_choice", value=whole, choices=[other for other in keys if other != key])
    return [{**unit, "part_of": wholes[unit["fact_key"]]} for unit in units]


@translate_db_errors
def end_price(*, tenant_id: UUID, actor: str, request_id: str, price_id: UUID, valid_to: datetime) -> None:
    """No transaction from `valid_to` on has this price. Raises NotFound, InvalidValue (an end before the beginning)."""
    with setting_author(actor=actor, request_id=request_id):
        updated = Price.objects.filter(tenant_id=tenant_id, id=price_id).update(valid_to=valid_to)
    if not updated:
        raise NotFound(kind="price", id=price_id)
