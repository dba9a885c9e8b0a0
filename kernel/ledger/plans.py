"""Plans made while a table was small, forgotten as it grows.

PostgreSQL keeps the plan of a prepared statement, and those inside a posting function, for as long as the connection lives. On a table of
a few rows every index that begins with the tenant looks equally good, and the plan may settle on one that reads the tenant's whole book
for each look-up: quadratic, until autovacuum's next ANALYZE, a minute and a million rows later. So each connection forgets its plans
after its first ten, eighty, 640 ... postings: seldom enough to cost nothing, early enough to never be far behind the table's size.
"""

import weakref
from typing import Any

from psycopg import Connection

FIRST, FACTOR = 10, 8
_counted: "weakref.WeakKeyDictionary[Connection[Any], tuple[int, int]]" = weakref.WeakKeyDictionary()


def forget_outgrown_plans(connection: "Connection[Any]", *, postings: int) -> None:
    """Count what was posted over a connection, and let it plan anew where the count has grown by FACTOR since it last did."""
    posted, limit = _counted.get(connection, (0, FIRST))
    posted += postings
    if posted >= limit:
        while limit <= posted:
            limit *= FACTOR
        connection.execute("DISCARD PLANS")
    _counted[connection] = posted, limit
