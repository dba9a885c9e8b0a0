"""The tenant's prices. A price is begun and ended, never edited."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

from django.db.models.functions import Now

from kernel.base.setting_author import setting_author
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import InvalidValue, NotFound
from kernel.ledger.identifiers import new_id
from kernel.ledger.money import is_currency, trimmed_digits
from kernel.tenants.models import Tenant
from metering.choices import TierMode
from metering.models import Price, UnitPrice
from metering.usage_reading.counter_parts import whole_counter_of

UNIT = re.compile(
    r"(?P<fact_key>[^=]+?)(?: in (?P<part_of>[^=]+))?"
    r"=(?P<volume>volume:)?(?P<amount>[0-9]+(?:\.[0-9]{1,18})?(?:@[0-9]+(?:\.[0-9]{1,18})?(?:,[0-9]+(?:\.[0-9]{1,18})?))*)"
    r"(?:/(?P<per>[1-9][0-9]{0,17}))?(?P<package>!)?(?P<optional>\?)?\Z",
    re.ASCII,
)
# `KEY in none`: no part of another quantity, whatever the names say.
NO_PART = "none"
MAX_UNITS, MAX_TIERS = 100, 100
MAX_MARKUP = Decimal(1000)


def parse_unit(text: str) -> dict[str, Any]:
    """A quantity of a price from `inputTokens=2.50/1000000`: an amount per number of units. Raises ValueError with a sentence.

    `?` at the end: it may be absent. `!`: begun packages are billed. `cachedTokens in inputTokens=1/1000000`: a quantity that the other
    one counts as well. `pages=0.10@1000,0.05`: 0.10 each up to 1000 and 0.05 beyond; with `volume:` before it all of them cost 0.05 then.
    """
    match = UNIT.match(text)
    if not match:
        raise ValueError(f"{text!r} is not of the form KEY[ in KEY]=AMOUNT[@UP_TO,AMOUNT...][/PER][!][?]")
    first, *others = match["amount"].split("@")
    tiers, amount = [], first
    for other in others:
        up_to, _, following = other.partition(",")
        tiers.append({"up_to": Decimal(up_to), "amount": Decimal(amount)})
        amount = following
    unit: dict[str, Any] = {
        "fact_key": match["fact_key"],
        "amount": Decimal(0) if tiers else Decimal(first),
        "per": int(match["per"] or 1),
        "is_optional": bool(match["optional"]),
        "is_package": bool(match["package"]),
        "part_of": "" if match["part_of"] == NO_PART else match["part_of"],
    }
    if tiers:
        mode = TierMode.VOLUME if match["volume"] else TierMode.GRADUATED
        unit |= {"tier_mode": mode.value, "tiers": [*tiers, {"up_to": None, "amount": Decimal(amount)}]}
    return unit


@translate_db_errors
def set_price(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    units: Sequence[Mapping[str, Any]] = (),
    valid_from: datetime,
    valid_to: datetime | None = None,
    service_name: str = "",
    action_name: str = "",
    resource_name: str = "",
    currency: str = "USD",
    flat_amount: Decimal = Decimal(0),
    minimum: Decimal = Decimal(0),
    markup: Decimal | None = None,
) -> UUID:
    """Begin a price and end the one it takes over from (same names, no end yet); its id.

    `units`: fact_key, amount (Decimal), and perhaps per (1), is_optional (False), is_package (False), tier_mode ("") with tiers (a list of
    up_to and amount, the last up_to None), and part_of: the fact_key of the unit that counts this one as well, from which it is taken out
    before that is billed. Without part_of it is found by the names (counter_parts.whole_counter_of); empty means that the quantity is no
    part of another. `flat_amount`: what each call costs besides. `minimum`: what a call costs at least. `markup`: instead of units, the
    share that is added to the public price. Names left empty match everything. Raises PriceExists, InvalidValue.
    """
    _check_amounts(currency=currency, flat_amount=flat_amount, minimum=minimum)
    _check_form(units, markup=markup, currency=currency, is_flat=flat_amount > 0)
    units = [unit | {"tiers": _tier_text(unit)} for unit in _with_parts(units)]
    names = {"service_name": service_name, "action_name": action_name, "resource_name": resource_name}
    amounts = {"flat_amount": flat_amount, "minimum": minimum, "markup": markup}
    span = {"valid_from": valid_from, "valid_to": valid_to}
    with setting_author(actor=actor, request_id=request_id):
        # Two calls for the same names come one after the other, also where there is no price yet that both could lock. Otherwise the second
        # wouldn't see the price that the first begins, and both would have no end.
        Tenant.objects.select_for_update(no_key=True).get(id=tenant_id)
        Price.objects.filter(tenant_id=tenant_id, **names, valid_to__isnull=True, valid_from__lt=valid_from).update(valid_to=valid_from)
        price = Price(id=new_id(), tenant_id=tenant_id, **names, currency=currency, **amounts, **span, actor=actor)
        price.save(force_insert=True)
        UnitPrice.objects.bulk_create(UnitPrice(tenant_id=tenant_id, price=price, **unit) for unit in units)
    return price.id


def _check_amounts(*, currency: str, flat_amount: Decimal, minimum: Decimal) -> None:
    """Raises InvalidValue for what is no currency, and for amounts below zero."""
    if not is_currency(currency):
        raise InvalidValue(field="currency", reason="unknown_currency", value=currency)
    if flat_amount < 0 or minimum < 0:
        raise InvalidValue(field="flat_amount" if flat_amount < 0 else "minimum", reason="negative")


def _check_form(units: Sequence[Mapping[str, Any]], *, markup: Decimal | None, currency: str, is_flat: bool) -> None:
    """A price is made of units and of what each call costs, or of a markup on the public price, which is in USD. Raises InvalidValue."""
    if markup is None and not units and not is_flat:
        raise InvalidValue(field="units", reason="prices_nothing")
    if len(units) > MAX_UNITS:
        raise InvalidValue(field="units", reason="too_long", max=MAX_UNITS)
    if markup is None:
        return
    if units:
        raise InvalidValue(field="units", reason="units_with_markup")
    if not -1 <= markup <= MAX_MARKUP:
        raise InvalidValue(field="markup", reason="too_small" if markup < -1 else "too_large", min=-1, max=MAX_MARKUP)
    if currency != "USD":
        raise InvalidValue(field="currency", reason="unknown_choice", value=currency, choices=["USD"])


def _tier_text(unit: Mapping[str, Any]) -> str | None:
    """The tiers of a unit as their column has them; None without. Raises InvalidValue (bounds that don't ascend, or no open end)."""
    tiers, mode = unit.get("tiers") or [], unit.get("tier_mode") or ""
    if bool(tiers) != bool(mode):
        raise InvalidValue(field="tiers", reason="tiers_without_mode" if tiers else "missing")
    if not tiers:
        return None
    bounds = [tier["up_to"] for tier in tiers]
    if len(tiers) > MAX_TIERS:
        raise InvalidValue(field="tiers", reason="too_long", max=MAX_TIERS)
    if bounds[-1] is not None or None in bounds[:-1] or any(low >= high for low, high in pairwise([Decimal(0), *bounds[:-1]])):
        raise InvalidValue(field="tiers", reason="tier_bounds")
    return json.dumps(
        [
            {"upTo": bound and trimmed_digits(bound), "amount": trimmed_digits(tier["amount"])}
            for bound, tier in zip(bounds, tiers, strict=True)
        ]
    )


def _with_parts(units: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The units, each with what it is a part of. Raises InvalidValue where that is no unit of the price, or is a part itself."""
    keys = [unit["fact_key"] for unit in units]
    wholes = {
        unit["fact_key"]: unit["part_of"] if unit.get("part_of") is not None else whole_counter_of(unit["fact_key"], keys) for unit in units
    }
    for key, whole in wholes.items():
        if whole and (whole == key or whole not in wholes or wholes[whole]):
            raise InvalidValue(field="part_of", reason="part_of_no_unit", value=whole)
    return [{**unit, "part_of": wholes[unit["fact_key"]]} for unit in units]


def begin_price(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    units: Sequence[Mapping[str, Any]],
    valid_from: datetime | None,
    valid_to: datetime | None,
    service_name: str | None,
    action_name: str | None,
    resource_name: str | None,
    currency: str,
    flat_amount: Decimal,
    minimum: Decimal,
    markup: Decimal | None,
) -> UUID:
    """`set_price` for names and units that may be None, from `valid_from` or the database's time on. Raises PriceExists, InvalidValue."""
    return set_price(
        tenant_id=tenant_id,
        actor=actor,
        request_id=request_id,
        units=[_without_absent(unit) for unit in units],
        valid_from=valid_from or _database_now(),
        valid_to=valid_to,
        service_name=service_name or "",
        action_name=action_name or "",
        resource_name=resource_name or "",
        currency=currency,
        flat_amount=flat_amount,
        minimum=minimum,
        markup=markup,
    )


def _without_absent(unit: Mapping[str, Any]) -> dict[str, Any]:
    """A unit as `set_price` takes it. Raises InvalidValue where it has neither an amount nor tiers, or both."""
    if (unit["amount"] is None) != bool(unit["tiers"]):
        raise InvalidValue(field="amount", reason="missing" if unit["amount"] is None else "amount_with_tiers")
    given = {name: value for name, value in unit.items() if value is not None}
    return {"amount": Decimal(0), **given}


def _database_now() -> datetime:
    return Tenant.objects.values_list(Now(), flat=True)[:1].get()


@translate_db_errors
def end_price(*, tenant_id: UUID, actor: str, request_id: str, price_id: UUID, valid_to: datetime | None = None) -> None:
    """End a price: it counts for no transaction from `valid_to` on (None: the database's time).

    Raises NotFound, InvalidValue (an end before the beginning).
    """
    with setting_author(actor=actor, request_id=request_id):
        updated = Price.objects.filter(tenant_id=tenant_id, id=price_id).update(valid_to=valid_to or Now())
    if not updated:
        raise NotFound(kind="price", id=price_id)
