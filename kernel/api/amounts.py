"""Money in JSON: written as numbers or strings, read from both, exact to 18 decimals."""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from kernel.api.fields import Field, text_of
from kernel.api.json import JsonNumber, RawJson, Source
from kernel.api.problems import Refused
from kernel.ledger.money import AMOUNT_LIMIT, PLACES, all_decimals, trimmed_digits

WHOLE_DIGITS = 18
FLOAT_WARNING = "Money: read the number as a decimal, for a float loses digits; with the header `Prefer: money=string` it is a string."
# An optional sign, ASCII digits with an optional fraction (`.5` and `1.` too), an optional exponent; no underscores, no words.
_NUMERIC = re.compile(r" *([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?) *\Z")
_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]+)?\Z")
# Numbers and numeric strings short enough to be read without further checks: at most 18 digits on either side, no exponent.
_EASY = re.compile(rb'"?(-?[0-9]{1,18}(?:\.[0-9]{1,18})?)"?\Z')
_EASY_TEXT = re.compile(r"[0-9]{1,18}(?:\.[0-9]{1,18})?\Z")
_EXPONENT = re.compile(r"[eE]([+-]?)0*([0-9]*)\Z")


def parse_amount(text: str) -> Decimal:
    """The Decimal of a numeric text, if an amount can hold it: at most 18 digits before the point and 18 after, trailing zeros aside.

    Raises Refused: too_many_digits, too_many_decimals.
    """
    exponent = _EXPONENT.search(text)
    if exponent and len(exponent[2]) > 4:
        # Beyond what Decimal itself reads; only zero survives such an exponent.
        if not re.search("[1-9]", text[: exponent.start()]):
            return Decimal(0)
        raise _too_small() if exponent[1] == "-" else _too_large()
    try:
        amount = Decimal(text)
    except InvalidOperation as error:
        raise Refused("number_syntax") from error
    if not amount:
        return Decimal(0)
    _, figures, shift = amount.as_tuple()
    # A finite number, as its syntax was checked.
    assert isinstance(shift, int)
    if len(figures) + shift > WHOLE_DIGITS:
        raise _too_large()
    if shift >= -PLACES:
        return amount if shift <= 0 else Decimal(f"{amount:f}")
    rest = f"{amount:f}".rstrip("0")
    if len(rest.partition(".")[2]) > PLACES:
        raise _too_small()
    return Decimal(rest)


def _too_large() -> Refused:
    return Refused("too_many_digits", max=WHOLE_DIGITS)


def _too_small() -> Refused:
    return Refused("too_many_decimals", max=PLACES)


def _pattern(sign: str) -> str:
    """The plain digits of an amount, as a regular expression of JSON Schema."""
    if sign == "positive":
        # Without a look-ahead: a generator of values from the schema can't use one.
        large = rf"0*[1-9][0-9]{{0,{WHOLE_DIGITS - 1}}}(\.[0-9]{{1,{PLACES}}})?"
        small = rf"0+\.0{{0,{PLACES - 1}}}[1-9][0-9]{{0,{PLACES - 1}}}"
        return f"^({large}|{small})$"
    minus = "-?" if sign == "any" else ""
    return rf"^{minus}[0-9]{{1,{WHOLE_DIGITS}}}(\.[0-9]{{1,{PLACES}}})?$"


def as_text(value: Any) -> Any:
    """A body with every Decimal in it as a string of its digits."""
    if isinstance(value, Decimal):
        return trimmed_digits(value)
    if isinstance(value, Mapping):
        return {name: as_text(item) for name, item in value.items()}
    return [as_text(item) for item in value] if isinstance(value, list | tuple) else value


