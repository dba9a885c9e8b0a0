"""Standing orders for grants: each period's grant is issued exactly once, however late and by however many jobs."""

from calendar import monthrange
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from credits import selectors
from credits.choices import Category, ScheduleStatus, TransactionKind, TransactionType, UnitType
from credits.models import RecurringGrant
from credits.services.grants import closing, open_grants, opening
from kernel.ledger import posting
from kernel.ledger.constraints import translate_db_errors
from kernel.ledger.errors import IdempotencyConflict, InvalidValue, LedgerError, NotFound
from kernel.ledger.idempotency import differing, digest
from kernel.ledger.identifiers import new_id
from kernel.ledger.money import is_currency

FACTS = (
    "customer_id",
    "name",
    "unit_type",
    "currency",
    "metric_id",
    "amount",
    "cost_of_credit",
    "category",
    "priority",
    "every_months",
    "starts_on",
    "ends_on",
    "rollover_cap",
)
# An order issues all its due periods in one transaction when it is made; and the calendar ends with the year 9999.
MOST_DUE = 120
YEARS_AHEAD = 100
SHARED = ("customer_id", "name", "unit_type", "currency", "metric_id", "amount", "cost_of_credit", "category", "priority")


class Ordered(NamedTuple):
    """What became of an order of history: `posted`, or `replayed` where its key was there."""

    id: UUID
    outcome: str


@translate_db_errors
def create_recurring_grant(
    *, tenant_id: UUID, actor: str, request_id: str, idempotency_key: str | None = None, **facts: Any
) -> tuple[UUID, bool]:
    """Order a grant for each period, and issue those that are due; returns the order's id and whether it was made before.

    `facts`: customer_id, name, unit_type, currency, amount (units, > 0), and maybe metric_id, cost_of_credit, category, priority,
    every_months, starts_on (default: today), ends_on (no period begins later), rollover_cap (units; None: nothing rolls over).
    Raises InvalidValue, IdempotencyConflict.
    """
    fingerprint = digest(facts, FACTS)
    if (known := _known(tenant_id=tenant_id, key=idempotency_key, fingerprint=fingerprint)) is not None:
        return known, True
    schedule = _new(facts, tenant_id=tenant_id, actor=actor, request_id=request_id)
    schedule.idempotency_key = idempotency_key
    schedule.facts_digest = fingerprint
    try:
        with transaction.atomic():
            schedule.save(force_insert=True)
            issue_recurring_grant(tenant_id=tenant_id, actor=actor, request_id=request_id, schedule_id=schedule.id)
    except IntegrityError:
        # Another call may have won the key in between.
        known = _known(tenant_id=tenant_id, key=idempotency_key, fingerprint=fingerprint)
        if known is None:
            raise
        return known, True
    return schedule.id, False


@translate_db_errors
def cancel_recurring_grant(*, tenant_id: UUID, actor: str, request_id: str, schedule_id: UUID) -> None:
    """End an order; the grants that it issued stay. Cancelled or ended before, it stays as it is. Raises NotFound."""
    with transaction.atomic():
        schedule = _locked(tenant_id=tenant_id, schedule_id=schedule_id)
        if schedule.status == ScheduleStatus.ACTIVE:
            RecurringGrant.objects.filter(tenant_id=tenant_id, id=schedule_id).update(status=ScheduleStatus.CANCELLED)


@translate_db_errors
def issue_recurring_grant(*, tenant_id: UUID, actor: str, request_id: str, schedule_id: UUID) -> list[Any]:
    """Issue the grants of every period that has begun and has none; returns their rows, oldest first. Raises NotFound.

    The order's row is locked meanwhile, and (order, period) is unique: two jobs at once issue one grant.
    """
    who = {"tenant_id": tenant_id, "actor": actor, "request_id": request_id}
    today = timezone.now().astimezone(UTC).date()
    issued = []
    with transaction.atomic():
        schedule = _locked(tenant_id=tenant_id, schedule_id=schedule_id)
        while schedule.status == ScheduleStatus.ACTIVE and schedule.next_on <= today:
            issued.append(_issue(who, schedule))
            _advance(schedule)
        if issued:
            RecurringGrant.objects.filter(tenant_id=tenant_id, id=schedule_id).update(
                next_period=schedule.next_period, next_on=schedule.next_on, status=schedule.status
            )
    return issued


