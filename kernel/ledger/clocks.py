"""The two times of every row, as a choice for reads of the past (bitemporal: transaction time and valid time).

Others call them "recorded at" and "effective at".
"""

from django.db.models import TextChoices


class Clock(TextChoices):
    """By which time a past moment is meant. The values are what billing's `basis` and credits' `clock` say.

    BOOK: `created_at`, when the ledger recorded the row; pages say "booked". It is what a caller could have read at that moment. WORLD:
    `occurred_at`, when it happened according to the caller; pages say "happened". A back-dated posting changes what WORLD answers for the
    past, never what BOOK answers.
    """

    BOOK = "book", "Book time"
    WORLD = "world", "World time"


# What pages for people call them.
CLOCK_TITLES = {Clock.WORLD: "By the time it happened", Clock.BOOK: "By the time it was booked"}
# Which field of a row has the time of each clock.
CLOCK_FIELDS = {Clock.BOOK.value: "created_at", Clock.WORLD.value: "occurred_at"}
