"""Creates, changes and deletes webhook endpoints, and their secrets."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from kernel.base.setting_author import setting_author
from kernel.events import ids, registry
from kernel.events.choices import DisabledReason, EndpointStatus, Ordering, Payload
from kernel.events.errors import EndpointLimit, GraceRunning, VersionConflict
from kernel.events.http import signing
from kernel.events.http.url_safety import check_url
from kernel.events.models import Endpoint, SecretReading
from kernel.events.selectors.endpoints import get_endpoint, snapshot_of
from kernel.events.services.event_writer import write_event
from kernel.events.services.headers import check_headers
from kernel.events.services.idempotent_calls import IDS, claim_call
from kernel.events.services.listeners import refresh_listeners
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import InvalidValue
from kernel.ledger.identifiers import new_id
from kernel.tenants.models import Tenant

MAX_ENDPOINTS = 20
DEFAULT_GRACE_SECONDS, MAX_GRACE_SECONDS = 86_400, 604_800
MAX_PATTERNS = 100


@dataclass(frozen=True, slots=True)
class Created:
    """A new endpoint and its secret. `replayed`: an earlier call with the same key made it."""

    row: Endpoint
    secret: str
    replayed: bool = False


@translate_db_errors
def create_endpoint(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    enabled_events: Iterable[str],
    url: str = "",
    description: str = "",
    ordering: str = Ordering.NONE,
    payload: str = Payload.FULL,
    headers: Mapping[str, str | None] | None = None,
    metadata: Any = None,
    idempotency_key: str | None = None,
) -> Created:
    """A new endpoint. Without a `url` nothing is sent: its events are only listed.

    Raises InvalidValue, UrlRefused, EndpointLimit, SigningKeyMissing, IdempotencyConflict.
    """
    checked = {"enabled_events": _checked_patterns(enabled_events), "headers": check_headers(headers or {})}
    chosen = {"ordering": Ordering(ordering), "payload": Payload(payload)}
    facts = {"url": url, "description": description, "metadata": metadata, **checked, **chosen}
    if url:
        check_url(url)
    endpoint = Endpoint(id=new_id(), tenant_id=tenant_id, created_by=actor, **facts)
    # Without a signing key nothing could be sent: said before anything is written.
    secret = signing.secret_of(endpoint.id, 1)
    with setting_author(actor=actor, request_id=request_id):
        call = claim_call(
            tenant_id=tenant_id, operation="create_endpoint", key=idempotency_key, facts=facts, result={IDS: str(endpoint.id)}
        )
        if call.replayed:
            first = get_endpoint(tenant_id=tenant_id, endpoint_id=UUID(call.result[IDS]), also_deleted=True)
            return Created(first, signing.secret_of(first.id, 1), replayed=True)
        _check_limit(tenant_id)
        endpoint.save(force_insert=True)
        refresh_listeners(tenant_id=tenant_id)
    return Created(get_endpoint(tenant_id=tenant_id, endpoint_id=endpoint.id), secret)


@translate_db_errors
def change_endpoint(
    *, tenant_id: UUID, actor: str, request_id: str, endpoint_id: UUID, status: str | None = None, note: str | None = None, **changes: Any
) -> Endpoint:
    """update_endpoint, then enable_endpoint or disable_endpoint where `status` says so, all or nothing. Raises what these raise."""
    audit: dict[str, Any] = {"tenant_id": tenant_id, "actor": actor, "request_id": request_id, "endpoint_id": endpoint_id}
    with transaction.atomic():
        row = update_endpoint(**audit, **changes)
        if status == EndpointStatus.DISABLED:
            row = disable_endpoint(**audit, note=note or "")
        elif status == EndpointStatus.ENABLED:
            row = enable_endpoint(**audit)
    return row


@translate_db_errors
def update_endpoint(
    *, tenant_id: UUID, actor: str, request_id: str, endpoint_id: UUID, version: int | None = None, **changes: Any
) -> Endpoint:
    """Change what `changes` names: url, description, enabled_events, ordering, payload, headers, metadata. None leaves a field as it is.

    A header's value None keeps its present value. `version`: refuse if somebody changed the endpoint since. Raises NotFound, InvalidValue,
    UrlRefused, VersionConflict.
    """
    wanted = {name: value for name, value in changes.items() if value is not None}
    if "url" in wanted:
        check_url(wanted["url"])
    if "enabled_events" in wanted:
        wanted["enabled_events"] = _checked_patterns(wanted["enabled_events"])
    with setting_author(actor=actor, request_id=request_id):
        endpoint = _locked(tenant_id, endpoint_id, version=version)
        if "headers" in wanted:
            wanted["headers"] = check_headers(wanted["headers"], present=endpoint.headers)
        if wanted:
            _save(endpoint, **wanted)
            refresh_listeners(tenant_id=tenant_id)
    return get_endpoint(tenant_id=tenant_id, endpoint_id=endpoint_id)


@translate_db_errors
def disable_endpoint(*, tenant_id: UUID, actor: str, request_id: str, endpoint_id: UUID, note: str = "") -> Endpoint:
    """Stop sending to the endpoint. Its events are kept, so that they can be recovered. Disabling twice changes nothing.

    `note`: why, for people; it is kept with the change in the history of settings. Raises NotFound.
    """
    with setting_author(actor=actor, request_id=request_id):
        endpoint = _locked(tenant_id, endpoint_id)
        if endpoint.status == EndpointStatus.ENABLED:
            reason = DisabledReason.BY_USER
            _save(endpoint, status=EndpointStatus.DISABLED, disabled_reason=reason, disabled_note=note, disabled_at=Now())
            row = get_endpoint(tenant_id=tenant_id, endpoint_id=endpoint_id)
            write_event(
                tenant_id=tenant_id, type="webhook_endpoint.disabled", object_id=ids.endpoint_ref(endpoint_id), snapshot=snapshot_of(row)
            )
    return get_endpoint(tenant_id=tenant_id, endpoint_id=endpoint_id)


@translate_db_errors
def enable_endpoint(*, tenant_id: UUID, actor: str, request_id: str, endpoint_id: UUID) -> Endpoint:
    """Send to the endpoint again, with its count of failures at zero. What it missed is not sent by itself: see recover_deliveries.

    Raises NotFound.
    """
    fresh = {"consecutive_failures": 0, "first_failure_at": None, "not_before": None}
    with setting_author(actor=actor, request_id=request_id):
        endpoint = _locked(tenant_id, endpoint_id)
        if endpoint.status == EndpointStatus.DISABLED:
            _save(endpoint, status=EndpointStatus.ENABLED, disabled_reason="", disabled_note="", disabled_at=None, **fresh)
    return get_endpoint(tenant_id=tenant_id, endpoint_id=endpoint_id)


@translate_db_errors
def delete_endpoint(*, tenant_id: UUID, actor: str, request_id: str, endpoint_id: UUID) -> None:
    """Delete an endpoint for good. Its log stays. Raises NotFound: also for one that is deleted already."""
    with setting_author(actor=actor, request_id=request_id):
        _save(_locked(tenant_id, endpoint_id), status=EndpointStatus.DELETED)
        refresh_listeners(tenant_id=tenant_id)


@translate_db_errors
def rotate_secret(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    endpoint_id: UUID,
    grace_seconds: int = DEFAULT_GRACE_SECONDS,
    force: bool = False,
    idempotency_key: str | None = None,
) -> Created:
    """A new secret. For `grace_seconds` both secrets sign. While an earlier one still signs: refused, or with `force` dropped at once.

    Raises NotFound, GraceRunning, InvalidValue, IdempotencyConflict.
    """
    if not 0 <= grace_seconds <= MAX_GRACE_SECONDS:
        raise InvalidValue(field="grace_period_seconds", reason="too_large", max=MAX_GRACE_SECONDS)
    facts = {"endpoint_id": str(endpoint_id), "grace_seconds": grace_seconds, "force": force}
    with setting_author(actor=actor, request_id=request_id):
        call = claim_call(tenant_id=tenant_id, operation="rotate_secret", key=idempotency_key, facts=facts, result={IDS: str(endpoint_id)})
        endpoint = _locked(tenant_id, endpoint_id)
        if not call.replayed:
            if _is_in_grace(endpoint) and not force:
                raise GraceRunning(id=ids.endpoint_ref(endpoint_id), until=endpoint.previous_valid_until)
            until = Now() + timedelta(seconds=grace_seconds) if grace_seconds else None
            _save(endpoint, secret_generation=F("secret_generation") + 1, previous_valid_until=until)
    row = get_endpoint(tenant_id=tenant_id, endpoint_id=endpoint_id)
    return Created(row, signing.secret_of(row.id, row.secret_generation), replayed=call.replayed)


@translate_db_errors
def drop_previous_secret(*, tenant_id: UUID, actor: str, request_id: str, endpoint_id: UUID) -> Endpoint:
    """Stop signing with the previous secret now. Without one, nothing changes. Raises NotFound."""
    with setting_author(actor=actor, request_id=request_id):
        endpoint = _locked(tenant_id, endpoint_id)
        if endpoint.previous_valid_until is not None:
            _save(endpoint, previous_valid_until=None)
    return get_endpoint(tenant_id=tenant_id, endpoint_id=endpoint_id)


@translate_db_errors
def reveal_secret(*, tenant_id: UUID, actor: str, request_id: str, endpoint_id: UUID) -> Created:
    """The endpoint with its secret. Who read it is recorded. Raises NotFound, SigningKeyMissing."""
    with transaction.atomic():
        row = get_endpoint(tenant_id=tenant_id, endpoint_id=endpoint_id)
        secret = signing.secret_of(row.id, row.secret_generation)
        SecretReading.objects.create(
            tenant_id=tenant_id, endpoint_id=endpoint_id, generation=row.secret_generation, actor=actor, request_id=request_id
        )
    return Created(row, secret)


def _locked(tenant_id: UUID, endpoint_id: UUID, *, version: int | None = None) -> Endpoint:
    """The endpoint, locked. Raises NotFound, VersionConflict."""
    endpoint = get_endpoint(tenant_id=tenant_id, endpoint_id=endpoint_id, lock=True)
    if version is not None and version != endpoint.version:
        raise VersionConflict(id=ids.endpoint_ref(endpoint_id), version=endpoint.version, wanted=version)
    return endpoint


def _save(endpoint: Endpoint, **changes: Any) -> None:
    changes |= {"version": F("version") + 1, "updated_at": Now()}
    Endpoint.objects.filter(tenant_id=endpoint.tenant_id, id=endpoint.id).update(**changes)


def _is_in_grace(endpoint: Endpoint) -> bool:
    """By the database's clock."""
    rows = Endpoint.objects.filter(tenant_id=endpoint.tenant_id, id=endpoint.id)
    return rows.filter(previous_valid_until__gt=Now()).exists()


