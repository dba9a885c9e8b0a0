"""What a call with a key that was used before is: a replay of the first call, or a conflict with it.

The only place that decides it when posting: outcomes.py asks it for a row that a posting function reports as `exists`. The plan of a
backfill (kernel/backfills/row_outcomes.py), the calls of the webhooks API (kernel/events/services/idempotent_calls.py) and the integrity
checks compare digests too. It is decided here and not in SQL, because a digest that was made before the ledger got a fact is shorter and
still equal.
"""

from collections.abc import Callable, Sequence
from typing import Any

from kernel.ledger.fact_digests import differing_facts


def conflicting_facts(
    first: Any, *, facts_digest: bytes | None, names: Sequence[str], is_recorded: Callable[[Any, str], bool] | None = None
) -> list[str]:
    """The names of the facts in which a repeated call differs from the first; none: it is a replay.

    `first`: the row of the first call, with its `first_digest`. `facts_digest`: the repeated call's digest of the facts `names`, in the
    ledger's order. `is_recorded(first, name)` says whether the first row records the very value that this call means for the fact: a
    default that is stated explicitly in one call and left out in the other is no difference.
    """
    fields = differing_facts(names, bytes(first.first_digest or b""), facts_digest or b"")
    if is_recorded is not None:
        fields = [name for name in fields if not is_recorded(first, name)]
    return fields
