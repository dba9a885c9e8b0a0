"""What the office says where a plan's text names an option of the command: the field of the form that sets it."""

import re

# Of options that take a column or a value of the file, which the field shows.
TAKEN = {
    "map": "Column of the file",
    "set": "Value where there is none",
    "ignore": "Columns of the file that no field takes",
    "negative": "(1.50) is negative",
    "numbers": "Amounts may be written 3.45e-05",
    "rounding": "Round what has more than 18 decimals",
    "upper": "Currencies are in lower case",
}
# Of options whose value is said beside the field.
NAMED = {
    "again": "Bring in again what was taken back of the run",
    "columns": "Columns of a file without a header",
    "date-format": "How times are written",
    "decimal": "Decimal separator",
    "delimiter": "Delimiter",
    "encoding": "Encoding",
    "format": "Format",
    "items": "Where the list is",
    "key-from": "Make the key of the columns",
    "map-value": "Other words for values",
    "new-type": "Types that the catalogue lacks",
    "null": "Texts that mean no value",
    "scale": "Scale",
    "sheet": "Sheet of a workbook",
    "sign-from": "The sign is in the column",
    "signs": "Signs mean",
    "skip-lines": "Lines above the header",
    "skip-rows-where": "Rows to leave out",
    "thousands": "Thousands separator",
    "timezone": "Zone of times without an offset",
    "type-from-sign": "Types of amounts above and below zero",
}
KEPT = "Columns of the file that no field takes: are kept in metadata"
NEXT_COMMAND = re.compile(r" Go on with: manage\.py \S+ --\S+ [0-9a-f-]{36}")
KEEPS = re.compile(r"--map \S+=metadata\.[^\s,:;]*[^\s,:;.]")
TAKES = re.compile(rf"--({'|'.join(TAKEN)})\b(?!-)( [^\s=]+=<?[^\s,:;>]*[^\s,:;.>]>?| [^\s,:;.]+)?")
NAMES = re.compile(rf"--({'|'.join(sorted(NAMED, key=len, reverse=True))})\b(?!-)")


def in_words_of_the_form(text: str) -> str:
    """The text with “Field” in the place of `--option`. What has no field stays as it is."""
    text = KEEPS.sub(f"“{KEPT}”", NEXT_COMMAND.sub("", text))
    text = TAKES.sub(lambda found: f"“{TAKEN[found[1]]}”", text)
    return NAMES.sub(lambda found: f"“{NAMED[found[1]]}”", text)
