"""Every file that a tenant's books can be taken out as, in the order in which those that come back are brought in."""

import billing.exports
import credits.exports
import kernel.ledger.exports.tables
import metering.exports
from kernel.ledger.exports.writing import Export

EXPORTS: dict[str, Export] = {
    export.name: export
    for export in (
        *billing.exports.EXPORTS,
        *credits.exports.EXPORTS,
        *metering.exports.EXPORTS,
        *kernel.ledger.exports.tables.EXPORTS,
    )
}
