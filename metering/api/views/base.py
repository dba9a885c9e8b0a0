"""What the views of the metering API share."""

from typing import ClassVar

from kernel.api.dialect import Dialect
from kernel.api.views import LedgerViewSet
from metering.api.dialect import dialect


class MeteringViewSet(LedgerViewSet):
    dialect: ClassVar[Dialect] = dialect
    ledger = "metering"
