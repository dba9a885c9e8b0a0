"""What all bodies and replies of the metering API have in common."""

from kernel.api.serializers import Body, Reply
from metering.api.dialect import dialect


class MeteringBody(Body):
    dialect = dialect


class MeteringReply(Reply):
    dialect = dialect
