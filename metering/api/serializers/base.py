"""Base classes of the metering API's bodies and replies."""

from kernel.api.serializers import Body, Reply
from metering.api.dialect import dialect


class MeteringBody(Body):
    dialect = dialect


class MeteringReply(Reply):
    dialect = dialect
