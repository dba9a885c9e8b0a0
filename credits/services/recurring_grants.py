"""Recurring grants: each period's grant is issued exactly once, however late and by however many jobs at once."""

from calendar import monthrange
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple, Required, TypedDict, Unpack
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from credits import selectors
from credits.choices import Category, RecurringGrantStatus, TransactionKind, UnitType
from credits.digests import RECURRING_GRANT_FACTS
from credits.models import Grant, RecurringGrant
from credits.services.grants import create_grants, make_closing, make_opening
from credits.services.posting_rows import GrantRow
from kernel.base.setting_author import setting_author
from kernel.ledger import posting, queries
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import InvalidValue, LedgerError, NotFound
from kernel.ledger.fact_digests import digest
from kernel.ledger.identifiers import new_id
from kernel.ledger.moments import check_moment
from kernel.ledger.money import is_currency
from kernel.ledger.outcomes import EXISTS, Posted, or_raise, posted_or_error

# A new recurring grant issues all its due periods in one transaction, so their number is limited.
MAX_DUE = 120
YEARS_AHEAD = 100
# Facts that each period's grant copies from its recurring grant.
SHARED = ("customer_id", "name", "unit_type", "currency", "metric_id", "amount", "cost_of_credit", "category", "priority")

ROLL_OVER = """
SELECT credits_roll_over(grant_row.tenant_id, grant_row, ledger_now(), %s, %s)
FROM credits_grant grant_row WHERE grant_row.tenant_id = %s AND grant_row.id = %s
"""
UPDATE_ALERTS = "SELECT credits_update_alerts(%s, %s, ARRAY[%s]::uuid[])"


class RecurringGrantFacts(TypedDict, total=False):
    """What a caller says of a recurring grant."""

    customer_id: Required[str]
    name: Required[str]
    unit_type: Required[str]
    currency: Required[str]
    # Units of each period's grant, > 0.
    amount: Required[Decimal]
    metric_id: str | None
    cost_of_credit: Decimal | None
    category: str | None
    priority: int | None
    every_months: int | None
    # Default: today.
    starts_on: date | None
    # No period begins later.
    ends_on: date | None
    # Units that roll over at most; None: nothing does.
    rollover_cap: Decimal | None


class RecurringGrantRow(NamedTuple):
    """What is returned of a recurring grant; get_recurring_grant reads the whole."""

    id: UUID


@translate_db_errors
def create_recurring_grant(
    *, tenant_id: UUID, actor: str, request_id: str, idempotency_key: str | None = None, **facts: Unpack[RecurringGrantFacts]
) -> Posted[RecurringGrantRow]:
    """Create a recurring grant and issue the grants that are due. Raises InvalidValue, IdempotencyConflict."""
    if facts["unit_type"] == UnitType.CURRENCY:
        facts["metric_id"] = None
    facts_digest = digest(facts, RECURRING_GRANT_FACTS)
    wanted: dict[str, Any] = {"tenant_id": tenant_id, "key": idempotency_key, "facts_digest": facts_digest}
    wanted["starts_on"] = facts.get("starts_on")
    if (earlier := _recurring_grant_with_key(**wanted)) is not None:
        return or_raise(earlier)
    recurring_grant = _new(facts, tenant_id=tenant_id, actor=actor, request_id=request_id)
    recurring_grant.idempotency_key = idempotency_key
    recurring_grant.facts_digest = facts_digest
    try:
        with transaction.atomic():
            recurring_grant.save(force_insert=True)
            issue_recurring_grant(tenant_id=tenant_id, actor=actor, request_id=request_id, recurring_grant_id=recurring_grant.id)
    except IntegrityError:
        # Another call may have used the key in between.
        if (earlier := _recurring_grant_with_key(**wanted)) is None:
            raise
        return or_raise(earlier)
    return Posted(RecurringGrantRow(recurring_grant.id))


@translate_db_errors
def cancel_recurring_grant(*, tenant_id: UUID, actor: str, request_id: str, recurring_grant_id: UUID) -> None:
    """Cancel a recurring grant; the grants that it issued stay. Changes nothing if it is cancelled or ended already. Raises NotFound."""
    with setting_author(actor=actor, request_id=request_id):
        recurring_grant = _locked(tenant_id=tenant_id, recurring_grant_id=recurring_grant_id)
        if recurring_grant.status == RecurringGrantStatus.ACTIVE:
            RecurringGrant.objects.filter(tenant_id=tenant_id, id=recurring_grant_id).update(status=RecurringGrantStatus.CANCELLED)


