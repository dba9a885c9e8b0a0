"""Reads the arithmetic in a cost's details with exact fractions, apart from the code that writes it."""

import re
from decimal import Decimal
from fractions import Fraction

WORDS = re.compile(r" (input|output|per request|for tools|per call|packages)\b")
NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def result_of(arithmetic: str) -> tuple[Fraction, Fraction]:
    """What `0.02 per call + 3 × 0.1, at least 0.5 = 0.5` comes to by its steps, and what it says that it comes to."""
    steps, _, stated = arithmetic.rpartition(" = ")
    steps, _, least = steps.partition(", at least ")
    steps = WORDS.sub("", steps).replace("×", "*")
    assert re.fullmatch(r"[0-9.+*/() ]+", steps), arithmetic
    found = eval(NUMBER.sub(lambda number: f"Fraction('{number[0]}')", steps), {"Fraction": Fraction})
    return max(found, Fraction(least or 0)), Fraction(stated)


def rounded(exact: Fraction) -> Decimal:
    """To 18 decimals, halves to the even digit."""
    return Decimal(round(exact * 10**18)).scaleb(-18)
