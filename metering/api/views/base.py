"""What the views of the metering API share."""

from kernel.api.views import LedgerViewSet
from metering.api.dialect import dialect


class MeteringViewSet(LedgerViewSet):
    dialect = dialect
    ledger = "metering"
