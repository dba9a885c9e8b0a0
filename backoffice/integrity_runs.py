"""The last results of verify_ledgers, of which the dashboard shows failures."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from backoffice.models import BookCheck


def remember_check(*, tenant_id: UUID | None, ledgers: Sequence[str], checks: Sequence[dict[str, Any]]) -> BookCheck:
    """Save the result of a run of verify_ledgers. `checks`: each with its name (`check`), `seconds` and `violations`."""
    wrong = [check for check in checks if check["violations"]]
    first = f"{wrong[0]['check']}: {wrong[0]['violations'][0]}" if wrong else ""
    return BookCheck.objects.create(
        tenant_id=tenant_id,
        ledgers=", ".join(ledgers)[:100],
        seconds=sum(check["seconds"] for check in checks),
        violations=sum(len(check["violations"]) for check in checks),
        first=first,
    )


def failed_checks(tenant_ids: frozenset[UUID] | None) -> list[BookCheck]:
    """The newest run of each scope (tenant and ledgers) if it found violations."""
    newest = BookCheck.objects.order_by("tenant_id", "ledgers", "-id").distinct("tenant_id", "ledgers")
    found = [check for check in newest if check.violations]
    return [check for check in found if tenant_ids is None or check.tenant_id in tenant_ids]
