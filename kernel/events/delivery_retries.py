"""When a failed delivery is tried again, and when an endpoint that keeps failing is disabled.

Values only, no database, no clock: services/delivery_results.py applies it, and events_record_attempts.sql writes next_at.
"""

import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

# After the first, second, ... failed attempt: ten attempts over 75 hours 35 minutes 5 seconds.
DELAYS = (
    timedelta(seconds=5),
    timedelta(minutes=5),
    timedelta(minutes=30),
    timedelta(hours=2),
    timedelta(hours=5),
    timedelta(hours=10),
    timedelta(hours=14),
    timedelta(hours=20),
    timedelta(hours=24),
)
# Each delay is spread by so much to either side, so that a receiver that comes back doesn't get all of them at once.
JITTER = 0.2
MAX_PAUSE = timedelta(hours=24)
MIN_PAUSE = timedelta(seconds=1)
# Where a receiver asks for a pause and doesn't say for how long.
PAUSE = timedelta(minutes=1)
PAUSING_CODES = {429, 502, 503, 504}
GONE = 410
# A receiver that answers with this header and value wants no further attempt of the message.
ABORT_HEADER = "webhook-delivery"
ABORT = "abort-message"
# An endpoint that answered nothing with 2xx for so long, in at least so many attempts, is disabled.
FAILING_FOR = timedelta(days=5)
FAILING_ATTEMPTS = 10


def delay_after(failures: int) -> timedelta | None:
    """The time to the next attempt after so many failed ones; None: no further attempt."""
    if failures > len(DELAYS):
        return None
    return DELAYS[failures - 1] * random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311 - spreads load, guards nothing


def asked_pause(status_code: int | None, headers: Mapping[str, str], *, now: datetime) -> timedelta | None:
    """For how long a receiver asks to be left alone: 429, 502, 503 and 504, with Retry-After in seconds or as a date. None: it doesn't."""
    if status_code not in PAUSING_CODES:
        return None
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        pause = timedelta(seconds=min(int(text[:9]), MAX_PAUSE.total_seconds()))
    else:
        try:
            moment = parsedate_to_datetime(text)
        except ValueError:
            return PAUSE
        pause = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - now
    return min(max(pause, MIN_PAUSE), MAX_PAUSE)


def is_failing(*, failures: int, since: datetime | None, now: datetime) -> bool:
    """Whether an endpoint has failed for long enough to be disabled. `since`: its first failure after its last success."""
    return since is not None and failures >= FAILING_ATTEMPTS and now - since >= FAILING_FOR
