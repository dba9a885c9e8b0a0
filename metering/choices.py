"""The words of a metered transaction's life."""

from django.db.models import TextChoices


class Status(TextChoices):
    PENDING = "pending"
    PREPARING = "preparing"
    AUTHORIZED = "authorized"
    COMPLETED = "completed"
    DENIED = "denied"
    CANCELLED = "cancelled"


# Whence a status may be reached. The database holds the same table in `metering_transaction_moves`.
MOVES: dict[Status, tuple[Status, ...]] = {
    Status.PREPARING: (Status.PENDING,),
    Status.AUTHORIZED: (Status.PREPARING,),
    Status.DENIED: (Status.PREPARING,),
    Status.COMPLETED: (Status.AUTHORIZED,),
    Status.CANCELLED: (Status.PENDING, Status.PREPARING, Status.AUTHORIZED),
}


class Outcome(TextChoices):
    SUCCESS = "success"
    ERROR = "error"


class FactPhase(TextChoices):
    REQUEST = "request"
    RESPONSE = "response"
    PARTIAL = "partial"
    ERROR = "error"


class AgentStatus(TextChoices):
    """An inactive agent's new transactions are recorded and denied."""

    ACTIVE = "active"
    INACTIVE = "inactive"


class Pricing(TextChoices):
    """What became of a fact's way to a cost."""

    PRICED = "priced"
    NOT_ASKED = "not_asked"
    UNKNOWN_MODEL = "unknown_model"
    MISSING_QUANTITY = "missing_quantity"
    # An actual cost was given by then; a second one would count twice.
    ALREADY_KNOWN = "already_known"


class Grain(TextChoices):
    HOUR = "hour"
    DAY = "day"
