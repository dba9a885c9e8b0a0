"""Every file that a tenant's books can be taken out as, in the order in which those that come back are brought in."""

import billing.history.exports
import credits.history.exports
import kernel.ledger.exports
import metering.history.exports
from kernel.ledger.exporting import Export

EXPORTS: dict[str, Export] = {
    export.name: export
    for export in (
        *billing.history.exports.EXPORTS,
        *credits.history.exports.EXPORTS,
        *metering.history.exports.EXPORTS,
        *kernel.ledger.exports.EXPORTS,
    )
}
