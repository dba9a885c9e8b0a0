"""What a member of staff typed into a search: words, amounts, names of things, and rough dates.

acme amount:7350.25 march 2026
agent:writer last week
invoice:INV-2026-03 tenant:acme
"""

import re
import shlex
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache

from django.utils import timezone

from kernel.ledger.money import AMOUNT_LIMIT, PLACES

NAMES = ("agent", "amount", "currency", "customer", "invoice", "reference", "tenant", "type")
_OTHER_NAMES = {"ref": "reference", "wallet": "currency"}
_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december")
SMALLEST = Decimal(1).scaleb(-PLACES)
_DIGITS = re.compile(r"[+-]?\d[\d.,'’_ \u00a0\u202f]*\Z")
_RANGE = re.compile(r"(.+?)\s*(?:\.\.|…)\s*(.+)\Z")
_LAST_DAYS = re.compile(r"(?:last|past) (\d{1,3}) (day|week|month)s?\Z")
_DAY = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})\Z")
_MONTH = re.compile(r"(\d{4})[-/](\d{1,2})\Z")
_QUARTER = re.compile(r"q([1-4])[ /-]?(\d{4})\Z")
# The most words that a date has: "last 30 days", "14 march 2026".
_MOST_WORDS = 3
_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
# A number without decimals of at most so many digits may be an amount of which somebody left the decimals out.
_WHOLE = re.compile(r"\d{1,9}\Z")


@dataclass(frozen=True)
class Period:
    """From `since` up to, not including, `until`, in the reader's time zone."""

    since: datetime
    until: datetime
    title: str


@dataclass(frozen=True)
class SearchTerms:
    """`text`: what is left of the search; `named`: values by name, such as `agent`; `amounts`: each a lowest and a highest amount."""

    text: str = ""
    named: dict[str, str] = field(default_factory=dict)
    amounts: Sequence[tuple[Decimal, Decimal]] = ()
    period: Period | None = None
    # The text looks like an amount as well: rows with it are found beside those that have the text in them.
    text_amounts: Sequence[tuple[Decimal, Decimal]] = ()

    @property
    def near_amounts(self) -> Sequence[tuple[Decimal, Decimal]]:
        """Amounts that begin with the text, which is a number without decimals: 73 up to 73.99."""
        return whole_amounts(self.text)

    @property
    def is_plain(self) -> bool:
        return not self.named and not self.amounts and self.period is None


def read_terms(typed: str, *, now: datetime | None = None) -> SearchTerms:
    """Takes a search apart. Whatever isn't understood stays in `text`."""
    words, named, amounts = [], {}, []
    for word in _words(typed):
        name, mark, value = word.partition(":")
        name = _OTHER_NAMES.get(name.lower(), name.lower())
        if mark and value and name == "amount" and (found := _ranges(value)):
            amounts += found
        elif mark and value and name in NAMES and name != "amount":
            named[name] = value
        else:
            words.append(word)
    period, words = _take_period(words, now or timezone.now())
    text = " ".join(words)
    text_amounts = [] if amounts or not re.search(r"[.,']|\A\d{1,9}\Z", text) else _ranges(text)
    return SearchTerms(text=text, named=named, amounts=amounts, period=period, text_amounts=text_amounts)


def _words(typed: str) -> list[str]:
    """The words; what stands in double quotes is one. `agent: writer` is `agent:writer`."""
    joined = re.sub(rf"(?i)\b({'|'.join([*NAMES, *_OTHER_NAMES])}):\s+(?=\S)", r"\1:", typed.strip())
    lexer = shlex.shlex(joined, posix=True, punctuation_chars="")
    lexer.whitespace_split, lexer.commenters, lexer.quotes, lexer.escape = True, "", '"', ""
    try:
        return list(lexer)
    except ValueError:
        # A quote that isn't closed.
        return joined.split()


