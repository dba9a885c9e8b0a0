"""Enumerations of endpoints and deliveries."""

from django.db import models


class EndpointStatus(models.TextChoices):
    """Whether an endpoint is sent to. A deleted one stays as a row, because its deliveries are the log of what was sent."""

    ENABLED = "enabled", "Enabled"
    DISABLED = "disabled", "Disabled"
    DELETED = "deleted", "Deleted"


class DisabledReason(models.TextChoices):
    """Why an endpoint is disabled: the receiver answered 410, it failed for days, or a person disabled it."""

    GONE = "gone", "Gone"
    FAILING = "failing", "Failing"
    BY_USER = "by_user", "By a person"


class Ordering(models.TextChoices):
    """`account`: an event waits until the one before it of the same account is delivered or given up."""

    NONE = "none", "None"
    ACCOUNT = "account", "By account"


class Payload(models.TextChoices):
    """`thin`: the body holds only the object's id, for receivers that should not see amounts."""

    FULL = "full", "Full"
    THIN = "thin", "Thin"


class DeliveryState(models.TextChoices):
    """`pending`: never tried; `leased`: a worker sends it now; `waiting`: tried, and due again later. The others are final."""

    PENDING = "pending", "Pending"
    LEASED = "leased", "Being sent"
    WAITING = "waiting", "Waiting to retry"
    DELIVERED = "delivered", "Delivered"
    FAILED = "failed", "Failed"
    SKIPPED = "skipped", "Skipped"


OPEN_STATES = (DeliveryState.PENDING, DeliveryState.LEASED, DeliveryState.WAITING)


class Origin(models.TextChoices):
    """Why a delivery exists: the event happened, or somebody asked to have it sent (again)."""

    LIVE = "live", "Live"
    REPLAY = "replay", "Replay"
    RECOVER = "recover", "Recovery"
    TEST = "test", "Test"


TYPE_LENGTH = 64
ACCOUNT_LENGTH = 300
OBJECT_ID_LENGTH = 300
URL_LENGTH = 2048
