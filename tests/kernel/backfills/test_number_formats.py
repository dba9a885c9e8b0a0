"""Amounts as other systems write them are read exactly, and what isn't of the given form is refused."""

from decimal import Decimal

import msgspec
import pytest
from django.core.management import CommandError

from kernel.backfills.reading.columns import Column, Invalid, money, money_from_json, text
from kernel.backfills.reading.number_formats import NumberFormat, with_number_format
from tests.kernel.backfills.example_ledger import moves

GERMAN = NumberFormat(decimal=",", thousands=".")
ENGLISH = NumberFormat(thousands=",")


@pytest.mark.parametrize(
    ("format", "written", "amount"),
    [
        (ENGLISH, "1,234.56", "1234.56"),
        (ENGLISH, "1,234,567", "1234567"),
        (ENGLISH, "1234.5", "1234.5"),
        (ENGLISH, "-1,234.50", "-1234.50"),
        (ENGLISH, "+12", "12"),
        (GERMAN, "1.234,56", "1234.56"),
        (GERMAN, "1.234", "1234"),
        (GERMAN, "0,000000000000000001", "0.000000000000000001"),
        (NumberFormat(thousands="\u00a0", decimal=","), "1\u00a0234,5", "1234.5"),
        (NumberFormat(thousands="'"), "1'234.50", "1234.50"),
        (NumberFormat(scale="0.01"), "1999", "19.99"),
        (NumberFormat(scale="0.01"), "-5", "-0.05"),
        (NumberFormat(scale="0.000001"), "999999999999999999", "999999999999.999999"),
        (NumberFormat(has_exponents=True), "3.45e-05", "0.0000345"),
        (NumberFormat(has_exponents=True), "2E3", "2000"),
        (NumberFormat(has_parentheses=True), "(1.50)", "-1.50"),
        (NumberFormat(has_parentheses=True, thousands=","), "(1,234.50)", "-1234.50"),
        (NumberFormat(has_parentheses=True), "-1.50", "-1.50"),
    ],
)
def test_an_amount_is_read_exactly(format, written, amount):
    assert with_number_format(Column("amount", money), format).read(written) == Decimal(amount)


@pytest.mark.parametrize(
    ("format", "written"),
    [
        (ENGLISH, "1,23"),
        (ENGLISH, "12,34.5"),
        (ENGLISH, "1234,567"),
        (ENGLISH, ",123"),
        (ENGLISH, "1.234,56"),
        (ENGLISH, "1,234."),
        (ENGLISH, "1e5"),
        (ENGLISH, "(1)"),
        (ENGLISH, "１,234"),
        (GERMAN, "12.34"),
        (GERMAN, "1,234.56"),
        (NumberFormat(has_parentheses=True), "(-1)"),
        (NumberFormat(has_parentheses=True), "()"),
        (NumberFormat(has_parentheses=True), "(1"),
        (NumberFormat(has_exponents=True), "1e999"),
        (NumberFormat(has_exponents=True), "1e-19"),
        (NumberFormat(scale="0.01"), "0.00000000000000001"),
        (NumberFormat(scale="1000"), "999999999999999999"),
        (NumberFormat(has_exponents=True), "NaN"),
    ],
)
def test_what_is_not_of_the_form_is_refused(format, written):
    with pytest.raises(Invalid):
        with_number_format(Column("amount", money), format).read(written)


def test_a_json_number_has_jsons_own_form_and_is_scaled():
    column = with_number_format(Column("amount", money, from_json=money_from_json(money)), NumberFormat(decimal=",", scale="0.01"))
    assert column.read_json(msgspec.Raw(b"1999")) == Decimal("19.99")
    assert column.read_json(msgspec.Raw(b"19.5")) == Decimal("0.195")
    assert column.read_json(msgspec.Raw(b'"19,5"')) == Decimal("0.195")
    assert column.read_json(msgspec.Raw(b"null")) is None
    for refused in (b'"19.5"', b"1e5", b"true", b"[1]"):
        with pytest.raises(Invalid):
            column.read_json(msgspec.Raw(refused))


def test_a_column_without_amounts_is_left_alone():
    column = Column("name", text(at_most=9))
    assert with_number_format(column, GERMAN) is column


@pytest.mark.django_db
@pytest.mark.usefixtures("book")
def test_a_run_keeps_the_form_of_its_numbers(plan, run_command, tenant, tmp_path):
    path = tmp_path / "moves.csv"
    path.write_text("move_id;shelf;kind;pieces;occurred_at\nm1;left;in;1.234,50;2026-01-01\nm2;left;in;12.34;2026-01-01\n")
    run = plan(path, "--delimiter", "semicolon", "--decimal", "comma", "--thousands", "point")
    _, code = run_command("--apply", run.id)
    assert code == 1
    assert moves(tenant) == [("m1", "left", Decimal("1234.50"))]
    assert run.rejects.get().why == "pieces: must be a number such as 1.234,56, not '12.34'"


@pytest.mark.django_db
@pytest.mark.usefixtures("book", "tenant")
def test_separators_that_contradict_each_other_are_refused(run_command, tmp_path):
    path = tmp_path / "moves.csv"
    path.write_text("move_id,shelf,kind,pieces,occurred_at\n")
    with pytest.raises(CommandError, match="can't be the same character"):
        run_command("acme", path, "--plan", "--decimal", "comma", "--thousands", "comma")
    for wrong in (["--scale", "0"], ["--scale", "1e2"], ["--thousands", "7"], ["--decimal", ";"]):
        with pytest.raises(CommandError, match="argument"):
            run_command("acme", path, "--plan", *wrong)
