"""What a file looks like before it is planned: the profile that fits it, its delimiter, and the forms of its amounts, times and letters."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import islice

from kernel.backfills.arguments.profiles import matching_profiles
from kernel.backfills.errors import BadSource
from kernel.backfills.reading.columns import NUMBERS, Column, day, moment
from kernel.backfills.reading.files.records import CSV, JSON, Layout, Record, TypedText
from kernel.backfills.reading.options import ReadingOptions
from kernel.backfills.reading.rows import RowReader
from kernel.backfills.reading.sources import Reading, Source

LOOKED_AT = 200
DELIMITER_NAMES = {";": "semicolon", "\t": "tab", "|": "pipe", ",": "comma"}
COMMA_DECIMAL = re.compile(r"[+-]?(\d{1,3}(\.\d{3})+,\d+|\d+,\d{1,2}|\d{1,3}(\.\d{3}){2,})")
POINT_DECIMAL = re.compile(r"[+-]?(\d{1,3}(,\d{3})+(\.\d+)?)")
EXPONENT = re.compile(r"[+-]?\d+(\.\d+)?[eE][+-]?\d+")
PARENTHESES = re.compile(r"\(\d[\d.,]*\)")
DOTTED_DAY = re.compile(r"\d{1,2}\.\d{1,2}\.(\d{4}|\d{2})")
SLASHED_DAY = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}|\d{2})")
LOCAL_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?")
FOUR_DIGITS = re.compile(r"\d{4}")
EPOCH_LENGTHS = {10: "epoch-s", 13: "epoch-ms", 16: "epoch-us"}
MAX_MONTH = 12


def hints_for(source: Source, options: ReadingOptions) -> list[str]:
    """Sentences for a person whose file doesn't fit its options: what to add to the command line."""
    hints = [] if options.profile else profile_hints(source)
    if source.format == CSV and not options.layout.columns:
        hints += _delimiter_hints(source)
    if source.format == JSON and not options.layout.items:
        hints += _items_hints(source)
    return hints


def profile_hints(source: Source) -> list[str]:
    path = source.paths[0] if len(source.paths) == 1 else f"{source.paths[0]} ..."
    return [
        f"This looks like {profile.name} ({profile.title}): manage.py {profile.command} TENANT {path} --plan --profile {profile.name}"
        for profile in matching_profiles(source)
    ]


def other_delimiter(source: Source) -> str:
    """The delimiter that makes several columns of a header that has one now; empty if none does."""
    try:
        names = source.columns()
    except BadSource:
        return ""
    best = max(DELIMITER_NAMES, key=names[0].count) if len(names) == 1 else ""
    return best if best and names[0].count(best) else ""


def _delimiter_hints(source: Source) -> list[str]:
    if not (best := other_delimiter(source)):
        return []
    hints = [f"Its first line looks as if {DELIMITER_NAMES[best]} divides the columns: --delimiter {DELIMITER_NAMES[best]}."]
    records = _first_records(replace(source, layout=replace(source.layout, delimiter=best)))
    texts = [text for record in records for text in record.fields or ()]
    if any(COMMA_DECIMAL.fullmatch(text) for text in texts):
        hints.append(_comma_hint(texts))
    return hints


def _items_hints(source: Source) -> list[str]:
    names = source.columns()
    lists = [name for name in names if _has_list(source, name)]
    return [f"It is an object whose member {name} is a list of objects: --items {name}." for name in lists[:3]]


def _has_list(source: Source, name: str) -> bool:
    records = _first_records(replace(source, layout=Layout(encoding=source.layout.encoding, items=(name,))), at_most=1)
    return bool(records) and isinstance(records[0].fields, dict)


def form_hints(source: Source, reader: RowReader, columns: Sequence[Column], options: ReadingOptions) -> list[str]:
    """What the amounts and times of the first rows look like, where that isn't how they would be read."""
    numbers = [column.name for column in columns if column.read in NUMBERS]
    times = [column.name for column in columns if column.read in {moment, day}]
    records = _first_records(source)
    amounts, moments = ([*_texts(records, reader, names)] for names in (numbers, times))
    return [*_amount_hints(amounts, options), *_time_hints(moments, options), *_letter_hints(records, options)]


