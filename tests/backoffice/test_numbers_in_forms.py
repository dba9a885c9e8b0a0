"""Every number that a form takes, with what people and files write: an error at the field, or a number within its bounds; never a guess."""

from decimal import Decimal

import pytest
from django import forms
from django.contrib import admin

from kernel.corrections.admin.forms import build_field
from kernel.corrections.kinds import _KINDS
from kernel.ledger.admin.fields import AmountField, CurrencyField, PlainDecimalField, WholeNumberField, doubt_of_thousands
from kernel.ledger.admin.settings import SettingForm
from metering.rules.admin.limit_fields import limit_form_fields

# Amounts that may be negative: signed changes, and balances below which something happens.
SIGNED = {
    *("billing.adjust.amount", "billing.adjust_beside.amount", "credits.adjust.amount"),
    *("billing.PolicyForm.default_floor", "billing.FloorForm.floor", "billing.AlertForm.alert_below"),
    "metering.PriceForm.markup",
}
UNCLEAR = ("1e30", "1" * 31, "0." + "1" * 19, "NaN", "Infinity", "1,5", "1.234,56", "1,234", "1 000", "\u0661\u0662", "--1", "0x1")
# Forms whose service is not asked before they are confirmed: nothing that they take is refused, or asking it has effects elsewhere.
NOT_TRIED = {
    # Sends to another server.
    *("TestForm", "RecoverForm", "ResendForm"),
    # Shows a secret, or forgets what processes know of a key.
    *("NewKeyForm", "RevealForm", "RevokeKeyForm", "TenantForm"),
    # Without fields.
    *("WithdrawKeyForm", "SwitchOffForm", "SwitchOnForm", "CancelRecurringGrantForm", "EnableForm", "DeleteForm", "DropPreviousForm"),
    # Takes any text, or only what the form offers.
    *("KeepForm", "ChangeCustomerForm", "CustomerForm", "DisableForm", "StaffTenantsForm", "AllowForm", "DenyForm"),
}


def _forms(form_class=SettingForm):
    admin.autodiscover()
    for subclass in form_class.__subclasses__():
        yield subclass
        yield from _forms(subclass)


def _fields():
    fields = {f"{kind.code}.{field.name}": build_field(field) for kind in _KINDS.values() for field in kind.fields}
    for form in _forms():
        fields |= {f"{form.__module__.split('.')[0]}.{form.__name__}.{name}": field for name, field in form.base_fields.items()}
    fields |= {f"rules.limit.{name}": field for name, field in limit_form_fields().items()}
    return fields


FIELDS = _fields()
NUMBERS = {name: field for name, field in FIELDS.items() if isinstance(field, AmountField | forms.DecimalField | forms.IntegerField)}


def is_whole(field):
    return isinstance(field, forms.IntegerField) and not isinstance(field, forms.DecimalField)


@pytest.mark.parametrize("name", sorted(NUMBERS))
def test_a_number_is_plain_and_within_its_bounds(name):
    field = NUMBERS[name]
    assert isinstance(field, AmountField | PlainDecimalField | WholeNumberField)
    unclear = [*UNCLEAR, "1.000"] if is_whole(field) else UNCLEAR
    negative = [] if name in SIGNED else ["-1"]
    taken = []
    for text in (*unclear, *negative):
        try:
            taken.append((text, field.clean(text)))
        except forms.ValidationError as error:
            assert all(error.messages)
    assert taken == []
    if name in SIGNED:
        assert Decimal(field.clean("-1")) == -1


def test_a_refused_amount_is_said_as_it_may_be_meant_and_thousands_are_asked_about():
    for text, meant in {
        "1.234,56": "so 1234.56",
        "-1,5": "so -1.5",
        "1,234": "so 1234 or 1.234",
        "1,234.5": "so 1234.5",
        "x": "like",
    }.items():
        with pytest.raises(forms.ValidationError, match=f"Write it in digits with a point, {meant}"):
            AmountField().clean(text)
    assert doubt_of_thousands("1.234") == "1.234 is between 1 and 2. For thousands, write 1234."
    assert "between -1 and -2" in doubt_of_thousands("-1.234")
    assert [doubt_of_thousands(text) for text in ("1.23", "1234", "0.125", "1.2345", "")] == [""] * 5


def test_every_currency_is_a_code_of_iso_4217_in_whatever_case():
    found = {name: field for name, field in FIELDS.items() if "currency" in name.rpartition(".")[2]}
    assert len(found) >= 6
    for name, field in found.items():
        assert isinstance(field, CurrencyField), name
        assert field.clean(" eur ") == "EUR"
        assert "maxlength" not in field.widget_attrs(field.widget), name
        for text in ("euro", "EUO", "12", "€"):
            with pytest.raises(forms.ValidationError, match="is no currency"):
                field.clean(text)


def test_what_a_service_may_refuse_is_tried_before_it_is_confirmed():
    unfinished = {
        "SettingForm",
        "RuleForm",
        "ExistingRuleForm",
        "StatusForm",
        "EndpointForm",
        "EndpointAction",
        "DecisionForm",
        "SwitchForm",
    }
    untried = {form.__name__ for form in _forms() if not form.is_tried_first and not form.__module__.startswith("tests.")}
    assert untried - unfinished == NOT_TRIED
