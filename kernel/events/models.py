"""Endpoints that receive events, the events, what is to be sent to whom, and each attempt to send it."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from kernel.events.choices import (
    ACCOUNT_LENGTH,
    OBJECT_ID_LENGTH,
    OPEN_STATES,
    TYPE_LENGTH,
    URL_LENGTH,
    DeliveryState,
    DisabledReason,
    EndpointStatus,
    Ordering,
    Origin,
    Payload,
)
from kernel.ledger.base_models import TenantOwned, tenant_foreign_key, tenant_of_account
from kernel.ledger.json_field import DocumentField


class Endpoint(TenantOwned):
    """An address of a tenant's own that its events are sent to.

    `enabled_events` are patterns: `*`, `billing.*`, or a type's whole name. An empty `url` receives nothing: its events are only written,
    for callers that list them. The signing secret isn't stored: it is derived from the id and `secret_generation` (signing.py). Until
    `previous_valid_until` the secret of the generation before signs as well.
    """

    url = models.CharField(max_length=URL_LENGTH, blank=True)
    description = models.CharField(max_length=1000, blank=True, default="")
    enabled_events = ArrayField(models.CharField(max_length=TYPE_LENGTH))
    ordering = models.CharField(max_length=8, choices=Ordering.choices, default=Ordering.NONE)
    payload = models.CharField(max_length=8, choices=Payload.choices, default=Payload.FULL)
    # Sent with every request, by name. The values may be credentials of the receiver's: no API returns them.
    headers = models.JSONField(default=dict, blank=True)
    metadata = DocumentField(null=True, blank=True)
    status = models.CharField(max_length=8, choices=EndpointStatus.choices, default=EndpointStatus.ENABLED)
    disabled_reason = models.CharField(max_length=8, choices=DisabledReason.choices, blank=True, default="")
    disabled_at = models.DateTimeField(null=True, blank=True)
    # Why a person disabled it, in their words.
    disabled_note = models.CharField(max_length=200, blank=True, default="")
    secret_generation = models.PositiveIntegerField(default=1)
    previous_valid_until = models.DateTimeField(null=True, blank=True)
    # How many attempts have failed since the last success, and when the first of them did.
    consecutive_failures = models.PositiveIntegerField(default=0)
    first_failure_at = models.DateTimeField(null=True, blank=True)
    last_success_at = models.DateTimeField(null=True, blank=True)
    # The receiver asked for a pause (Retry-After): nothing is sent before.
    not_before = models.DateTimeField(null=True, blank=True)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    created_by = models.CharField(max_length=128)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(status__in=EndpointStatus.values)
                & (Q(status=EndpointStatus.ENABLED, disabled_reason="") | ~Q(status=EndpointStatus.ENABLED)),
                name="events_endpoint_state_check",
            ),
            models.CheckConstraint(condition=Q(secret_generation__gte=1), name="events_endpoint_secret_check"),
        ]

    def __str__(self) -> str:
        return self.url or f"Pull {self.id}"


class Listener(TenantOwned):
    """Whether anybody listens to a tenant's events, and to which: the patterns of all endpoints that aren't deleted.

    Posting functions look here, and write no event where there is no row. Endpoints that are disabled count: what happens meanwhile can be
    recovered once they are enabled again.
    """

    patterns = ArrayField(models.CharField(max_length=TYPE_LENGTH))

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant"], name="events_listener_tenant_key")]

    def __str__(self) -> str:
        return f"Listener of {self.tenant_id}"


class Event(TenantOwned):
    """Something that happened, written by the transaction in which it happened.

    The writer stores the object as it was then (`snapshot`). Fan-out (services/fan_out.py) makes the body of it, gives the event its
    `position` in the tenant's list, and drops the snapshot. Events of one `account` are in the order of `sequence`, then of id.
    `object_id` is what the object's own GET takes.

    Not partitioned: the primary key begins with no time, and references from deliveries would need the time as well. Old events are
    deleted in pages instead (services/clean_up.py).
    """

    type = models.CharField(max_length=TYPE_LENGTH)
    account = models.CharField(max_length=ACCOUNT_LENGTH, blank=True, default="")
    sequence = models.BigIntegerField(null=True, blank=True)
    object_id = models.CharField(max_length=OBJECT_ID_LENGTH, blank=True, default="")
    occurred_at = models.DateTimeField()
    created_at = models.DateTimeField(db_default=Now())
    snapshot = DocumentField(null=True, blank=True)
    # The bytes that are sent and signed, as text.
    body = models.TextField(null=True, blank=True)  # noqa: DJ001 - null until fan-out
    position = models.BigIntegerField(null=True, blank=True)
    fanned_out_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            # With a condition, as the columns of a total key may not be changed by the service's role: fan-out sets the position.
            models.UniqueConstraint(fields=["tenant", "position"], name="events_event_position_key", condition=Q(position__isnull=False)),
            models.CheckConstraint(
                condition=Q(fanned_out_at__isnull=True) | Q(body__isnull=False, snapshot__isnull=True), name="events_event_fanned_out_check"
            ),
        ]
        indexes = [
            models.Index(fields=["id"], name="events_event_waiting", condition=Q(fanned_out_at__isnull=True)),
            # An ordered endpoint waits for earlier events of the account that aren't fanned out yet.
            models.Index(fields=["tenant", "account", "sequence"], name="events_event_ordered", condition=Q(fanned_out_at__isnull=True)),
            models.Index(fields=["tenant", "type", "position"], name="events_event_type"),
            models.Index(fields=["tenant", "account", "-id"], name="events_event_account", condition=~Q(account="")),
            models.Index(fields=["tenant", "object_id"], name="events_event_object", condition=~Q(object_id="")),
        ]

    def __str__(self) -> str:
        return f"{self.type} {self.id}"


class Delivery(TenantOwned):
    """One event for one endpoint, and how far it is. While it is leased, `next_at` is the end of the lease: then it is due again."""

    tenant = tenant_of_account()
    event = tenant_foreign_key("events.Event", related_name="deliveries")
    endpoint = tenant_foreign_key("events.Endpoint", related_name="deliveries")
    origin = models.CharField(max_length=8, choices=Origin.choices, default=Origin.LIVE)
    state = models.CharField(max_length=10, choices=DeliveryState.choices, default=DeliveryState.PENDING)
    # How many were begun. One that was cut off, because the worker ended, has no row in the log of attempts.
    attempts = models.PositiveIntegerField(default=0)
    # How many of them failed: what the time to the next attempt depends on.
    failures = models.PositiveIntegerField(db_default=0)
    next_at = models.DateTimeField(db_default=Now())
    # Copies of the event's, for the order of an account.
    account = models.CharField(max_length=ACCOUNT_LENGTH, blank=True, default="")
    sequence = models.BigIntegerField(null=True, blank=True)
    # An ordered endpoint didn't wait for this one any longer, because it failed for too long.
    released_by_age = models.BooleanField(default=False)
    first_attempt_at = models.DateTimeField(null=True, blank=True)
    last_status_code = models.PositiveIntegerField(null=True, blank=True)
    last_error = models.CharField(max_length=200, blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["tenant", "event", "endpoint"], name="events_delivery_live_key", condition=Q(origin=Origin.LIVE)
            ),
            models.CheckConstraint(
                condition=Q(state__in=OPEN_STATES, finished_at__isnull=True)
                | (Q(state__in=DeliveryState.values, finished_at__isnull=False) & ~Q(state__in=OPEN_STATES)),
                name="events_delivery_state_check",
            ),
        ]
        indexes = [
            models.Index(fields=["endpoint", "next_at", "id"], name="events_delivery_due", condition=Q(state__in=OPEN_STATES)),
            models.Index(
                fields=["endpoint", "account", "sequence", "event"],
                name="events_delivery_ordered",
                condition=Q(state__in=OPEN_STATES, released_by_age=False) & ~Q(account=""),
            ),
            # What an ordered endpoint gets without waiting for others.
            models.Index(
                fields=["endpoint", "next_at", "id"],
                name="events_delivery_unordered",
                condition=Q(state__in=OPEN_STATES) & (Q(account="") | Q(released_by_age=True)),
            ),
            models.Index(fields=["tenant", "endpoint", "-id"], name="events_delivery_page"),
            models.Index(fields=["tenant", "endpoint", "state", "-id"], name="events_delivery_state"),
            models.Index(fields=["tenant", "event"], name="events_delivery_event"),
        ]

    def __str__(self) -> str:
        return f"Delivery {self.id}"


class Attempt(TenantOwned):
    """One request that was sent, and what became of it. `error` is empty for a 2xx answer; `response_head` is cut at 4 KB."""

    tenant = tenant_of_account()
    delivery = tenant_foreign_key("events.Delivery", related_name="attempt_rows")
    number = models.PositiveIntegerField()
    at = models.DateTimeField()
    duration_ms = models.PositiveIntegerField()
    status_code = models.PositiveIntegerField(null=True, blank=True)
    error = models.CharField(max_length=200, blank=True, default="")
    # As sent, without the values of the endpoint's own headers.
    request_headers = models.JSONField(default=dict)
    response_head = models.TextField(blank=True, default="")
    ip = models.CharField(max_length=64, blank=True, default="")

    class Meta:
        ordering = ["-id"]
        constraints = [models.UniqueConstraint(fields=["tenant", "delivery", "number"], name="events_attempt_number_key")]

    def __str__(self) -> str:
        return f"Attempt {self.number}"


class IdempotentCall(TenantOwned):
    """A call of the webhooks API with its idempotency key: a repeated call gets the first one's `result`."""

    key = models.CharField(max_length=255)
    operation = models.CharField(max_length=32)
    # Eight bytes for each fact, in the order of the facts' names (kernel/ledger/fact_digests.py).
    facts_digest = models.BinaryField(max_length=256)
    result = models.JSONField()
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["tenant", "key"], name="events_idempotentcall_key")]

    def __str__(self) -> str:
        return f"{self.operation} {self.key}"


class SecretReading(TenantOwned):
    """Somebody read the secret of an endpoint."""

    endpoint = tenant_foreign_key("events.Endpoint")
    generation = models.PositiveIntegerField()
    actor = models.CharField(max_length=128)
    request_id = models.CharField(max_length=128, blank=True, default="")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["tenant", "endpoint", "-id"], name="events_secretreading_page")]

    def __str__(self) -> str:
        return f"Reading of secret {self.generation}"