def _texts(records: Iterable[Record], reader: RowReader, names: Sequence[str]) -> Iterable[str]:
    theirs = [reader.theirs[name] for name in names if name in reader.theirs]
    for record in records:
        text_of = reader.texts_of(record)
        yield from (text for name in theirs if (text := text_of(name)) and not isinstance(text, TypedText))


def _amount_hints(texts: Sequence[str], options: ReadingOptions) -> list[str]:
    numbers, hints = options.numbers, []
    if numbers.decimal == "." and not numbers.thousands and any(map(COMMA_DECIMAL.fullmatch, texts)):
        hints.append(_comma_hint(texts))
    elif numbers.decimal == "." and not numbers.thousands and any(map(POINT_DECIMAL.fullmatch, texts)):
        hints.append(f"Amounts look like {_first(POINT_DECIMAL, texts)}: --thousands comma.")
    if not numbers.has_exponents and any(map(EXPONENT.fullmatch, texts)):
        hints.append(f"Amounts look like {_first(EXPONENT, texts)}: --numbers scientific.")
    if not numbers.has_parentheses and any(map(PARENTHESES.fullmatch, texts)):
        hints.append(f"Amounts look like {_first(PARENTHESES, texts)}: --negative parentheses.")
    return hints


def _comma_hint(texts: Sequence[str]) -> str:
    example = _first(COMMA_DECIMAL, texts)
    thousands = " --thousands point" if any("." in text for text in texts if COMMA_DECIMAL.fullmatch(text)) else ""
    return f"Amounts look like {example}: --decimal comma{thousands}."


def _time_hints(texts: Sequence[str], options: ReadingOptions) -> list[str]:
    if options.times.formats:
        return []
    if any(map(DOTTED_DAY.match, texts)):
        example = _first(DOTTED_DAY, texts, whole=False)
        year = "%Y" if FOUR_DIGITS.search(example) else "%y"
        return [f"Times look like {example}: --date-format %d.%m.{year}{_clock(example)}."]
    if slashed := [found for text in texts if (found := SLASHED_DAY.match(text))]:
        return [_slashed_hint(slashed)]
    if length := next((len(text) for text in texts if text.isdigit() and len(text) in EPOCH_LENGTHS), 0):
        return [f"Times look like numbers since 1970: --date-format {EPOCH_LENGTHS[length]}."]
    if not options.times.timezone and any(map(LOCAL_TIME.fullmatch, texts)):
        return [f"Times such as {_first(LOCAL_TIME, texts)} name no offset: --timezone UTC, or the zone that they were written in."]
    return []


def _slashed_hint(found: Sequence[re.Match[str]]) -> str:
    """Day and month can only be told apart where one of them is above twelve."""
    firsts, seconds = (max(int(match[group]) for match in found) for group in (1, 2))
    year, clock = ("%Y" if len(found[0][3]) == 4 else "%y"), _clock(found[0].string)
    days_first, months_first = f"--date-format %d/%m/{year}{clock}", f"--date-format %m/%d/{year}{clock}"
    if firsts > MAX_MONTH:
        return f"Times look like {found[0].string}, the day first: {days_first}."
    if seconds > MAX_MONTH:
        return f"Times look like {found[0].string}, the month first: {months_first}."
    return f"Times look like {found[0].string}, and no row says whether the day or the month is first: {days_first} or {months_first}."


def _clock(example: str) -> str:
    return {0: "", 1: " %H:%M", 2: " %H:%M:%S"}.get(example.count(":"), "")


def _letter_hints(records: Sequence[Record], options: ReadingOptions) -> list[str]:
    if options.layout.encoding or all(_is_utf8(record.raw) for record in records):
        return []
    return ["Some letters are not UTF-8: --encoding windows-1252 or latin-1, whichever the file was written in."]


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _first(pattern: re.Pattern[str], texts: Sequence[str], *, whole: bool = True) -> str:
    return next(text for text in texts if (pattern.fullmatch if whole else pattern.match)(text))


def _first_records(source: Source, *, at_most: int = LOOKED_AT) -> list[Record]:
    try:
        with Reading(source) as reading:
            return [record for record in islice(reading, at_most) if not record.fault]
    except BadSource:
        return []
