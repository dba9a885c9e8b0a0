"""Every check of every ledger."""

from collections.abc import Callable, Iterator
from uuid import UUID

from django.db import connection

import billing.integrity.checks
import billing.integrity.digests
import credits.integrity.checks
import credits.integrity.digests
import metering.integrity.checks
import metering.integrity.digests
import metering.paying.integrity
import metering.rules.integrity
import metering.services.usage_checks
from kernel.ledger.integrity.checks import Check, Violation, find_violations
from kernel.ledger.integrity.digests import DigestCheck, find_digest_violations

Search = Callable[[UUID | None, int], Iterator[Violation]]
CHECKS: dict[str, tuple[Check, ...]] = {
    "billing": billing.integrity.checks.CHECKS,
    "credits": credits.integrity.checks.CHECKS,
    "metering": (*metering.integrity.checks.CHECKS, *metering.rules.integrity.CHECKS, *metering.paying.integrity.CHECKS),
}
DIGESTS: dict[str, tuple[DigestCheck, ...]] = {
    "billing": billing.integrity.digests.CHECKS,
    "credits": credits.integrity.digests.CHECKS,
    "metering": (*metering.integrity.digests.CHECKS, *metering.paying.integrity.DIGEST_CHECKS),
}
# Checks that read documents as the services do: name, rule and search.
READINGS: dict[str, tuple[tuple[str, str, Search], ...]] = {
    "metering": (
        (
            metering.services.usage_checks.NAME,
            metering.services.usage_checks.RULE,
            metering.services.usage_checks.find_misread_usage,
        ),
    ),
}
LEDGERS = tuple(CHECKS)
# The table whose rows the report counts: a passed check of an empty table proves nothing.
ENTRIES = {"billing": "billing_transaction", "credits": "credits_transaction", "metering": "metering_transaction"}


def count_rows(ledger: str, *, tenant_id: UUID | None) -> int:
    """The number of entries in a ledger, of one tenant or of all."""
    with connection.cursor() as cursor:
        statement = f"SELECT count(*) FROM {ENTRIES[ledger]} WHERE %(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s"  # noqa: S608
        cursor.execute(statement, {"tenant": tenant_id})
        return int(cursor.fetchone()[0])


def checks_of(ledger: str) -> Iterator[tuple[str, str, Search]]:
    """For each check of a ledger its name, its rule, and the function that finds violations: (tenant or None, at most) -> violations."""
    for check in CHECKS[ledger]:
        yield check.name, check.rule, _search(check)
    for digest_check in DIGESTS[ledger]:
        yield digest_check.name, digest_check.rule, _digest_search(digest_check)
    yield from READINGS.get(ledger, ())


def _search(check: Check) -> Search:
    return lambda tenant_id, at_most: find_violations([check], tenant_id=tenant_id, at_most=at_most)


def _digest_search(check: DigestCheck) -> Search:
    return lambda tenant_id, at_most: find_digest_violations(check, tenant_id=tenant_id, at_most=at_most)
