"""All exports of a tenant's ledgers. Those that a backfill imports are in the order in which they must be imported."""

import billing.exports
import credits.exports
import kernel.backfills.exports
import kernel.corrections.exports
import kernel.events.exports
import metering.exports
import metering.paying.exports
import metering.rules.exports
from kernel.ledger.exports.definitions import LedgerFile

EXPORTS: dict[str, LedgerFile] = {
    export.name: export
    for exports in (
        billing.exports.EXPORTS,
        credits.exports.EXPORTS,
        metering.exports.EXPORTS,
        metering.rules.exports.EXPORTS,
        metering.paying.exports.EXPORTS,
        kernel.corrections.exports.EXPORTS,
        kernel.backfills.exports.EXPORTS,
        kernel.events.exports.EXPORTS,
    )
    for export in exports
}