def schedule_line(facts: Mapping[str, Any]) -> dict[str, Any]:
    """An order of history as `create_imported_schedules` takes it. Raises InvalidValue.

    `facts`: the arguments of create_recurring_grant, perhaps `id` and `facts_digest` (hexadecimal), which are kept, and how far it came:
    `status`, and `next_period`, the first that has no grant yet. What was due before is history, and comes in with the grants.
    """
    given = {name: facts[name] for name in (*FACTS, "idempotency_key", "status", "next_period") if facts.get(name) is not None}
    if given["unit_type"] == UnitType.CURRENCY:
        given.pop("metric_id", None)
    schedule = RecurringGrant(**given)
    try:
        schedule.next_on = period_start(schedule, schedule.next_period)
    except ValueError as error:
        raise InvalidValue(field="next_period", reason="too_far_ahead", max=YEARS_AHEAD) from error
    today = timezone.now().astimezone(UTC).date()
    if schedule.status == ScheduleStatus.ACTIVE:
        _check(given, schedule.next_on, today)
    else:
        _check({**given, "ends_on": None}, today, today)
    kept = facts.get("facts_digest")
    fingerprint = digest({name: facts.get(name) for name in FACTS}, FACTS) if kept is None else bytes.fromhex(kept)
    more = {"next_on": schedule.next_on, "facts_digest": fingerprint, "occurred_at": facts["occurred_at"]}
    return {**given, **more, "id": facts.get("id") or new_id()}


