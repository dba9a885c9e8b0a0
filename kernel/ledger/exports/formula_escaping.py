"""Text in files that people open with a spreadsheet program."""

# A spreadsheet program takes text that begins so for a formula, and runs it.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
# At the beginning of a CSV file: without it Excel reads the file in the encoding of its country, not as UTF-8.
BYTE_ORDER_MARK = "\ufeff"


def escape_formula(text: str) -> str:
    """The text, with an apostrophe in front if a spreadsheet would take it for a formula."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
