"""Texts of plans in the words of the form that a clerk sees."""

import pytest

from kernel.backfills.admin.form_words import KEPT, NAMED, TAKEN, in_words_of_the_form
from kernel.backfills.admin.upload_forms import ReadingForm
from kernel.backfills.known_commands import adapter_of
from kernel.backfills.models import BackfillUpload
from tests.factories import TenantFactory


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Name each with --map Beleg=<column>, or", "Name each with “Column of the file”, or"),
        ("in an object with --map Beleg=metadata.Beleg, or", f"in an object with “{KEPT}”, or"),
        ("leave it out with --ignore Beleg. Known: amount.", "leave it out with “Columns of the file that no field takes”. Known: amount."),
        ("one value with --set type=VALUE. The file", "one value with “Value where there is none”. The file"),
        ("--timezone Mars: there is none", "“Zone of times without an offset” Mars: there is none"),
        ("argument --skip-rows-where: no", "argument “Rows to leave out”: no"),
        ("--map-value type:a=b", "“Other words for values” type:a=b"),
        ("It broke. Go on with: manage.py backfill_x --resume 0192f000-0000-7000-8000-000000000000", "It broke."),
        ("a -- dash, --unknown 1", "a -- dash, --unknown 1"),
    ],
)
def test_an_option_is_called_as_its_field(text, words):
    assert in_words_of_the_form(text) == words


@pytest.mark.django_db
def test_the_words_are_those_of_the_fields_and_no_field_speaks_of_an_option():
    adapter = adapter_of("backfill_billing_transactions")
    form = ReadingForm(None, adapter=adapter, upload=BackfillUpload(tenant=TenantFactory()))
    labels = {field.label for field in form.fields.values()}
    # The two fields of each column, and the choice that leaves columns out.
    assert {*NAMED.values(), *TAKEN.values()} - labels == {"Column of the file", "Value where there is none"}
    # For operators alone.
    del form.fields["more"]
    assert [field.label for field in form.fields.values() if "--" in f"{field.label} {field.help_text}"] == []
