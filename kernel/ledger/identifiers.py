"""Ids of ledger rows: UUIDv7, so that they sort by the time they were made.

The application makes the ids of postings. SQL makes those of rows that only the database knows about: ledger_new_id (UUIDv7),
gen_random_uuid for totals and types.
"""

import re
from datetime import datetime, timedelta
from uuid import UUID

from uuid_utils import uuid7 as native
from uuid_utils.compat import uuid7

# How far the clock of an application server may be behind the database's.
CLOCK_SLACK = timedelta(minutes=5)
_CODE = re.compile(r"[a-z0-9]+(?:[_.:/-][a-z0-9]+)*\Z")
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{4}([0-9a-f]{8})")


def new_id() -> UUID:
    return uuid7()


def new_id_text() -> str:
    """As text, for a posting that is only sent to the database: making it takes an eighth of the time of a UUID object."""
    return str(native())


def with_short_ids(text: str) -> str:
    """The text for people, with the last characters of each id alone: `payment:…7a9915f0` of a reference that names a payment."""
    return _ID.sub(r"…\1", text)


def code_in_words(code: str) -> str:
    """`Near duplicate` of `near_duplicate`. Text that is written in another way than codes are stays as it is."""
    words = re.sub("[_.:/-]+", " ", code) if _CODE.match(code) else code
    return words[:1].upper() + words[1:]


def first_id(moment: datetime) -> UUID:
    """The lowest id that a row created at this moment can have: a UUIDv7 begins with its milliseconds."""
    milliseconds = max(int((moment - CLOCK_SLACK).timestamp() * 1000), 0)
    return UUID(int=milliseconds << 80)
