"""The fields of one limit and of the conditions of a rule, and what they mean as the services take it."""

import functools
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from zoneinfo import available_timezones

from django import forms
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from kernel.ledger.admin.fields import AmountOrZeroField, CurrencyField, WholeNumberField
from metering.rules.choices import (
    GROUP_WORDS,
    MAX_INTERVAL_VALUE,
    NAMED_FIELD_TYPES,
    PAYMENT_PROPERTIES,
    QUALIFIER_PREFIX,
    TRANSACTION_PROPERTIES,
    FieldType,
    IntervalUnit,
    Measurement,
    Operator,
    RuleType,
    Scope,
)
from metering.rules.selectors.sentences import VERBS

# What a rule does, in one choice: its type and, of a limit, what it measures.
KINDS: dict[str, tuple[str, RuleType, Measurement | None]] = {
    "spend": ("Limit what calls cost over time", RuleType.USAGE_LIMIT, Measurement.SUM_TRANSACTION_COSTS),
    "calls": ("Limit how many calls are made over time", RuleType.USAGE_LIMIT, Measurement.COUNT_TRANSACTIONS),
    "call": ("Limit what one call costs", RuleType.USAGE_LIMIT, Measurement.THIS_TRANSACTION_COST),
    "payments": ("Limit payments over time", RuleType.USAGE_LIMIT, Measurement.SUM_PAYMENT_AMOUNT),
    "payment": ("Limit one payment", RuleType.USAGE_LIMIT, Measurement.THIS_PAYMENT_AMOUNT),
    "allow": ("Allow only calls that match", RuleType.ALLOWLIST, None),
    "block": ("Refuse calls that match", RuleType.BLOCKLIST, None),
    "block_payments": ("Refuse payments that match", RuleType.PAYMENT_AUTHORIZATION, None),
}
LIMITS = frozenset({"spend", "calls", "call", "payments", "payment"})
OVER_TIME = frozenset({"spend", "calls", "payments"})
OF_MONEY = LIMITS - {"calls"}
OF_COSTS = frozenset({"spend", "call"})
PER = {"": "Nothing: one limit for all", **{word: word.capitalize() for word in GROUP_WORDS}, "qualifier": "A qualifier"} | {
    "trace": "Run (trace)"
}
WINDOWS = {"rolling": "Any such time, up to now", "calendar": "Calendar"}
SCOPES = {Scope.RULE.value: "Only calls that the rule applies to", Scope.ALL.value: "All of the tenant's calls"}
UNITS = [(unit.value, unit.value) for unit in IntervalUnit]
PLACES = ("1", "2", "3")
WHATS = {
    "": "–",
    FieldType.SERVICE: "Service",
    FieldType.ACTION: "Action",
    FieldType.RESOURCE: "Resource or model",
    FieldType.QUALIFIER: "Qualifier",
    FieldType.TRANSACTION_PROPERTY: "Transaction's property",
    FieldType.PAYMENT_PROPERTY: "Payment's property",
}
ANY_FIELD = frozenset(str(what) for what in WHATS if what)


def choice_field(label: str, choices: Mapping[Any, str], *, help: str = "", required: bool = True, initial: str = "") -> forms.ChoiceField:
    options = [(str(value), text) for value, text in choices.items()]
    return forms.ChoiceField(
        label=label, choices=options, required=required, help_text=help, initial=initial, widget=UnfoldAdminSelectWidget()
    )


@functools.cache
def time_zones() -> list[tuple[str, str]]:
    """UTC, then the places of the IANA database. Read once: they are hundreds of files."""
    return [("UTC", "UTC"), *((zone, zone) for zone in sorted(available_timezones()) if "/" in zone)]


def limit_form_fields(currency: str = "USD") -> dict[str, forms.Field]:
    """The fields of one limit in this currency, in the order of the page; LIMIT_FITS says which fit together."""
    return {
        "limit": AmountOrZeroField(label="Limit", help_text="In digits with a point, like 10.00."),
        "currency": CurrencyField(label="Currency", initial=currency, help_text="No others count."),
        "interval_value": WholeNumberField(
            label="In how many", initial=24, min_value=1, max_value=MAX_INTERVAL_VALUE, widget=UnfoldAdminIntegerFieldWidget()
        ),
        "interval_unit": forms.ChoiceField(label="Of which unit", choices=UNITS, initial="hours", widget=UnfoldAdminSelectWidget()),
        "window": choice_field("Which time", WINDOWS, initial="rolling"),
        "time_zone": forms.ChoiceField(
            label="Time zone of the calendar", choices=time_zones, initial="UTC", widget=UnfoldAdminSelectWidget()
        ),
        "per": choice_field("For each", PER, required=False, help="Each agent, run or the like has the limit for itself."),
        "qualifier": forms.CharField(
            label="Key of the qualifier", max_length=200, widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"})
        ),
        "scope": choice_field("What is counted", SCOPES, initial=Scope.RULE.value),
        "estimates": choice_field(
            "Costs of calls in flight",
            {"count": "Count their estimates", "ignore": "Ignore them"},
            initial="count",
            help="Ignored, the limit is a brake and not a cap: calls made at the same time may pass it together.",
        ),
    }


