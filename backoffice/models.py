"""Tables of the back office itself. All but `Change` could be deleted without harm to a ledger."""

from uuid import UUID, uuid5

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from kernel.ledger.identifiers import new_id
from kernel.ledger.json_field import ExactDecoder
from kernel.ledger.money import MoneyField
from kernel.tenants.models import Tenant


class DaySum(models.Model):
    """What a tenant billed, granted, or its customers consumed on one UTC day of book time, in one currency or metric, net of reversals.

    A day of book time that is over never changes, so a job sums it once. `occurred_on`: the UTC day of world time. `customer_id` empty: all
    customers; else one of those who consumed most on the day, and `occurred_on` is the day itself.
    """

    class FigureName(models.TextChoices):
        BILLED = "billed", "Billed"
        WALLET_ADJUSTED = "wallet_adjusted", "Wallets adjusted"
        GRANTED = "granted", "Granted"
        CONSUMED = "consumed", "Consumed"
        CREDIT_ADJUSTED = "credit_adjusted", "Credit adjusted"

    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="+")
    day = models.DateField()
    occurred_on = models.DateField()
    unit = models.CharField(max_length=255)
    figure = models.CharField(max_length=16, choices=FigureName.choices)
    customer_id = models.CharField(max_length=255, blank=True, default="")
    entries = models.BigIntegerField()
    amount = MoneyField()

    class Meta:
        ordering = ["-day", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["day", "tenant", "unit", "figure", "customer_id", "occurred_on"], name="backoffice_daysum_key")
        ]

    def __str__(self) -> str:
        return f"{self.day} {self.get_figure_display()}"


class ClosedDay(models.Model):
    """A day whose DaySum rows are complete."""

    day = models.DateField(primary_key=True)

    class Meta:
        ordering = ["-day"]

    def __str__(self) -> str:
        return str(self.day)


def id_of_customer(tenant_id: UUID, customer_id: str) -> UUID:
    """The id of a customer's row that a request for a grant makes: the same each time, so that every page of its form names one row."""
    return uuid5(tenant_id, customer_id)


class Customer(models.Model):
    """What staff call a customer, and what they note about it. The ledgers know customers by the ids that callers give.

    A request for a new grant names this row, so that it exists for a customer without a grant too.
    """

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="+")
    customer_id = models.CharField(max_length=255)
    name = models.CharField(max_length=200, blank=True, default="")
    metadata = models.JSONField(blank=True, default=dict)
    updated_by = models.CharField(max_length=128)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["tenant", "customer_id"], name="backoffice_customer_key")]

    def __str__(self) -> str:
        return self.name or self.customer_id


class KeptDuplicate(models.Model):
    """A near-duplicate that somebody looked at and kept, with the reason: it needs no attention any more."""

    tenant = models.ForeignKey(Tenant, models.PROTECT, related_name="+")
    transaction_id = models.UUIDField()
    reason = models.CharField(max_length=1000)
    decided_by = models.CharField(max_length=128)
    decided_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["tenant", "transaction_id"], name="backoffice_keptduplicate_key")]

    def __str__(self) -> str:
        return f"Kept {str(self.transaction_id)[-8:]}"


class Export(models.Model):
    """A workbook that is written in the background. `moved_at` is updated while it is written."""

    class State(models.TextChoices):
        WRITING = "writing", "Being written"
        READY = "ready", "Ready"
        FAILED = "failed", "Failed"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    title = models.CharField(max_length=200)
    # The path and query of the exported list.
    source = models.TextField()
    format = models.CharField(max_length=4)
    state = models.CharField(max_length=8, choices=State.choices, default=State.WRITING)
    rows = models.BigIntegerField(default=0)
    expected = models.BigIntegerField(default=0)
    bytes = models.BigIntegerField(default=0)
    error = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    moved_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.title


class SavedView(models.Model):
    """A list with its filters, saved by a user under a name."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    name = models.CharField(max_length=80)
    # The list's path, and its query string.
    path = models.CharField(max_length=200)
    query = models.TextField(blank=True, default="")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        ordering = ["name", "id"]
        constraints = [models.UniqueConstraint(fields=["user", "path", "name"], name="backoffice_savedview_key")]

    def __str__(self) -> str:
        return self.name


class Change(models.Model):
    """One change of a setting, written by a trigger, so that changes by raw SQL are recorded as well.

    `actor` is empty if the change didn't come from a service of this application; `database_user` is always set.
    """

    at = models.DateTimeField(db_default=Now())
    table = models.CharField(max_length=100)
    row = models.CharField(max_length=64)
    tenant_id = models.UUIDField(null=True, blank=True)
    operation = models.CharField(max_length=6)
    before = models.JSONField(null=True, decoder=ExactDecoder)
    after = models.JSONField(null=True, decoder=ExactDecoder)
    actor = models.CharField(max_length=128, blank=True, default="")
    request_id = models.CharField(max_length=128, blank=True, default="")
    database_user = models.CharField(max_length=64)

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["table", "row", "id"], name="backoffice_change_row")]

    def __str__(self) -> str:
        return f"{self.operation.lower()} {self.table}"


class IntegrityRun(models.Model):
    """One run of verify_ledgers: how many violations it found, and the first. Only the newest run of a scope counts."""

    at = models.DateTimeField(db_default=Now())
    # The tenant that was checked; null where all were.
    tenant = models.ForeignKey(Tenant, models.PROTECT, null=True, blank=True, related_name="+")
    ledgers = models.CharField(max_length=100)
    seconds = models.FloatField()
    violations = models.PositiveIntegerField()
    first = models.TextField(blank=True, default="")

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.ledgers}: {self.violations} violations"


class SignIn(models.Model):
    """An attempt to sign in to the back office. It limits how fast passwords can be tried, and is kept for MAX_AGE of staff/sign_in.py.

    `name_digest`: SHA-256 of the name that was typed. The name itself isn't stored, because people type passwords into the wrong field.
    `user`: the staff account with this name, if there is one.
    """

    class Outcome(models.TextChoices):
        OK = "ok", "Signed in"
        FAILED = "failed", "Wrong name or password"
        BLOCKED = "blocked", "Too many attempts"

    at = models.DateTimeField(db_default=Now())
    name_digest = models.CharField(max_length=64)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    address = models.GenericIPAddressField(null=True, blank=True)
    outcome = models.CharField(max_length=8, choices=Outcome.choices)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["name_digest", "at"], name="backoffice_signin_name"),
            models.Index(fields=["address", "at"], name="backoffice_signin_address"),
        ]

    def __str__(self) -> str:
        return f"Sign-in of {self.user}" if self.user else "Sign-in of an unknown name"
