"""Amounts keep every digit."""

import threading
from decimal import Decimal

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from kernel.ledger.money import BALANCE_LIMIT, all_decimals, is_currency, is_plain_decimal, trimmed_digits

amounts = st.decimals(min_value=Decimal(-(10**18)), max_value=Decimal(10**18), places=18, allow_nan=False)


@pytest.mark.parametrize(
    ("amount", "expected"),
    [("10", "10"), ("10.50", "10.5"), ("0.000", "0"), ("-0", "0"), ("1E-18", "0.000000000000000001"), ("1E+3", "1000"), ("-2.10", "-2.1")],
)
def test_plain_text_has_no_exponent_and_no_trailing_zeros(amount, expected):
    assert trimmed_digits(Decimal(amount)) == expected


@pytest.mark.django_db
def test_the_databases_limit_of_balances_is_the_same():
    with connection.cursor() as cursor:
        for amount in (BALANCE_LIMIT, BALANCE_LIMIT - Decimal("0.000000000000000001")):
            cursor.execute("SELECT ledger_is_out_of_range(%(amount)s), ledger_is_out_of_range(-%(amount)s)", {"amount": amount})
            assert cursor.fetchone() == (amount == BALANCE_LIMIT,) * 2


@given(amounts)
def test_both_texts_of_an_amount_are_the_amount(amount):
    assert Decimal(trimmed_digits(amount)) == amount
    assert Decimal(all_decimals(amount)) == amount
    assert len(all_decimals(amount).partition(".")[2]) == 18


@pytest.mark.parametrize("text", ["", "1e5", "1_000", "NaN", "Infinity", "+1", "1.", ".5", " 1", "1\n", "１２", "1,5", "--1", "0x1"])
def test_text_that_is_no_plain_decimal(text):
    assert not is_plain_decimal(text)


@pytest.mark.parametrize("text", ["0", "10", "10.5", "-3", "000.1", "99999999999999999999.999999999999999999"])
def test_text_that_is_a_plain_decimal(text):
    assert is_plain_decimal(text)


def test_currencies_are_those_of_iso_4217_in_upper_case():
    assert is_currency("USD")
    assert is_currency("JPY")
    assert not any(is_currency(code) for code in ("usd", "ZZZ", "US", "", "USDT", "ＵＳＤ"))


def test_sums_of_38_digits_are_exact_in_every_thread():
    large, small = Decimal("99999999999999999999.999999999999999998"), Decimal("0.000000000000000001")
    sums = []
    thread = threading.Thread(target=lambda: sums.append(large + small))
    thread.start()
    thread.join()
    assert sums == [Decimal("99999999999999999999.999999999999999999")] == [large + small]
