"""The form of a correction request: the reason, and the fields of the kind."""

from typing import Any
from uuid import UUID

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from kernel.corrections.choices import MAX_EVIDENCE_BYTES, ReasonCode
from kernel.corrections.kinds import FormField, Kind
from kernel.ledger.admin.fields import AmountField, AmountOrZeroField


class IdField(forms.CharField):
    def clean(self, value: Any) -> str:
        text = super().clean(value).strip()
        try:
            return str(UUID(text)) if text else ""
        except ValueError:
            raise forms.ValidationError("This is no id. Copy it from the row's page.") from None


class ReasonForm(forms.Form):
    """The reason of a correction. The kind's own fields are added above it."""

    reason_code = forms.ChoiceField(
        label="Reason", choices=[("", "Choose …"), *ReasonCode.choices], widget=UnfoldAdminSelectWidget(attrs={"autofocus": True})
    )
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
        help_text="A ticket, a mail, an invoice. A file can be added on the next page.",
    )

    def __init__(self, kind: Kind, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind = kind
        self.fields = {**{field.name: build_field(field) for field in kind.fields}, **self.fields}

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


def build_field(field: FormField) -> forms.Field:
    """The Django form field for a field of a kind."""
    options: dict[str, Any] = {"label": field.label, "help_text": field.help, "required": field.is_required}
    match field.type:
        case "amount":
            return AmountField(**options)
        case "amount_or_zero":
            return AmountOrZeroField(**options)
        case "id":
            return IdField(widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}), **options)
        case "choice":
            return forms.ChoiceField(choices=field.choices, widget=UnfoldAdminSelectWidget(), **options)
    return forms.CharField(max_length=1000, widget=UnfoldAdminTextInputWidget(), **options)


class EvidenceForm(forms.Form):
    evidence = forms.FileField(label="Evidence (a file)", required=False)

    def clean_evidence(self) -> Any:
        file = self.cleaned_data["evidence"]
        if file is not None and file.size > MAX_EVIDENCE_BYTES:
            raise forms.ValidationError(
                f"The file is larger than {MAX_EVIDENCE_BYTES // 1_000_000} MB. Store it elsewhere and give the link."
            )
        return file