LIMIT_FITS: dict[str, tuple[str, frozenset[str]]] = {
    "limit": ("kind", LIMITS),
    "currency": ("kind", OF_MONEY),
    "interval_value": ("kind", OVER_TIME),
    "interval_unit": ("kind", OVER_TIME),
    "window": ("kind", OVER_TIME),
    "time_zone": ("window", frozenset({"calendar"})),
    "per": ("kind", OVER_TIME),
    "qualifier": ("per", frozenset({"qualifier"})),
    "scope": ("kind", OVER_TIME),
    "estimates": ("kind", OF_COSTS),
}


def read_limit(values: Mapping[str, Any]) -> dict[str, Any]:
    """The parameter that the fields of a limit state, as services take it."""
    per = values.get("per")
    group = f"{QUALIFIER_PREFIX}{values['qualifier']}" if per == "qualifier" else per
    return {
        "parameter_name": None,
        "limit_value": Decimal(values["limit"]),
        "measurement_type": str(KINDS[values["kind"]][2]),
        "interval_value": values.get("interval_value"),
        "interval_unit": values.get("interval_unit"),
        "is_rolling": values.get("window") != "calendar",
        "group_by": [group] if group else [],
        "measurement_scope": values.get("scope") or Scope.ALL.value,
        "include_estimates": values.get("estimates") != "ignore",
        "currency": values.get("currency") or "USD",
        "time_zone": values.get("time_zone") or "UTC",
        "description": None,
    }


def condition_form_fields() -> dict[str, forms.Field]:
    """Three conditions, of four fields each; a condition shows its other fields once it says what it compares."""
    found: dict[str, forms.Field] = {}
    for place in PLACES:
        text = UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"})
        found |= {
            f"what_{place}": choice_field(f"Condition {place}", WHATS, required=False),
            f"key_{place}": forms.CharField(label="Its name", max_length=255, widget=text, help_text=_key_help()),
            f"how_{place}": choice_field("Compares", {operator.value: verb for operator, verb in VERBS.items()}),
            f"value_{place}": forms.CharField(label="With", max_length=2048, strip=False, widget=text),
        }
    return found


def _key_help() -> str:
    return (
        f"Of a qualifier its key; of a transaction {', '.join(TRANSACTION_PROPERTIES)} or metadata.KEY; "
        f"of a payment {', '.join(PAYMENT_PROPERTIES)}."
    )


def condition_fits() -> dict[str, tuple[str, frozenset[str]]]:
    fits: dict[str, tuple[str, frozenset[str]]] = {}
    for place in PLACES:
        if place != PLACES[0]:
            fits[f"what_{place}"] = (f"what_{int(place) - 1}", ANY_FIELD)
        fits[f"key_{place}"] = (f"what_{place}", frozenset(str(what) for what in NAMED_FIELD_TYPES))
        fits[f"how_{place}"] = (f"what_{place}", ANY_FIELD)
        fits[f"value_{place}"] = (f"what_{place}", ANY_FIELD)
    return fits


def read_conditions(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The conditions that the fields state, as services take them."""
    return [
        {
            "field_type": values[f"what_{place}"],
            "field_name": values[f"key_{place}"],
            "operator": str(Operator(values[f"how_{place}"])),
            "value": values[f"value_{place}"],
            "condition_group": "primary",
        }
        for place in PLACES
        if values.get(f"what_{place}")
    ]


def write_conditions(conditions: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The fields' values for these conditions."""
    shown: dict[str, Any] = {}
    for place, condition in zip(PLACES, conditions, strict=False):
        names = {"what": "field_type", "key": "field_name", "how": "operator", "value": "value"}
        shown |= {f"{name}_{place}": condition[column] for name, column in names.items()}
    return shown
