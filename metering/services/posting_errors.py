"""The errors for refused outcomes of `metering_post`."""

from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from kernel.ledger.errors import InvalidValue, LedgerError
from metering.services.settings import out_of_bounds


def posting_errors(facts: Mapping[str, Any], *, tenant_id: UUID) -> Mapping[str, Callable[[Any], LedgerError]]:
    """For each refused outcome a function from its row to the error. `facts`: what the caller stated."""
    return {
        "unknown_agent": lambda _: InvalidValue(field="agent_id", reason="unknown_agent", value=str(facts["agent_id"])),
        "out_of_bounds": lambda _: out_of_bounds(tenant_id=tenant_id),
    }
