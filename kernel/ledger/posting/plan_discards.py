"""Says when a connection must discard its prepared plans: those made while a table was small are bad once it has grown.

PostgreSQL keeps the plan of a prepared statement, and those inside a posting function, for as long as the connection lives. On a table of
a few rows every index that begins with the tenant looks equally good, and the plan may settle on one that reads the tenant's whole ledger
for each look-up: quadratic, until autovacuum's next ANALYZE, a minute and a million rows later. So each connection forgets its plans
after a ledger's first ten, eighty, 640 ... postings: seldom enough to cost nothing, early enough to never be far behind the table's size.
So it does after a statement's first ten, eighty, 640 ... runs, which often are reads for the replies of as many postings.
"""

from typing import Any
from weakref import WeakKeyDictionary

from psycopg import BaseConnection

DISCARD_PLANS = "DISCARD PLANS"
FIRST, FACTOR = 10, 8
_counted: "WeakKeyDictionary[BaseConnection[Any], dict[str, tuple[int, int]]]" = WeakKeyDictionary()


def count_and_check(connection: "BaseConnection[Any]", function: str, *, postings: int) -> bool:
    """Adds what a function posted over a connection to its count; True where its plans must be discarded now.

    That is where the count has grown by FACTOR since the last time. Each ledger is counted by itself: its tables may be
    empty when those of another have long been full. A statement that calls no posting function counts as a function that posts one.
    """
    counts = _counted.setdefault(connection, {})
    posted, limit = counts.get(function, (0, FIRST))
    posted += postings
    is_outgrown = posted >= limit
    while limit <= posted:
        limit *= FACTOR
    counts[function] = posted, limit
    return is_outgrown