def read_amounts(text: str) -> list[Decimal]:
    """The amounts that a text may mean, without sign, the likeliest first: "7,350" is seven thousand, or seven and a bit."""
    text = text.strip().lstrip("$€£¥ ").rstrip(" ")
    if not _DIGITS.match(text):
        return []
    digits = re.sub(r"['’_ \u00a0\u202f]", "", text).lstrip("+-")
    marks = [mark for mark in digits if mark in ".,"]
    readings = []
    if not marks:
        readings = [digits]
    elif len(set(marks)) > 1:
        # Where a number has both a point and a comma, the last mark begins the decimals.
        whole, _, decimals = digits.rpartition(marks[-1])
        readings = [re.sub("[.,]", "", whole) + f".{decimals}"] if marks.count(marks[-1]) == 1 else []
    else:
        is_grouped = all(len(group) == 3 for group in re.split("[.,]", digits)[1:])
        decimal = [digits.replace(",", ".")] if len(marks) == 1 else []
        grouped = [re.sub("[.,]", "", digits)] if is_grouped else []
        readings = decimal + grouped if marks[0] == "." else grouped + decimal
    found = [Decimal(reading) for reading in readings if re.fullmatch(r"\d+(\.\d*)?", reading)]
    return [amount for amount in dict.fromkeys(found) if amount < AMOUNT_LIMIT]


def _ranges(text: str) -> list[tuple[Decimal, Decimal]]:
    """As `7350.25`, or `7000..7500`."""
    if ends := _RANGE.match(text):
        least, most = (read_amounts(end) for end in ends.groups())
        return [(least[0], most[0])] if least and most else []
    return [(amount, amount) for amount in read_amounts(text)]


def whole_amounts(text: str) -> list[tuple[Decimal, Decimal]]:
    """`73` as the amounts from 73 up to 73.99…; empty for what is no whole number."""
    return [(Decimal(text), Decimal(text) + 1 - SMALLEST)] if text.isascii() and _WHOLE.match(text) else []


def stated_amounts(text: str) -> list[tuple[Decimal, Decimal]]:
    """A word with decimals as the amount that it states: `7350.25`; empty for all else."""
    return [(amount, amount) for amount in read_amounts(text)] if re.search(r"\d[.,]\d", text) else []


def exchanged_digits(amount: Decimal) -> list[Decimal]:
    """The amounts that somebody who mixed up two digits beside each other may have meant, with two decimals at least."""
    whole, _, decimals = f"{amount:f}".partition(".")
    digits = whole + decimals.ljust(2, "0")
    swapped = [digits[:at] + digits[at + 1] + digits[at] + digits[at + 2 :] for at in range(len(digits) - 1)]
    found = (Decimal(f"{each[: len(whole)]}.{each[len(whole) :]}") for each in swapped)
    return [each for each in dict.fromkeys(found) if each not in (0, amount)]


# ---- dates


def _take_period(words: list[str], now: datetime) -> tuple[Period | None, list[str]]:
    """The first words that are a date, and the other words."""
    spans = [(start, start + count) for count in range(_MOST_WORDS, 0, -1) for start in range(len(words) - count + 1)]
    for start, end in spans:
        period = read_period(" ".join(words[start:end]), now)
        if period is not None:
            return period, words[:start] + words[end:]
    return None, words


def read_period(text: str, now: datetime) -> Period | None:
    """The days that a text such as "march 2026", "2026-03", "14 march" or "last week" means; None for other text."""
    today = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    text = text.lower().strip(" ,")
    try:
        days = _relative(text, today) or _numeric(text, today) or _in_words(text, today)
    except (ValueError, OverflowError):
        return None
    if days is None or not 1900 <= days[0].year <= 2199:
        return None
    since, until = (timezone.make_aware(day.replace(tzinfo=None)) for day in days)
    last = until - timedelta(days=1)
    title = f"{since:%Y-%m-%d}" if last <= since else f"{since:%Y-%m-%d} to {last:%Y-%m-%d}"
    return Period(since, until, title)


Days = tuple[datetime, datetime] | None


def _relative(text: str, today: datetime) -> Days:
    one, monday, first = timedelta(days=1), today - timedelta(days=today.weekday()), today.replace(day=1)
    known: dict[str, tuple[datetime, datetime]] = {
        "today": (today, today + one),
        "yesterday": (today - one, today),
        "this week": (monday, monday + 7 * one),
        "last week": (monday - 7 * one, monday),
        "this month": (first, _next_month(first)),
        "last month": ((first - one).replace(day=1), first),
        "this year": (today.replace(month=1, day=1), today.replace(year=today.year + 1, month=1, day=1)),
        "last year": (today.replace(year=today.year - 1, month=1, day=1), today.replace(month=1, day=1)),
    }
    if text in known:
        return known[text]
    name = text.removeprefix("last ")
    if name in _WEEKDAYS:
        # The newest one before today; without "last" it may be today.
        ago = (today.weekday() - _WEEKDAYS.index(name)) % 7
        day = today - (ago or (7 if text != name else 0)) * one
        return day, day + one
    if some := _LAST_DAYS.match(text):
        days = int(some[1]) * {"day": 1, "week": 7, "month": 30}[some[2]]
        return today - (days - 1) * one, today + one
    return None