@translate_db_errors
def issue_recurring_grant(*, tenant_id: UUID, actor: str, request_id: str, recurring_grant_id: UUID) -> list[Posted[GrantRow]]:
    """Issue the grants of every period that has begun and has none; returns them, oldest first. Raises NotFound.

    The recurring grant's row stays locked, and (recurring grant, period) is unique, so two jobs at once issue one grant.
    """
    audit = {"actor": actor, "request_id": request_id}
    issued = []
    with transaction.atomic():
        recurring_grant = _locked(tenant_id=tenant_id, recurring_grant_id=recurring_grant_id)
        today = _today()
        if recurring_grant.next_on <= today:
            _lock_period_before(recurring_grant)
        while recurring_grant.status == RecurringGrantStatus.ACTIVE and recurring_grant.next_on <= today:
            issued.append(_issue(audit, recurring_grant))
            _advance(recurring_grant)
        if issued:
            rows = RecurringGrant.objects.filter(tenant_id=tenant_id, id=recurring_grant_id)
            rows.update(next_period=recurring_grant.next_period, next_on=recurring_grant.next_on)
            if recurring_grant.status != RecurringGrantStatus.ACTIVE:
                # An update of its own, because the history of settings records each update that names the status.
                with setting_author(actor=actor, request_id=request_id):
                    rows.update(status=recurring_grant.status)
    return issued


def recurring_grant_line(facts: Mapping[str, Any]) -> dict[str, Any]:
    """One item of `create_imported_recurring_grants`. Raises InvalidValue.

    `facts`: the arguments of create_recurring_grant; optionally `id` and `facts_digest` (hexadecimal), which are kept; `status`; and
    `next_period`, the first period without a grant. Grants of earlier periods are imported as grants.
    """
    values = {
        name: facts[name] for name in (*RECURRING_GRANT_FACTS, "idempotency_key", "status", "next_period") if facts.get(name) is not None
    }
    if values["unit_type"] == UnitType.CURRENCY:
        values.pop("metric_id", None)
    recurring_grant = RecurringGrant(**values)
    try:
        recurring_grant.next_on = period_start(recurring_grant, recurring_grant.next_period)
    except ValueError as error:
        raise InvalidValue(field="next_period", reason="too_far_ahead", max=YEARS_AHEAD) from error
    today = timezone.now().astimezone(UTC).date()
    if recurring_grant.status == RecurringGrantStatus.ACTIVE:
        _check(values, recurring_grant.next_on, today)
    else:
        _check({**values, "ends_on": None}, today, today)
    given_digest = facts.get("facts_digest")
    facts_digest = digest(values, RECURRING_GRANT_FACTS) if given_digest is None else bytes.fromhex(given_digest)
    more = {"next_on": recurring_grant.next_on, "facts_digest": facts_digest, "occurred_at": facts["occurred_at"]}
    return {**values, **more, "id": facts.get("id") or new_id()}


@translate_db_errors
def create_imported_recurring_grants(
    *, tenant_id: UUID, actor: str, request_id: str, lines: Sequence[Mapping[str, Any]]
) -> list[Posted[RecurringGrantRow] | LedgerError]:
    """Create recurring grants from items of `recurring_grant_line`, without issuing grants. One outcome for each: Posted or its error."""
    audit: dict[str, Any] = {"actor": actor, "request_id": request_id}
    return [_create_imported_recurring_grant(tenant_id, audit, line) for line in lines]


@translate_db_errors
def cancel_recurring_grants_of_run(*, tenant_id: UUID, actor: str, of: str, at_most: int) -> int:
    """Cancel up to `at_most` active recurring grants that the import run with request id `of` created; returns how many."""
    imported = RecurringGrant.objects.filter(
        tenant_id=tenant_id, request_id=of, request_id__startswith="run:", status=RecurringGrantStatus.ACTIVE
    )
    ids = list(imported.order_by("-id").values_list("id", flat=True)[:at_most])
    with setting_author(actor=actor, request_id=of):
        return RecurringGrant.objects.filter(tenant_id=tenant_id, id__in=ids).update(status=RecurringGrantStatus.CANCELLED)


