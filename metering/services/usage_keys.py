"""Declared keys: members of qualifiers and metadata that usage is counted by."""

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Max, Q
from django.db.models.functions import Now

from kernel.base.setting_author import setting_author
from kernel.ledger import queries
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.identifiers import new_id
from metering.choices import FIRST_KEY, MAX_KEYS
from metering.errors import KeyExists, TooManyKeys
from metering.models import Usage, UsageKey, UsageSum
from metering.selectors.usage_keys import get_usage_key, query_usage_keys
from metering.services.usage_counting import PER_PAGE, count_transactions, count_usage

__all__ = ["MAX_KEYS", "backfill_keys", "declare_key", "withdraw_key"]
# So many rows of a withdrawn key's sums are deleted in one database transaction.
DELETED_PER_PAGE = 5000


@translate_db_errors
def declare_key(*, tenant_id: UUID, actor: str, request_id: str, place: str, name: str) -> UsageKey:
    """Count usage by a member of qualifiers or metadata from now on; `backfill_keys` counts what is there already. Raises KeyExists,
    TooManyKeys, Busy."""
    with transaction.atomic(), setting_author(actor=actor, request_id=request_id):
        queries.fetch_rows("SELECT metering_lock_usage(%s)", [tenant_id])
        declared = query_usage_keys(tenant_id=tenant_id)
        existing = declared.filter(place=place, name=name).first()
        if existing is not None:
            raise KeyExists(id=existing.id)
        if declared.count() >= MAX_KEYS:
            raise TooManyKeys(max=MAX_KEYS)
        last: Any = UsageKey.objects.filter(tenant_id=tenant_id).aggregate(last=Max("number"))["last"]
        key = UsageKey(id=new_id(), tenant_id=tenant_id, place=place, name=name, number=(last or FIRST_KEY - 1) + 1, actor=actor)
        key.save(force_insert=True)
        key.refresh_from_db()
        # What is counted already was recorded, or happened by its caller's clock, at these moments or earlier.
        latest: Any = Usage.objects.filter(tenant_id=tenant_id).aggregate(recorded=Max("recorded_at"), occurred=Max("occurred_at"))
        key.counts_from = max(key.declared_at, *latest.values()) if latest["recorded"] else None
        key.save(update_fields=["counts_from"])
    return key


@translate_db_errors
def withdraw_key(*, tenant_id: UUID, actor: str, request_id: str, key_id: UUID) -> UsageKey:
    """Count usage by the key no longer; its sums are deleted by `backfill_keys`. Raises NotFound, Busy."""
    with transaction.atomic(), setting_author(actor=actor, request_id=request_id):
        queries.fetch_rows("SELECT metering_lock_usage(%s)", [tenant_id])
        key = get_usage_key(tenant_id=tenant_id, key_id=key_id)
        query_usage_keys(tenant_id=tenant_id).filter(id=key_id).update(withdrawn_at=Now())
    key.refresh_from_db()
    return key


@translate_db_errors
def backfill_keys(*, tenant_id: UUID | None = None) -> int:
    """Count by new keys what was counted without them, and delete the sums of withdrawn ones. The number of pages. Raises Busy."""
    keys = UsageKey.objects.filter(Q(counts_from__isnull=False, withdrawn_at__isnull=True) | Q(withdrawn_at__isnull=False, has_sums=True))
    if tenant_id is not None:
        keys = keys.filter(tenant_id=tenant_id)
    return sum(_delete_sums(key) if key.withdrawn_at else _backfill(key) for key in list(keys.order_by("id")))


def _backfill(key: UsageKey) -> int:
    count_usage(tenant_id=key.tenant_id)
    pages = 1
    while _backfill_page(key):
        pages += 1
    return pages


def _backfill_page(key: UsageKey) -> bool:
    """Count the next page of transactions again, by the time of recording. False where there are no more, and the key counts throughout."""
    tenant_id = key.tenant_id
    with transaction.atomic():
        queries.fetch_rows("SELECT metering_lock_usage(%s)", [tenant_id])
        # Another run may have counted a page meanwhile, or somebody withdrawn the key.
        key.refresh_from_db()
        if key.withdrawn_at or key.counts_from is None:
            return False
        counted = Usage.objects.filter(tenant_id=tenant_id, repeated=0, recorded_at__lte=key.counts_from)
        if key.backfilled_at is not None:
            counted = counted.filter(
                Q(recorded_at__gt=key.backfilled_at) | Q(recorded_at=key.backfilled_at, transaction_id__gt=key.backfilled_id)
            )
        rows = list(counted.order_by("recorded_at", "transaction_id").values_list("recorded_at", "transaction_id")[:PER_PAGE])
        if rows:
            count_transactions(tenant_id=tenant_id, ids=[id for _, id in rows], notes=[], until=None)
            key.backfilled_at, key.backfilled_id = rows[-1]
        if len(rows) < PER_PAGE:
            key.counts_from = None
        key.save(update_fields=["backfilled_at", "backfilled_id", "counts_from"])
    return len(rows) == PER_PAGE


def _delete_sums(key: UsageKey) -> int:
    """Delete the sums of a withdrawn key, a page at a time. The number of pages."""
    alone = Q(first_dimension=key.number)
    pair = Q(first_dimension__in=range(1, key.number), second_dimension=key.number)
    sums = UsageSum.objects.filter(alone | pair, tenant_id=key.tenant_id)
    pages = 1
    while ids := list(sums.values_list("id", flat=True)[:DELETED_PER_PAGE]):
        sums.filter(id__in=ids).delete()
        pages += 1
    key.has_sums = False
    key.save(update_fields=["has_sums"])
    return pages