def _check_limit(tenant_id: UUID) -> None:
    """Raises EndpointLimit. The lock on the tenant's row makes two creations wait for each other; it disturbs no foreign key."""
    Tenant.objects.select_for_update(no_key=True).get(id=tenant_id)
    if Endpoint.objects.filter(tenant_id=tenant_id).exclude(status=EndpointStatus.DELETED).count() >= MAX_ENDPOINTS:
        raise EndpointLimit(max=MAX_ENDPOINTS)


def _checked_patterns(patterns: Iterable[str]) -> list[str]:
    """The patterns without repetitions. Raises InvalidValue for one that fits no type."""
    wanted = list(dict.fromkeys(patterns))
    if not wanted or len(wanted) > MAX_PATTERNS:
        raise InvalidValue(field="enabled_events", reason="too_long" if wanted else "too_short", min=1, max=MAX_PATTERNS)
    for pattern in wanted:
        if not registry.is_pattern(pattern):
            nearest = registry.nearest_pattern(pattern)
            raise InvalidValue(
                field="enabled_events", reason="unknown_event_type", value=pattern, hint=f"; did you mean {nearest}?" if nearest else ""
            )
    return wanted


def recover_since(endpoint: Endpoint) -> datetime | None:
    """The moment from which on a disabled or failing endpoint missed events."""
    return endpoint.first_failure_at or endpoint.disabled_at