def issue_due_grants(*, actor: str, request_id: str, tenant_id: UUID | None = None) -> Iterator[list[Posted[GrantRow]]]:
    """Issue the due grants of every active recurring grant, each in its own transaction; yields the grants of each."""
    for recurring_grant in selectors.due_recurring_grants(tenant_id=tenant_id):
        yield issue_recurring_grant(
            tenant_id=recurring_grant["tenant_id"], actor=actor, request_id=request_id, recurring_grant_id=recurring_grant["id"]
        )


def period_start(recurring_grant: RecurringGrant, period: int) -> date:
    """The first day of a period, counted from `starts_on`: a recurring grant from 31 January continues on 28 February and 31 March."""
    months = recurring_grant.starts_on.month - 1 + period * recurring_grant.every_months
    year, month = recurring_grant.starts_on.year + months // 12, months % 12 + 1
    return date(year, month, min(recurring_grant.starts_on.day, monthrange(year, month)[1]))


def recurring_grant_as_made(row: Mapping[str, Any]) -> dict[str, Any]:
    """A recurring grant's row as it was when it was created, after the periods were issued that were due on that day."""
    recurring_grant = RecurringGrant(**{name: row[name] for name in ("starts_on", "ends_on", "every_months")}, next_on=row["starts_on"])
    created_on = row["created_at"].astimezone(UTC).date()
    while recurring_grant.status == RecurringGrantStatus.ACTIVE and recurring_grant.next_on <= created_on:
        _advance(recurring_grant)
    return {**row, "next_on": recurring_grant.next_on, "status": recurring_grant.status}


def _new(facts: Mapping[str, Any], **audit: Any) -> RecurringGrant:
    """The recurring grant, unsaved. Raises InvalidValue."""
    values = {name: value for name, value in facts.items() if value is not None}
    today = _today()
    starts_on = values.pop("starts_on", None) or today
    _check(values, starts_on, today)
    if values["unit_type"] == UnitType.CURRENCY:
        values.pop("metric_id", None)
    return RecurringGrant(id=new_id(), **audit, **values, starts_on=starts_on, next_on=starts_on, occurred_at=timezone.now())


def _check(values: Mapping[str, Any], starts_on: date, today: date) -> None:
    """Raises InvalidValue."""
    check_moment("starts_on", starts_on)
    check_moment("ends_on", values.get("ends_on"))
    if values["unit_type"] == UnitType.METRIC and not values.get("metric_id"):
        raise InvalidValue(field="metric_id", reason="missing")
    if not is_currency(values["currency"]):
        raise InvalidValue(field="currency", reason="unknown_currency")
    due_months = (today.year - starts_on.year) * 12 + today.month - starts_on.month
    if due_months > MAX_DUE * values.get("every_months", 1):
        raise InvalidValue(field="starts_on", reason="too_long_ago", max=MAX_DUE)
    if starts_on.year > today.year + YEARS_AHEAD:
        raise InvalidValue(field="starts_on", reason="too_far_ahead", max=YEARS_AHEAD)
    if values.get("ends_on") and values["ends_on"] < starts_on:
        raise InvalidValue(field="ends_on", reason="before_starts_on")
    if values.get("category", Category.PAID) not in Category.values:
        raise InvalidValue(field="category", reason="unknown_choice", choices=Category.values)


class _KeyUsed(NamedTuple):
    """An earlier recurring grant with the same key, in the form of a posting function's row, for `posted_or_error`."""

    id: UUID
    first_digest: bytes
    starts_on: date
    outcome: str = EXISTS


