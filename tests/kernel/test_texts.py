"""Keys that look the same are the same."""

import pytest

from kernel.ledger.texts import invisible_edge


@pytest.mark.parametrize(
    ("key", "character"),
    [
        ("order 7", None),
        ("", None),
        ("é", None),
        ("order\u200b7", None),
        ("❤️", None),
        ("\ufefforder", "U+FEFF"),
        ("order\u00a0", "U+00A0"),
        (" order", "U+0020"),
        ("order\t", "U+0009"),
        ("order\r\n", "U+000A"),
        ("\u200border", "U+200B"),
        ("order\u200d", "U+200D"),
        ("\u202eorder", "U+202E"),
        ("order\u3164", "U+3164"),
        ("\u2060", "U+2060"),
        ("\x00order", "U+0000"),
    ],
)
def test_an_invisible_character_at_either_end_of_a_key_is_found(key, character):
    assert invisible_edge(key) == character
