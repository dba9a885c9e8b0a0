"""Texts that identify something: two keys that look the same must be the same key."""

import unicodedata

# Separators, controls and format characters: blanks, NBSP, the byte order mark, zero-width spaces and joiners, direction marks.
_INVISIBLE_CATEGORIES = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})
# Letters and symbols that fonts draw as nothing: combining grapheme joiner, Hangul and Khmer fillers, the blank Braille pattern.
_INVISIBLE_LETTERS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")


def is_invisible(character: str) -> bool:
    """True if a reader can't see the character."""
    return unicodedata.category(character) in _INVISIBLE_CATEGORIES or character in _INVISIBLE_LETTERS


def invisible_edge(key: str) -> str | None:
    """The invisible character at the beginning or end of a key, such as `U+FEFF`; None if there is none.

    Exports joined by hand carry byte order marks and blanks at such edges: the same row under what looks like the same key would be
    booked twice.
    """
    first, last = key[:1], key[-1:]
    # Printable ASCII, which nearly every key begins and ends with, needs no look-up.
    if "!" <= first <= "~" and "!" <= last <= "~":
        return None
    return next((f"U+{ord(edge):04X}" for edge in (first, last) if edge and is_invisible(edge)), None)