def _numeric(text: str, today: datetime) -> Days:
    if found := _DAY.match(text):
        day = today.replace(year=int(found[1]), month=int(found[2]), day=int(found[3]))
        return day, day + timedelta(days=1)
    if found := _MONTH.match(text):
        first = today.replace(year=int(found[1]), month=int(found[2]), day=1)
        return first, _next_month(first)
    if found := _QUARTER.match(text):
        first = today.replace(year=int(found[2]), month=3 * int(found[1]) - 2, day=1)
        return first, _next_month(_next_month(_next_month(first)))
    return None


def _in_words(text: str, today: datetime) -> Days:
    """ "march 2026", "14 mar 2026", "march 14", "14. march". Without a year, the newest that isn't in the future."""
    parts = text.replace(",", " ").split()
    months = [_month(part) for part in parts]
    place = next((place for place, month in enumerate(months) if month), None)
    if place is None or (len(parts) == 1 and parts[0] not in _MONTHS) or text == "may":
        return None
    numbers = [re.sub(r"(st|nd|rd|th|\.)\Z", "", part) for part in parts[:place] + parts[place + 1 :]]
    if not all(number.isascii() and number.isdecimal() for number in numbers):
        return None
    years = [int(number) for number in numbers if len(number) == 4]
    days = [int(number) for number in numbers if len(number) < 3]
    if len(years) > 1 or len(days) > 1 or len(years) + len(days) != len(numbers):
        return None
    first = today.replace(year=years[0] if years else today.year, month=months[place] or 1, day=1)
    if not years and first > today:
        first = first.replace(year=today.year - 1)
    if days:
        day = first.replace(day=days[0])
        return day, day + timedelta(days=1)
    return first, _next_month(first)


def _month(word: str) -> int | None:
    word = word.rstrip(".")
    if len(word) < 3:
        return None
    return next((number for number, name in enumerate(_MONTHS, 1) if word == name or word == name[:3] or word == f"{name[:3]}t"), None)


def _next_month(first: datetime) -> datetime:
    return (first + timedelta(days=32)).replace(day=1)


# ---- text that is compared without case and accents

_SPECIAL = {"ß": "s", "ø": "o", "Ø": "o", "đ": "d", "Đ": "d", "ł": "l", "Ł": "l", "ı": "i"}


_UMLAUTS = {"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "æ": "ae", "ø": "oe", "å": "aa"}


def spellings(text: str) -> list[str]:
    """The text as typed; with `ue` and the like for its umlauts; with umlauts for its `ue` and the like: `müller` is `mueller`."""
    small = text.lower()
    spelt_out = "".join(_UMLAUTS.get(letter, letter) for letter in small)
    drawn = small
    for letter in "äöüß":
        drawn = drawn.replace(_UMLAUTS[letter], letter)
    return list(dict.fromkeys([text, *(each for each in (spelt_out, drawn) if each != small)]))


def folded(text: str) -> str:
    """In lower case without accents, one character for each: what SQL makes of a column with FOLDED."""
    return text.lower().translate(str.maketrans(*accents())).lower()


def accents_of(text: str) -> tuple[str, str]:
    """Of `accents` those whose plain letter is in the text. No other can make a difference to whether the text is found."""
    pairs = [(letter, plain) for letter, plain in zip(*accents(), strict=True) if plain in text]
    return "".join(letter for letter, _ in pairs), "".join(plain for _, plain in pairs)


@cache
def accents() -> tuple[str, str]:
    """Letters with accents, large and small, and the plain small letter of each. PostgreSQL's lower() knows only ASCII in the C locale."""
    pairs = dict(_SPECIAL)
    for code in range(0xC0, 0x180):
        plain = unicodedata.normalize("NFKD", chr(code))[0].lower()
        if plain.isascii() and plain.isalpha():
            pairs.setdefault(chr(code), plain)
    return "".join(pairs), "".join(pairs.values())
