"""The values of the metering ledger's enumerated columns, and the moves between statuses."""

from django.db.models import TextChoices


class Status(TextChoices):
    PENDING = "pending"
    PREPARING = "preparing"
    AUTHORIZED = "authorized"
    COMPLETED = "completed"
    DENIED = "denied"
    CANCELLED = "cancelled"


# From which statuses each status may be reached: a copy of the SQL function metering_may_move, which decides.
# tests/metering/test_lifecycle.py holds the two equal.
MOVES: dict[Status, tuple[Status, ...]] = {
    Status.PREPARING: (Status.PENDING,),
    Status.AUTHORIZED: (Status.PREPARING,),
    Status.DENIED: (Status.PREPARING,),
    Status.COMPLETED: (Status.AUTHORIZED,),
    Status.CANCELLED: (Status.PENDING, Status.PREPARING, Status.AUTHORIZED),
}


# To which statuses an authorized transaction may go when authorization is asked for again (the SQL function metering_begins_round).
BEGINS_ROUND = (Status.PREPARING, Status.DENIED)


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
    """Whether reported facts became a cost, and if not, why."""

    PRICED = "priced"
    # Some counters of the facts were not understood, so the cost is an estimate and not an actual one.
    PARTLY_READ = "partly_read", "Partly read"
    # The facts of a request say what it expects, not what it used.
    NOT_ASKED = "not_asked", "Not asked"
    UNKNOWN_MODEL = "unknown_model", "Unknown model"
    MISSING_QUANTITY = "missing_quantity", "Missing quantity"
    # An actual cost is known already; the facts would count it twice, or replace it by an estimate.
    ALREADY_KNOWN = "already_known", "Already known"
    # A partial or error report that came after the response.
    LATE = "late"


class ReportedCosts(TextChoices):
    """What becomes of a cost that a provider's own reply states."""

    # It stands in the cost's details beside the computed amount, with the difference.
    COMPARE = "compare"
    # It is the actual cost. Prices of the tenant's own still come first.
    ACTUAL = "actual"


class TierMode(TextChoices):
    """How the tiers of a unit price apply to a quantity."""

    # Each part of the quantity costs what its own tier says.
    GRADUATED = "graduated"
    # The whole quantity costs what the tier says that it ends in.
    VOLUME = "volume"


class Grain(TextChoices):
    HOUR = "hour"
    DAY = "day"


class UsageClock(TextChoices):
    """The time of a transaction that a question about usage goes by: those of kernel.ledger.clocks.Clock, as the API of usage says them."""

    OCCURRED = "occurred"
    RECORDED = "recorded"


class SumGrain(TextChoices):
    """The steps of time (UTC) that usage is summed by."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


class SumClock(TextChoices):
    """Which clocks a sum of usage counts for."""

    BOTH = "both", "Happened, and was booked"
    OCCURRED = "occurred", "Happened"
    RECORDED = "recorded", "Was booked"


class KeyPlace(TextChoices):
    QUALIFIERS = "qualifiers"
    METADATA = "metadata"


# The dimensions that sums of usage are kept by, with their numbers. Declared keys follow from FIRST_KEY on. The currency and the outcome
# are in every sum; traces are in none, because most transactions have one of their own.
DIMENSIONS = {"service": 1, "action": 2, "resource": 3, "model": 4, "agent": 5, "customer": 6}
FIRST_KEY = 7
MAX_KEYS = 8
