"""Decimals keep every digit of numeric(38,18), in whatever thread they are added."""

import decimal
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

LARGEST = Decimal("9" * 20 + "." + "9" * 18)


def add_up() -> Decimal:
    return LARGEST + LARGEST


def test_sixty_digits_in_this_thread():
    assert decimal.getcontext().prec >= 60
    assert add_up() == Decimal("1" + "9" * 20 + "." + "9" * 17 + "8")


def test_sixty_digits_in_new_threads():
    with ThreadPoolExecutor(max_workers=4) as pool:
        assert {pool.submit(add_up).result() for _ in range(8)} == {add_up()}
        assert pool.submit(lambda: decimal.getcontext().prec).result() >= 60
