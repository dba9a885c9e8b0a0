"""Every number that a form takes, with what people and files write: an error at the field, or a number within its bounds; never a guess."""

from decimal import Decimal

import pytest
from django import forms
from django.contrib import admin

from kernel.corrections.admin.forms import build_field
from kernel.corrections.kinds import _KINDS
from kernel.ledger.admin.fields import AmountField, PlainDecimalField
from kernel.ledger.admin.settings import SettingForm
from metering.rules.admin.limit_fields import limit_form_fields

# Amounts that may be negative: signed changes, and balances below which something happens.
SIGNED = {
    *("billing.adjust.amount", "billing.adjust_beside.amount", "credits.adjust.amount"),
    *("billing.PolicyForm.default_floor", "billing.FloorForm.floor", "billing.AlertForm.alert_below"),
    "metering.PriceForm.markup",
}
UNCLEAR = ("1e30", "1" * 31, "0." + "1" * 19, "NaN", "Infinity", "1,5", "1 000", "\u0661\u0662", "--1", "0x1")


def _forms(form_class=SettingForm):
    admin.autodiscover()
    for subclass in form_class.__subclasses__():
        yield subclass
        yield from _forms(subclass)


def _numbers():
    fields = {f"{kind.code}.{field.name}": build_field(field) for kind in _KINDS.values() for field in kind.fields}
    for form in _forms():
        fields |= {f"{form.__module__.split('.')[0]}.{form.__name__}.{name}": field for name, field in form.base_fields.items()}
    fields |= {f"rules.limit.{name}": field for name, field in limit_form_fields().items()}
    return {name: field for name, field in fields.items() if isinstance(field, AmountField | forms.DecimalField | forms.IntegerField)}


NUMBERS = _numbers()


def is_whole(field):
    return isinstance(field, forms.IntegerField) and not isinstance(field, forms.DecimalField)


@pytest.mark.parametrize("name", sorted(NUMBERS))
def test_a_number_is_plain_and_within_its_bounds(name):
    field = NUMBERS[name]
    assert is_whole(field) or isinstance(field, AmountField | PlainDecimalField)
    unclear = [text for text in UNCLEAR if not is_whole(field) or text.isascii()]
    negative = [] if name in SIGNED else ["-1"]
    taken = []
    for text in [*unclear, *negative]:
        try:
            taken.append((text, field.clean(text)))
        except forms.ValidationError as error:
            assert all(error.messages)
    assert taken == []
    if name in SIGNED:
        assert Decimal(field.clean("-1")) == -1
