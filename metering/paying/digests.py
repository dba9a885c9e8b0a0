"""The facts of each call about a payment that its digest covers, in the order of the digest (kernel/ledger/fact_digests.py)."""

from collections.abc import Mapping
from typing import Any

from kernel.ledger.fact_digests import digest

CAPTURE_FACTS = ("payment", "amount", "final")
EXTENSION_FACTS = ("payment", "expires_at")


def capture_digest(facts: Mapping[str, Any]) -> bytes:
    """The digest of a capture's facts. A final one is the default, so it counts as not given."""
    return digest({**facts, "payment": str(facts["payment"]), "final": None if facts["final"] else False}, CAPTURE_FACTS)


def extension_digest(facts: Mapping[str, Any]) -> bytes:
    """The digest of an extension's facts."""
    return digest({**facts, "payment": str(facts["payment"])}, EXTENSION_FACTS)
