"""Form fields for amounts, and for the limit of holds that two ledgers have."""

from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminTextInputWidget

from kernel.ledger.holds import LONGEST_HOLD_LIMIT_SECONDS
from kernel.ledger.money import AMOUNT_LIMIT, PLACES, is_plain_decimal, trimmed_digits


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
            raise forms.ValidationError("Write it in digits with a point, like 1234.50; no commas or letters.")
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
            raise forms.ValidationError("Write it in digits with a point, like 1234.50; no commas or letters.")
        return super().to_python(value)


def longest_hold_field() -> forms.IntegerField:
    return forms.IntegerField(
        label="Longest hold (seconds)",
        required=False,
        min_value=1,
        max_value=LONGEST_HOLD_LIMIT_SECONDS,
        widget=UnfoldAdminTextInputWidget(),
        help_text="How long a hold may last, with its extensions. Empty: as long as its caller says.",
    )
