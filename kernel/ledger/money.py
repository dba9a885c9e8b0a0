"""Amounts: one field type, exact from the caller's digits to the database and back."""

import functools
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models.functions import Greatest
from django.db.models.lookups import LessThan
from iso4217 import Currency

PLACES = 18
DIGITS = 38
# Every amount is below this: numeric(38,18) has twenty digits before the point, and two are reserved for sums.
AMOUNT_LIMIT = Decimal(10) ** 18
# No balance and no held amount reaches this: ledger_is_out_of_range in SQL, which the posting functions ask, has the same limit.
BALANCE_LIMIT = Decimal(10) ** 20
_PLAIN = re.compile(r"-?[0-9]+(\.[0-9]+)?\Z")
_STEP = Decimal(1).scaleb(-PLACES)
# For checks of amounts: a 0 without a point is an integer to PostgreSQL, and its cast makes the check's text longer by a third.
ZERO = Decimal("0.0")


class MoneyField(models.DecimalField):
    """numeric(38,18). Every table with one has the constraint `is_finite` on it: PostgreSQL's numeric accepts NaN."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs["max_digits"] = DIGITS
        kwargs["decimal_places"] = PLACES
        super().__init__(*args, **kwargs)

    def deconstruct(self) -> Any:
        name, path, args, kwargs = super().deconstruct()
        del kwargs["max_digits"], kwargs["decimal_places"]
        return name, path, args, kwargs


def is_finite(*, table: str, field: str) -> models.CheckConstraint:
    """Refuses NaN, which PostgreSQL sorts above every number. numeric(38,18) itself refuses the infinities."""
    return models.CheckConstraint(condition=models.Q(**{f"{field}__lt": Decimal(10) ** 20}), name=f"{table}_{field}_finite")


def are_finite(*, table: str, fields: Sequence[str]) -> models.CheckConstraint:
    """The same for several amounts of a row, of which some may be null: one short check instead of one for each."""
    return models.CheckConstraint(condition=models.Q(LessThan(Greatest(*fields), Decimal(10) ** 20)), name=f"{table}_amounts_finite")


def is_plain_decimal(text: str) -> bool:
    """True for ASCII digits with an optional sign and fraction: no exponent, no separators, no NaN."""
    return _PLAIN.match(text) is not None


def trimmed_digits(amount: Decimal) -> str:
    """The digits without exponent and without trailing zeros: `10`, `10.5`, `0`."""
    # str() takes a third of the time of :f, and writes the same but for an exponent.
    text = str(amount)
    if "E" in text:
        text = f"{amount:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def with_thousands(amount: Decimal, currency: str = "") -> str:
    """Every digit of an amount, thousands apart, with at least the currency's decimals: `-1,234.50`, `0.000031`."""
    digits = trimmed_digits(amount)
    sign, digits = ("-", digits[1:]) if digits.startswith("-") else ("", digits)
    whole, _, fraction = digits.partition(".")
    least = (Currency(currency).exponent or 0) if is_currency(currency) else 0
    fraction = fraction.ljust(least, "0")
    return f"{sign}{int(whole):,}" + (f".{fraction}" if fraction else "")


def finer_than_currency(amount: Decimal, currency: str) -> str:
    """A sentence about an amount with more decimals than its currency has; empty for others, and for what is no currency."""
    places = Currency(currency).exponent if is_currency(currency) else None
    if places is None or amount == round(amount, places):
        return ""
    return f"{trimmed_digits(amount)} {currency} has more decimals than {currency}, which has {places}."


def in_words(amount: Decimal, unit: str = "") -> str:
    """An amount as text for people: `7.42 USD`, `1,200 tokens`."""
    return f"{with_thousands(amount, unit)} {unit}".rstrip()


def all_decimals(amount: Decimal) -> str:
    """The digits with all 18 decimals: `0.050000000000000000`."""
    return f"{amount.quantize(_STEP):f}"


@functools.lru_cache(maxsize=1024)
def is_currency(code: str) -> bool:
    """True for an ISO 4217 code in upper case."""
    return len(code) == 3 and code.isascii() and code.isupper() and code.lower() in Currency.__members__
