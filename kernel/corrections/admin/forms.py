"""The form of a correction request: the reason, and the fields of the kind."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from uuid import UUID

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from kernel.corrections.choices import MAX_EVIDENCE_BYTES, MAX_EVIDENCE_FILES, ReasonCode
from kernel.corrections.kinds import FormField, Kind
from kernel.corrections.services import EvidenceFile
from kernel.ledger.admin.fields import AmountField, AmountOrZeroField, CurrencyField, PositiveAmountField
from kernel.ledger.errors import LedgerError
from kernel.ledger.moments import FIRST_DAY, LAST_DAY, check_moment


class IdField(forms.CharField):
    """The id of a row. `find`: the rows that people may mean by another text, each with its title; it must be one."""

    find: Callable[[str], Sequence[tuple[UUID, str]]] | None = None

    def clean(self, value: Any) -> str:
        text = super().clean(value).strip()
        try:
            return str(UUID(text)) if text else ""
        except ValueError:
            return self._find_one(text)

    def _find_one(self, text: str) -> str:
        found = self.find(text) if self.find is not None else ()
        if not found:
            raise forms.ValidationError(f"Nothing here has the id {text}. Copy it from the row's page.")
        if len(found) > 1:
            titles = "; ".join(f"{title}: {identifier}" for identifier, title in found)
            raise forms.ValidationError(f"{text} has several. Enter the id of one of them. {titles}")
        return str(found[0][0])


class TickField(forms.BooleanField):
    """A tick, as text like the other facts: `yes`, or empty."""

    def clean(self, value: Any) -> Any:
        return "yes" if super().clean(value) else ""


class DayField(forms.DateField):
    """A day within the range of the ledgers, as text like 2026-11-30."""

    def clean(self, value: Any) -> Any:
        day = super().clean(value)
        try:
            check_moment("day", day)
        except LedgerError:
            raise forms.ValidationError(f"Enter a day from {FIRST_DAY} to {LAST_DAY}.") from None
        return "" if day is None else day.isoformat()


class ReasonForm(forms.Form):
    """The reason of a correction. The kind's own fields are added above it."""

    reason_code = forms.ChoiceField(label="Reason", choices=[("", "Choose …"), *ReasonCode.choices], widget=UnfoldAdminSelectWidget())
    reason = forms.CharField(
        label="What happened",
        max_length=2000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="Write it so that somebody who reads it in a year understands it.",
    )
    evidence_link = forms.URLField(
        label="Evidence (a link)",
        required=False,
        assume_scheme="https",
        max_length=2000,
        widget=UnfoldAdminTextInputWidget(),
        help_text="A ticket, a mail, an invoice. Files can be added on the next page.",
    )

    def __init__(self, kind: Kind, *args: Any, tenant_id: UUID | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind = kind
        self.fields = {**{field.name: build_field(field, tenant_id) for field in kind.fields}, **self.fields}
        # The browser scrolls to the field that it puts the cursor in: on a phone those above it are out of sight.
        next(iter(self.fields.values())).widget.attrs["autofocus"] = True

    def clean(self) -> dict[str, Any]:
        values = super().clean() or self.cleaned_data
        for field in self.kind.fields:
            if not field.unless or field.name in self.errors:
                continue
            tick = self.fields[field.unless].label
            if not values.get(field.name) and not values.get(field.unless):
                self.add_error(field.name, f"Enter it, or tick “{tick}”.")
            if values.get(field.name) and values.get(field.unless):
                self.add_error(field.name, f"Enter it or tick “{tick}”, not both.")
        return values

    def described_values(self) -> list[tuple[str, str]]:
        """The label and the entered value of each field, with the label of a choice instead of its code. Without empty ones."""
        values = []
        for name, field in self.fields.items():
            value = self.cleaned_data[name]
            choices: dict[Any, Any] = dict(field.choices) if isinstance(field, forms.ChoiceField) else {}  # type: ignore[arg-type] # not callable
            if value not in (None, ""):
                values.append((str(field.label), str(choices.get(value, value))))
        return values

    @property
    def facts(self) -> dict[str, str]:
        """The values of the kind's own fields, without empty ones."""
        values = {field.name: self.cleaned_data[field.name] for field in self.kind.fields}
        return {name: value for name, value in values.items() if value != ""}


MONEY_FIELDS = {
    "amount": AmountField,
    "positive_amount": PositiveAmountField,
    "amount_or_zero": AmountOrZeroField,
    "currency": CurrencyField,
}


def build_field(field: FormField, tenant_id: UUID | None = None) -> forms.Field:
    """The Django form field for a field of a kind. `tenant_id`: whose rows a field of ids may find."""
    options: dict[str, Any] = {"label": field.label, "help_text": field.help, "required": field.is_required}
    if field.type in MONEY_FIELDS:
        return MONEY_FIELDS[field.type](**options)
    match field.type:
        case "date":
            return DayField(widget=UnfoldAdminTextInputWidget(attrs={"type": "date"}), **options)
        case "tick":
            return TickField(widget=UnfoldBooleanSwitchWidget(), **options)
        case "id":
            identifier = IdField(widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}), **options)
            if field.find is not None and tenant_id is not None:
                identifier.find = partial(field.find, tenant_id)
            return identifier
        case "choice":
            return forms.ChoiceField(choices=field.choices, widget=UnfoldAdminSelectWidget(), **options)
    return forms.CharField(max_length=1000, widget=UnfoldAdminTextInputWidget(), **options)


class SeveralFiles(forms.FileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """Any number of files, as a list."""

    def clean(self, data: Any, initial: Any = None) -> Any:
        return [super(FilesField, self).clean(file, initial) for file in data or []]


class EvidenceForm(forms.Form):
    evidence = FilesField(label="Evidence (files)", required=False, widget=SeveralFiles(attrs={"multiple": True, "class": "ch-file"}))

    def clean_evidence(self) -> Any:
        files = self.cleaned_data["evidence"]
        if any(file.size > MAX_EVIDENCE_BYTES for file in files):
            raise forms.ValidationError(
                f"A file is larger than {MAX_EVIDENCE_BYTES // 1_000_000} MB. Store it elsewhere and give the link."
            )
        if len(files) > MAX_EVIDENCE_FILES:
            raise forms.ValidationError(f"A request has at most {MAX_EVIDENCE_FILES} files.")
        return files

    @property
    def files_sent(self) -> list[EvidenceFile]:
        return [EvidenceFile(file.name, file.content_type or "", file.read()) for file in self.cleaned_data["evidence"]]