class Amount(Field):
    """What the two ways of writing money share. `sign`: any, not_negative (code `negative`) or positive (code `not_positive`)."""

    def __init__(self, *, sign: str = "any", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if sign not in {"any", "not_negative", "positive"}:
            raise TypeError(f"sign is any, not_negative or positive, not {sign!r}.")
        self.sign = sign

    def signed(self, amount: Decimal) -> Decimal:
        """The amount, if this field takes its sign."""
        if self.sign == "positive" and amount <= 0:
            raise Refused("not_positive")
        if self.sign == "not_negative" and amount < 0:
            raise Refused("negative")
        return amount


class AmountNumber(Amount):
    """A JSON number or a string that holds one; written as a JSON number from the digits. `strings=False` takes numbers only.

    `is_written_as_text` is set on copies, for callers who ask for strings (`money_as_text` in serializers.py).
    """

    fast_type = msgspec.Raw
    type_code = "not_a_number"
    is_written_as_text = False

    def __init__(self, *, strings: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.strings = strings

    def parse(self, value: Any, source: Source | None = None) -> Decimal:
        if isinstance(value, float):
            raise Refused("not_finite")
        if isinstance(value, JsonNumber):
            return self.signed(parse_amount(str(value)))
        if isinstance(value, int) and not isinstance(value, bool):
            return self.signed(parse_amount(str(value)))
        if not isinstance(value, str) or not self.strings:
            raise Refused("not_a_number")
        return self.parse_text(value)

    def parse_raw(self, raw: bytes) -> Decimal:
        found = _EASY.match(raw)
        if not found or (raw[:1] == b'"') != (raw[-1:] == b'"') or (raw[:1] == b'"' and not self.strings):
            raise Refused("number_syntax")
        amount = Decimal(found[1].decode())
        return self.signed(amount or Decimal(0))

    def parse_text(self, text: str) -> Decimal:
        found = _NUMERIC.match(text)
        if not found:
            raise Refused("number_syntax")
        return self.signed(parse_amount(found[1]))

    def plain(self, value: Decimal) -> msgspec.Raw | str:
        text = trimmed_digits(value)
        return text if self.is_written_as_text else msgspec.Raw(text.encode())

    def schema(self) -> dict[str, Any]:
        # With the bound itself: a fuzzer that reads the schema then stays among amounts that can be stored.
        number: dict[str, Any] = {"type": "number", "format": "decimal", "exclusiveMaximum": int(AMOUNT_LIMIT)}
        if self.sign == "positive":
            number |= {"exclusiveMinimum": 0}
        else:
            number |= {"minimum": 0} if self.sign == "not_negative" else {"exclusiveMinimum": -int(AMOUNT_LIMIT)}
        return {"anyOf": [number, {"type": "string", "pattern": _pattern(self.sign)}]} if self.strings else number

    def written_schema(self) -> dict[str, Any]:
        # A balance is a sum, so the bounds of one amount are not its own.
        return {"type": "number", "format": "decimal", "description": FLOAT_WARNING}


class AmountText(Amount):
    """A string of plain digits, `10.5`; a JSON number is refused, for it may have been a float already.

    Written trimmed (`10.5`), or with all 18 decimals where `full`; only there, and in replies, may it carry a minus.
    """

    fast_type = str

    def __init__(self, *, full: bool = False, sign: str = "not_negative", **kwargs: Any) -> None:
        super().__init__(sign=sign, **kwargs)
        self.full = full

    def parse(self, value: Any, source: Source | None = None) -> Decimal:
        if isinstance(value, int | float | JsonNumber) and not isinstance(value, bool):
            raise Refused("number_as_money")
        if isinstance(value, RawJson) or not isinstance(value, str):
            raise Refused("not_text")
        return self.parse_text(value)

    def parse_text(self, text: str) -> Decimal:
        if _EASY_TEXT.match(text):
            return self.signed(Decimal(text) or Decimal(0))
        digits = text.removeprefix("-") if self.sign == "any" else text
        if not _PLAIN.match(digits):
            text_of(text)
            raise Refused("number_syntax")
        return self.signed(parse_amount(text))

    def plain(self, value: Decimal) -> str:
        return all_decimals(value) if self.full else trimmed_digits(value)

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": _pattern(self.sign)}

    def written_schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": rf"^-?[0-9]+(\.[0-9]{{1,{PLACES}}})?$"}
