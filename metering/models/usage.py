"""What transactions used, and its sums by any two dimensions: derived from the ledger's rows by metering/services/usage_counting.py."""

from typing import Any

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from kernel.ledger.base_models import TenantOwned, one_of
from metering.choices import KeyPlace, SumClock, SumGrain


def _sum(places: int) -> Any:
    """A sum of amounts or of tokens. Wider than one amount or counter may be: a sum that didn't fit could not be kept."""
    return models.DecimalField(default=0, max_digits=60, decimal_places=places)


class Measured(TenantOwned):
    """The measures of usage. `amount` sums active costs, `estimated` the estimates among them, both in one currency.

    A transaction has a row for each currency of its active costs, one with the empty currency if it has none. `transactions` counts all
    of them, `repeated` those beside its first, which alone has the tokens: over all currencies a transaction is counted
    transactions - repeated times, which is once.
    """

    transactions = models.BigIntegerField(default=0)
    repeated = models.BigIntegerField(default=0)
    amount = _sum(18)
    estimated = _sum(18)
    input_tokens = _sum(0)
    output_tokens = _sum(0)
    cache_read_tokens = _sum(0)
    cache_write_tokens = _sum(0)
    input_audio_tokens = _sum(0)
    output_audio_tokens = _sum(0)
    reasoning_tokens = _sum(0)

    # Rows may be deleted, because they can be made again from the ledger.
    is_derived = True

    class Meta:
        abstract = True


class Usage(Measured):
    """What one transaction counts for in the sums, in one currency."""

    transaction_id = models.UUIDField()
    currency = models.CharField(max_length=3)
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField()
    service = models.CharField(max_length=255)
    action = models.CharField(max_length=255)
    resource = models.CharField(max_length=2048)
    model = models.TextField(null=True)  # noqa: DJ001 - null where no model is known
    agent = models.UUIDField(null=True)
    customer = models.CharField(max_length=255, null=True)  # noqa: DJ001 - as in the transaction
    # As callers know it: the trace's reference.
    trace = models.UUIDField()
    outcome = models.CharField(max_length=16, null=True)  # noqa: DJ001 - null until completed
    # The values of the keys that were declared when it was counted, by their dimension's number: {"7": "prod", "8": null}.
    keys = models.JSONField(null=True)

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "usage"
        constraints = [models.UniqueConstraint(fields=["tenant", "transaction_id", "currency"], name="metering_usage_transaction_key")]
        indexes = [
            models.Index(fields=["tenant", "occurred_at", "transaction_id"], name="metering_usage_occurred"),
            models.Index(fields=["tenant", "recorded_at", "transaction_id"], name="metering_usage_recorded"),
            models.Index(fields=["tenant", "trace", "occurred_at"], name="metering_usage_trace"),
        ]

    def __str__(self) -> str:
        return f"Usage of call …{str(self.transaction_id)[-8:]}"


class UsageSum(Measured):
    """The usage of one hour, day or month (UTC) by two dimensions, by one, or by none, and always by currency and outcome.

    Dimensions are numbers (metering.choices.DIMENSIONS; declared keys have those from 7 on; 0 is none), the first lower than the second.
    What occurred and was recorded within the same hour is summed once, under the clock `both`; anything else once for each clock.
    """

    first_dimension = models.SmallIntegerField()
    second_dimension = models.SmallIntegerField()
    grain = models.CharField(max_length=5, choices=SumGrain)
    clock = models.CharField(max_length=8, choices=SumClock)
    starts_at = models.DateTimeField()
    # A hash of the values, the currency and the outcome: values may be too long for an index.
    digest = models.UUIDField()
    first = models.TextField(null=True)  # noqa: DJ001 - null where the transaction has no value
    second = models.TextField(null=True)  # noqa: DJ001 - as first
    currency = models.CharField(max_length=3)
    outcome = models.CharField(max_length=16, null=True)  # noqa: DJ001 - null until completed

    class Meta:
        ordering = ["-starts_at"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "first_dimension", "second_dimension", "grain", "clock", "starts_at", "digest"],
                name="metering_usagesum_key",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_grain_display()} from {self.starts_at:%Y-%m-%d %H:%M} UTC"


class UsageNote(TenantOwned):
    """Says that a transaction changed, so that its usage is to be counted again. Written by the call that changed it."""

    transaction_id = models.UUIDField()

    is_derived = True

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["tenant", "transaction_id"], name="metering_usagenote_transaction")]

    def __str__(self) -> str:
        return f"Call …{str(self.transaction_id)[-8:]} changed"


class UsageProgress(TenantOwned):
    """How far a tenant's usage is counted: every transaction recorded before `counted_until` is. Later ones may be counted too."""

    counted_until = models.DateTimeField()

    class Meta:
        ordering = ["-id"]
        verbose_name_plural = "usage progress"
        constraints = [models.UniqueConstraint(fields=["tenant"], name="metering_usageprogress_tenant_key")]

    def __str__(self) -> str:
        return f"Usage of {self.tenant}"


class UsageKey(TenantOwned):
    """A member of qualifiers or metadata that the tenant has declared as a dimension of its usage.

    Transactions that were counted before are counted again by a job, oldest first, up to `backfill_until`. Until then the key is known of
    what happened from `counts_from` on; null: of everything.
    """

    place = models.CharField(max_length=16, choices=KeyPlace)
    name = models.CharField(max_length=64)
    # The number of its dimension; a number is never given twice.
    number = models.SmallIntegerField()
    declared_at = models.DateTimeField(db_default=Now())
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    counts_from = models.DateTimeField(null=True, blank=True)
    # The last transaction that the job has counted again.
    backfilled_at = models.DateTimeField(null=True, blank=True)
    backfilled_id = models.UUIDField(null=True, blank=True)
    # False: it is withdrawn and its sums are deleted.
    has_sums = models.BooleanField(default=True, db_default=True)
    actor = models.CharField(max_length=128)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "place", "name"], name="metering_usagekey_name_key", condition=Q(withdrawn_at__isnull=True)
            ),
            models.UniqueConstraint(fields=["tenant", "number"], name="metering_usagekey_number_key"),
            models.CheckConstraint(condition=Q(number__gte=7), name="metering_usagekey_number_check"),
            models.CheckConstraint(condition=one_of("place", KeyPlace.values), name="metering_usagekey_place_check"),
        ]

    def __str__(self) -> str:
        return f"{self.place}.{self.name}"
