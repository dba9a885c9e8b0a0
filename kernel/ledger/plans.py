"""Plans made while a table was small, forgotten as it grows.

PostgreSQL keeps the plan of a prepared statement, and those inside a posting function, for as long as the connection lives. On a table of
a few rows every index that begins with the tenant looks equally good, and the plan may settle on one that reads the tenant's whole book
for each look-up: quadratic, until autovacuum's next ANALYZE, a minute and a million rows later. So each connection forgets its plans
after its first ten, eighty, 640 ... postings: seldom enough to cost nothing, early enough to never be far behind the table's size.
"""

import weakref
from typing import Any

from psycopg import BaseConnection

FORGET = "DISCARD PLANS"
FIRST, FACTOR = 10, 8
_counted: "weakref.WeakKeyDictionary[BaseConnection[Any], tuple[int, int]]" = weakref.WeakKeyDictionary()


def are_outgrown(connection: "BaseConnection[Any]", *, postings: int) -> bool:
    """Count what was posted over a connection; True where the count has grown by FACTOR since its plans were last forgotten."""
    posted, limit = _counted.get(connection, (0, FIRST))
    posted += postings
    is_outgrown = posted >= limit
    while limit <= posted:
        limit *= FACTOR
    _counted[connection] = posted, limit
    return is_outgrown
