"""The last results of verify_ledgers, of which the dashboard shows failures."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from backoffice.models import IntegrityRun


def save_integrity_run(*, tenant_id: UUID | None, ledgers: Sequence[str], checks: Sequence[dict[str, Any]]) -> IntegrityRun:
    """Save the result of a run of verify_ledgers. `checks`: each with its name (`check`), `seconds` and `violations`."""
    wrong = [check for check in checks if check["violations"]]
    first = f"{wrong[0]['check']}: {wrong[0]['violations'][0]}" if wrong else ""
    return IntegrityRun.objects.create(
        tenant_id=tenant_id,
        ledgers=", ".join(ledgers)[:100],
        seconds=sum(check["seconds"] for check in checks),
        violations=sum(len(check["violations"]) for check in checks),
        first=first,
    )


def failed_integrity_runs(tenant_ids: frozenset[UUID] | None) -> list[IntegrityRun]:
    """The newest run of each scope (tenant and ledgers) if it found violations."""
    newest = IntegrityRun.objects.order_by("tenant_id", "ledgers", "-id").distinct("tenant_id", "ledgers")
    found = [check for check in newest if check.violations]
    return [check for check in found if tenant_ids is None or check.tenant_id in tenant_ids]
