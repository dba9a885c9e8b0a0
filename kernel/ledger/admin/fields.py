"""Form fields for amounts, whole numbers and currencies, and for the limit of holds that two ledgers have."""

import re
from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget

from kernel.ledger.admin.search_terms import read_amounts
from kernel.ledger.holds import MAX_HOLD_SECONDS
from kernel.ledger.money import AMOUNT_LIMIT, PLACES, is_currency, is_plain_decimal, trimmed_digits


class AmountField(forms.CharField):
    """A decimal amount as text: ASCII digits with an optional sign and fraction. Anything that could be read in two ways is an error."""

    allows_zero, allows_negative = False, True

    def __init__(self, **options: Any) -> None:
        options.setdefault("widget", UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal", "autocomplete": "off"}))
        super().__init__(**options)

    def clean(self, value: Any) -> str:
        text = super().clean(value).strip()
        if not text:
            return ""
        try:
            amount = Decimal(text) if is_plain_decimal(text) else None
        except InvalidOperation:
            amount = None
        if amount is None or abs(amount) >= AMOUNT_LIMIT or amount != round(amount, PLACES):
            raise forms.ValidationError(how_to_write(text))
        if amount == 0 and not self.allows_zero:
            raise forms.ValidationError("An amount of zero changes nothing.")
        if amount < 0 and not self.allows_negative:
            raise forms.ValidationError("Write it without a minus: it can't be negative.")
        return trimmed_digits(amount)


class PositiveAmountField(AmountField):
    allows_negative = False


class AmountOrZeroField(PositiveAmountField):
    allows_zero = True


class BalanceField(AmountField):
    """A balance, which may be zero or negative."""

    allows_zero = True


class PlainDecimalField(forms.DecimalField):
    """A number with bounds of its own, of which Django would also take `1e3`, full-width digits and blanks within."""

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and value.strip() and not is_plain_decimal(value.strip()):
            raise forms.ValidationError(how_to_write(value))
        return super().to_python(value)


class WholeNumberField(forms.IntegerField):
    """A whole number, of which Django would also take `1.000` for 1, and other scripts' digits."""

    def to_python(self, value: Any) -> Any:
        text = value.strip() if isinstance(value, str) else ""
        if text and not (text.removeprefix("-").isdecimal() and text.isascii()):
            raise forms.ValidationError("Write a whole number in digits, like 1500; no points or commas.")
        return super().to_python(value)


class CurrencyField(forms.CharField):
    """A code of ISO 4217, in capitals. It has no length for the browser, which would cut `euro` to a code."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("widget", UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "autocapitalize": "characters"}))
        super().__init__(**options)

    def clean(self, value: Any) -> str:
        text = super().clean(value).strip()
        if text and not is_currency(text.upper()):
            raise forms.ValidationError(f"“{text}” is no currency. Write its three letters of ISO 4217, like EUR or USD.")
        return text.upper()


def how_to_write(text: str) -> str:
    """What is wrong with an amount, and what to write instead: as it may be meant, which people say and we don't guess."""
    meant = " or ".join(("-" if text.strip().startswith("-") else "") + trimmed_digits(amount) for amount in read_amounts(text))
    return f"Write it in digits with a point, {f'so {meant}' if meant else 'like 1234.50'}; no commas or letters."


def doubt_of_thousands(text: str) -> str:
    """A sentence about an amount such as `1.234`, in which somebody may have meant the point to part thousands; empty for others."""
    if not re.fullmatch(r"-?[1-9][0-9]{0,2}\.[0-9]{3}", text):
        return ""
    whole, _, decimals = text.partition(".")
    return f"{text} is between {whole} and {int(whole) + (-1 if whole.startswith('-') else 1)}. For thousands, write {whole}{decimals}."


def longest_hold_field() -> forms.IntegerField:
    return WholeNumberField(
        label="Longest hold (seconds)",
        required=False,
        min_value=1,
        max_value=MAX_HOLD_SECONDS,
        widget=UnfoldAdminTextInputWidget(),
        help_text="How long a hold may last, with its extensions. Empty: as long as its caller says.",
    )
