"""What is asked of who wants a correction: why, and whatever the kind has to know."""

from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget, UnfoldAdminTextInputWidget

from kernel.corrections.choices import MOST_EVIDENCE, ReasonCode
from kernel.corrections.kinds import Kind, Question
from kernel.ledger.money import LIMIT, PLACES, is_plain_decimal, plain


class AmountField(forms.CharField):
    """ASCII digits with an optional sign and fraction; nothing that could be read in two ways."""

    allows_zero = False

    def clean(self, value: Any) -> str:
        text = super().clean(value).strip()
        if not text:
            return ""
        try:
            amount = Decimal(text) if is_plain_decimal(text) else None
        except InvalidOperation:
            amount = None
        if amount is None or abs(amount) >= LIMIT or amount != round(amount, PLACES):
            raise forms.ValidationError("Write it in digits with a point, like 1234.50; no commas or letters.")
        if amount == 0 and not self.allows_zero:
            raise forms.ValidationError("An amount of zero corrects nothing.")
        return plain(amount)


class AmountOrZeroField(AmountField):
    allows_zero = True


class IdField(forms.CharField):
    def clean(self, value: Any) -> str:
        text = super().clean(value).strip()
        try:
            return str(UUID(text)) if text else ""
        except ValueError:
            raise forms.ValidationError("That is no id. Copy it from the row's page.") from None


class ReasonForm(forms.Form):
    """The reason; `questions` of the kind are added as fields of their own."""

    reason_code = forms.ChoiceField(
        label="Reason", choices=[("", "Choose …"), *ReasonCode.choices], widget=UnfoldAdminSelectWidget(attrs={"autofocus": True})
    )
    reason = forms.CharField(
        label="What happened",
        max_length=2000,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 3}),
        help_text="Whoever reads this book in a year should understand it without asking.",
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
        asked = {question.name: field_of(question) for question in kind.questions}
        self.fields = {**asked, **self.fields}

    @property
    def facts(self) -> dict[str, str]:
        """The answers to the kind's own questions; those left empty are left out."""
        answers = {question.name: self.cleaned_data[question.name] for question in self.kind.questions}
        return {name: answer for name, answer in answers.items() if answer != ""}


def field_of(question: Question) -> forms.Field:
    given = {"label": question.label, "help_text": question.help, "required": question.is_required}
    if question.form in {"amount", "amount_or_zero"}:
        field = AmountField if question.form == "amount" else AmountOrZeroField
        return field(widget=UnfoldAdminTextInputWidget(attrs={"inputmode": "decimal", "autocomplete": "off"}), **given)
    if question.form == "id":
        return IdField(widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}), **given)
    if question.form == "choice":
        return forms.ChoiceField(choices=question.choices, widget=UnfoldAdminSelectWidget(), **given)
    return forms.CharField(max_length=1000, widget=UnfoldAdminTextInputWidget(), **given)


class EvidenceForm(forms.Form):
    evidence = forms.FileField(label="Evidence (a file)", required=False)

    def clean_evidence(self) -> Any:
        file = self.cleaned_data["evidence"]
        if file is not None and file.size > MOST_EVIDENCE:
            raise forms.ValidationError(f"The file is larger than {MOST_EVIDENCE // 1_000_000} MB; put it somewhere and give the link.")
        return file