def _recurring_grant_with_key(
    *, tenant_id: UUID, key: str | None, facts_digest: bytes, starts_on: date | None
) -> Posted[RecurringGrantRow] | LedgerError | None:
    """The recurring grant created with this key, IdempotencyConflict if it was created from other facts, or None."""
    recurring_grant = RecurringGrant.objects.filter(tenant_id=tenant_id, idempotency_key=key).first() if key else None
    if recurring_grant is None:
        return None
    row = _KeyUsed(id=recurring_grant.id, first_digest=bytes(recurring_grant.facts_digest), starts_on=recurring_grant.starts_on)
    meant = starts_on or _today()

    def is_recorded(first: _KeyUsed, name: str) -> bool:
        return name == "starts_on" and first.starts_on == meant

    outcome = posted_or_error(row, facts_digest=facts_digest, names=RECURRING_GRANT_FACTS, errors={}, is_recorded=is_recorded)
    return outcome if isinstance(outcome, LedgerError) else Posted(RecurringGrantRow(recurring_grant.id), replayed=True)


def _create_imported_recurring_grant(
    tenant_id: UUID, audit: Mapping[str, Any], line: Mapping[str, Any]
) -> Posted[RecurringGrantRow] | LedgerError:
    earlier = _recurring_grant_with_key(
        tenant_id=tenant_id, key=line.get("idempotency_key"), facts_digest=line["facts_digest"], starts_on=line.get("starts_on")
    )
    if earlier is not None:
        return earlier
    RecurringGrant(tenant_id=tenant_id, **audit, **line).save(force_insert=True)
    return Posted(RecurringGrantRow(line["id"]))


def _today() -> date:
    """Today in UTC by the database's clock. Where it decides what is due, it is read after the recurring grant's row was locked."""
    today: date = queries.fetch_rows("SELECT ledger_day(ledger_now()) AS today")[0].today
    return today


def _locked(*, tenant_id: UUID, recurring_grant_id: UUID) -> RecurringGrant:
    recurring_grant = RecurringGrant.objects.select_for_update(no_key=True).filter(tenant_id=tenant_id, id=recurring_grant_id).first()
    if recurring_grant is None:
        raise NotFound(kind="recurring grant", id=recurring_grant_id)
    return recurring_grant


def _lock_period_before(recurring_grant: RecurringGrant) -> None:
    """Lock the grant of the period before, first. Issuing locks the customer's alerts and rolling over then locks this grant,
    but every posting locks grants before alerts."""
    keys = {"tenant_id": recurring_grant.tenant_id, "recurring_grant_id": recurring_grant.id, "period": recurring_grant.next_period - 1}
    Grant.objects.select_for_update(no_key=True).filter(**keys).first()


def _issue(audit: Mapping[str, Any], recurring_grant: RecurringGrant) -> Posted[GrantRow]:
    """Issue the grant of the next period, and roll over what expires of the period before."""
    start = period_start(recurring_grant, recurring_grant.next_period)
    facts = {name: None if getattr(recurring_grant, name) == "" else getattr(recurring_grant, name) for name in SHARED} | {
        "effective_date": start,
        "expiry_date": period_start(recurring_grant, recurring_grant.next_period + 1) - timedelta(days=1),
    }
    wanted = make_opening(audit, facts=facts, recurring_grant_id=recurring_grant.id, period=recurring_grant.next_period)
    [grant] = create_grants([wanted], tenant_id=recurring_grant.tenant_id)
    before = selectors.grant_of_period(
        tenant_id=recurring_grant.tenant_id, recurring_grant_id=recurring_grant.id, period=recurring_grant.next_period - 1
    )
    if recurring_grant.rollover_cap and before is not None:
        # The expiry rolls over to the new grant. If a job expired the old grant before, the second statement rolls over.
        posting.post(
            "credits_post", [make_closing(audit, grant_id=before, kind=TransactionKind.EXPIRY)], tenant_id=recurring_grant.tenant_id
        )
        queries.fetch_rows(ROLL_OVER, [audit["actor"], audit["request_id"], recurring_grant.tenant_id, before])
        # No posting function saw what rolled over now: the alerts are compared with the balance after it.
        queries.fetch_rows(UPDATE_ALERTS, [recurring_grant.tenant_id, audit["request_id"], before])
    return grant


def _advance(recurring_grant: RecurringGrant) -> None:
    recurring_grant.next_period += 1
    recurring_grant.next_on = period_start(recurring_grant, recurring_grant.next_period)
    if recurring_grant.ends_on is not None and recurring_grant.next_on > recurring_grant.ends_on:
        recurring_grant.status = RecurringGrantStatus.ENDED
