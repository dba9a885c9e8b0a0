"""The two times of every row, as a choice for reads of the past (bitemporal: transaction time and valid time).

Others call them "recorded at" and "effective at".
"""

from django.db.models import TextChoices


class Clock(TextChoices):
    """By which time a past moment is meant. The values are what billing's `basis` and credits' `clock` say.

    RECORDED: `created_at`, when the ledger recorded the row; what a caller could have read at that moment. OCCURRED: `occurred_at`, when it
    happened according to the caller; a back-dated posting changes what OCCURRED answers for the past, never what RECORDED answers.
    """

    RECORDED = "book", "Book time"
    OCCURRED = "world", "World time"


# What pages for people call them.
CLOCK_TITLES = {Clock.OCCURRED: "By the time it happened", Clock.RECORDED: "By the time it was booked"}