@translate_db_errors
def create_imported_schedules(*, tenant_id: UUID, actor: str, request_id: str, lines: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Make the orders of `schedule_line`, in their order, and issue nothing; for each what became of it."""
    who: dict[str, Any] = {"tenant_id": tenant_id, "actor": actor, "request_id": request_id}
    return [_ordered(who, line) for line in lines]


@translate_db_errors
def cancel_run_schedules(*, tenant_id: UUID, of: str, at_most: int) -> int:
    """Cancel up to so many active orders whose request was `of`; how many were."""
    brought = RecurringGrant.objects.filter(tenant_id=tenant_id, request_id=of, request_id__startswith="run:", status=ScheduleStatus.ACTIVE)
    found = list(brought.order_by("-id").values_list("id", flat=True)[:at_most])
    return RecurringGrant.objects.filter(tenant_id=tenant_id, id__in=found).update(status=ScheduleStatus.CANCELLED)


def issue_due_grants(*, actor: str, request_id: str, tenant_id: UUID | None = None) -> Iterator[list[Any]]:
    """Issue what is due of every active order, each in a transaction of its own; yields the rows issued for one order after another."""
    today = timezone.now().astimezone(UTC).date()
    for schedule in selectors.due_schedules(today=today, tenant_id=tenant_id):
        yield issue_recurring_grant(tenant_id=schedule["tenant_id"], actor=actor, request_id=request_id, schedule_id=schedule["id"])


def period_start(schedule: RecurringGrant, period: int) -> date:
    """The first day of a period, counted from the first one: a 31st becomes a 28th in February and is a 31st again in March."""
    months = schedule.starts_on.month - 1 + period * schedule.every_months
    year, month = schedule.starts_on.year + months // 12, months % 12 + 1
    return date(year, month, min(schedule.starts_on.day, monthrange(year, month)[1]))


def _new(facts: Mapping[str, Any], **who: Any) -> RecurringGrant:
    """The order, unsaved. Raises InvalidValue."""
    given = {name: value for name, value in facts.items() if value is not None}
    now = timezone.now()
    today = now.astimezone(UTC).date()
    starts_on = given.pop("starts_on", None) or today
    _check(given, starts_on, today)
    if given["unit_type"] == UnitType.CURRENCY:
        given.pop("metric_id", None)
    return RecurringGrant(id=new_id(), **who, **given, starts_on=starts_on, next_on=starts_on, occurred_at=now)


def _check(given: Mapping[str, Any], starts_on: date, today: date) -> None:
    """Raises InvalidValue."""
    if given["unit_type"] == UnitType.METRIC and not given.get("metric_id"):
        raise InvalidValue(field="metric_id", reason="missing")
    if not is_currency(given["currency"]):
        raise InvalidValue(field="currency", reason="unknown_currency")
    due_months = (today.year - starts_on.year) * 12 + today.month - starts_on.month
    if due_months > MOST_DUE * given.get("every_months", 1):
        raise InvalidValue(field="starts_on", reason="too_long_ago", max=MOST_DUE)
    if starts_on.year > today.year + YEARS_AHEAD:
        raise InvalidValue(field="starts_on", reason="too_far_ahead", max=YEARS_AHEAD)
    if given.get("ends_on") and given["ends_on"] < starts_on:
        raise InvalidValue(field="ends_on", reason="before_starts_on")
    if given.get("category", Category.PAID) not in Category.values:
        raise InvalidValue(field="category", reason="unknown_choice", choices=Category.values)


def _known(*, tenant_id: UUID, key: str | None, fingerprint: bytes) -> UUID | None:
    """The order that was made with this key. Raises IdempotencyConflict."""
    known = key and RecurringGrant.objects.filter(tenant_id=tenant_id, idempotency_key=key).first()
    if not known:
        return None
    if bytes(known.facts_digest) != fingerprint:
        raise IdempotencyConflict(first_id=known.id, fields=differing(FACTS, bytes(known.facts_digest), fingerprint))
    return known.id


def _ordered(who: Mapping[str, Any], line: Mapping[str, Any]) -> Ordered | LedgerError:
    try:
        known = _known(tenant_id=who["tenant_id"], key=line.get("idempotency_key"), fingerprint=line["facts_digest"])
    except IdempotencyConflict as conflict:
        return conflict
    if known is not None:
        return Ordered(id=known, outcome="replayed")
    RecurringGrant(**who, **line).save(force_insert=True)
    return Ordered(id=line["id"], outcome="posted")


def _locked(*, tenant_id: UUID, schedule_id: UUID) -> RecurringGrant:
    found = RecurringGrant.objects.select_for_update(no_key=True).filter(tenant_id=tenant_id, id=schedule_id).first()
    if found is None:
        raise NotFound(kind="schedule", id=schedule_id)
    return found


def _issue(who: Mapping[str, Any], schedule: RecurringGrant) -> Any:
    """The grant of the next period, with what the one before left to it."""
    start = period_start(schedule, schedule.next_period)
    facts = {name: getattr(schedule, name) or None for name in SHARED} | {
        "priority": schedule.priority,
        "effective_date": start,
        "expiry_date": period_start(schedule, schedule.next_period + 1) - timedelta(days=1),
    }
    [grant] = open_grants([opening(who, facts=facts, schedule_id=schedule.id, period=schedule.next_period)])
    if schedule.rollover_cap and schedule.next_period:
        _roll_over(who, schedule, grant.id, start)
    return grant


def _roll_over(who: Mapping[str, Any], schedule: RecurringGrant, grant_id: UUID, start: date) -> None:
    """Credit what the last period's grant left, up to the cap. The rest expires first, whoever comes first, so the amount is the same."""
    before = selectors.grant_of_period(tenant_id=schedule.tenant_id, schedule_id=schedule.id, period=schedule.next_period - 1)
    if before is None:
        return
    posting.post("credits_post", [closing(who, grant_id=before, kind=TransactionKind.EXPIRY)])
    left: Decimal = min(schedule.rollover_cap or Decimal(0), selectors.expired_amount(tenant_id=schedule.tenant_id, grant_id=before))
    if left <= 0:
        return
    now = timezone.now()
    rollover = {
        **who,
        "id": new_id(),
        "grant_id": grant_id,
        "kind": str(TransactionKind.ROLLOVER),
        "type": str(TransactionType.CREDIT),
        "amount": f"{left:f}",
        "reason": f"left of grant {before}",
        "invoice_id": "",
        "now": now,
        "occurred_at": min(now, datetime.combine(start, time.min, tzinfo=UTC)),
    }
    posting.post("credits_post", [rollover])


def _advance(schedule: RecurringGrant) -> None:
    schedule.next_period += 1
    schedule.next_on = period_start(schedule, schedule.next_period)
    if schedule.ends_on is not None and schedule.next_on > schedule.ends_on:
        schedule.status = ScheduleStatus.ENDED
