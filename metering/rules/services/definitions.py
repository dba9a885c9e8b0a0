"""Creates and changes spending rules. Every change locks the tenant's rules, raises the rule's version and keeps that version."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, Required, TypedDict, Unpack
from uuid import UUID

from django.db import connection, transaction
from django.db.models import Max

from kernel.events.services.event_writer import write_event
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.outcomes import EXISTS, or_raise, posted_or_error
from metering.rules.choices import SYSTEM_RULE_ID, RuleChange, RuleStatus
from metering.rules.digests import CHANGE_FACTS, change_digest
from metering.rules.errors import NotArchivable, NotRestorable, RuleArchived, SystemRule, TooManyRules, VersionConflict
from metering.rules.models import RuleVersion, SpendingRule
from metering.rules.selectors.definitions import get_rule, get_rule_id
from metering.rules.services import definition_checks as checks
from metering.rules.services.counting import lock_rules, rules_changed
from metering.rules.services.definition_texts import definition_text
from metering.rules.services.parts import Parts, add_parameters, replace_parts
from metering.selectors import RowDict

# Rules of a tenant that aren't archived: every decision looks at all active ones.
MAX_RULES = 500


class RuleTerms(TypedDict, total=False):
    """What a caller says of a rule beside its name and type; each may be None. A list that is stated replaces the old one."""

    status: str | None
    resolution_strategy: str | None
    # The text of a JSON object.
    metadata: str | None
    # Parts of a limit at which an event is written.
    notify_at: Sequence[Decimal] | None
    parameters: Sequence[Mapping[str, Any]] | None
    conditions: Sequence[Mapping[str, Any]] | None
    agent_ids: Sequence[UUID] | None


class ParameterTerms(TypedDict, total=False):
    """What a caller says of a limit of a rule."""

    id: UUID | None
    parameter_name: str | None
    # Decimal digits.
    limit_value: Required[str]
    measurement_type: Required[str]
    interval_value: int | None
    interval_unit: str | None
    is_rolling: bool
    group_by: Sequence[str] | None
    measurement_scope: str
    include_estimates: bool
    currency: str
    time_zone: Required[str]
    description: str | None


@dataclass(frozen=True, slots=True)
class Written:
    """A rule as it stands after a call, and the moment of the change. `replayed`: an earlier call with the same key made the change."""

    row: RowDict
    moment: datetime
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class _Call:
    """Who changes a rule, under which key, and what the call states."""

    tenant_id: UUID
    actor: str
    request_id: str
    facts: Mapping[str, Any]
    idempotency_key: str | None = None

    @property
    def digest(self) -> bytes:
        return change_digest(self.facts)


@translate_db_errors
def create_rule(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    idempotency_key: str | None = None,
    name: str,
    rule_type: str,
    **stated: Unpack[RuleTerms],
) -> Written:
    """A new rule, active unless `status` says otherwise. Raises InvalidValue, TooManyRules, IdempotencyConflict."""
    facts = {"name": name, "rule_type": rule_type, **stated}
    call = _Call(tenant_id, actor, request_id, facts | {"call": "create"}, idempotency_key)
    parts = Parts.of(stated)
    _check(stated, parts, tenant_id=tenant_id)
    with transaction.atomic():
        moment = _lock(tenant_id)
        if earlier := _replayed(call):
            return earlier
        rule = _make_rule(facts, moment=moment, call=call)
        rule.save(force_insert=True)
        replace_parts(rule, parts, moment=moment)
        return _finish(rule, RuleChange.CREATED, moment=moment, call=call)


def _make_rule(facts: Mapping[str, Any], *, moment: datetime, call: _Call) -> SpendingRule:
    rules = SpendingRule.objects.filter(tenant_id=call.tenant_id)
    if rules.exclude(status=RuleStatus.ARCHIVED).count() >= MAX_RULES:
        raise TooManyRules(max=MAX_RULES)
    columns = {name: facts[name] for name in ("name", "rule_type", "resolution_strategy", "metadata") if facts.get(name) is not None}
    status = RuleStatus(facts.get("status") or RuleStatus.ACTIVE)
    return SpendingRule(
        tenant_id=call.tenant_id,
        numeric_id=(rules.aggregate(last=Max("numeric_id"))["last"] or 0) + 1,
        status=status,
        paused_at=None if status == RuleStatus.ACTIVE else moment,
        notify_at=facts.get("notify_at") or None,
        created_at=moment,
        updated_at=moment,
        actor=call.actor,
        **columns,
    )


@translate_db_errors
def change_rule(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    reference: str,
    version: int,
    name: str | None = None,
    rule_type: str | None = None,
    **stated: Unpack[RuleTerms],
) -> Written:
    """Change what is stated of a rule that is at `version`; what is None or left out stays.

    Raises NotFound, SystemRule, VersionConflict, RuleArchived, InvalidValue.
    """
    parts = Parts.of(stated)
    _check(stated, parts, tenant_id=tenant_id)

    def change(rule: SpendingRule, moment: datetime) -> None:
        if rule.version != version:
            raise VersionConflict(id=rule.pk, version=rule.version)
        if rule.status == RuleStatus.ARCHIVED:
            raise RuleArchived(id=rule.pk)
        columns = {"name": name, "rule_type": rule_type, "resolution_strategy": stated.get("resolution_strategy")}
        for column, value in (columns | {"metadata": stated.get("metadata")}).items():
            if value is not None:
                setattr(rule, column, value)
        if stated.get("notify_at") is not None:
            rule.notify_at = stated["notify_at"] or None
        if (status := stated.get("status")) is not None:
            _set_status(rule, status, moment=moment)
        replace_parts(rule, parts, moment=moment)

    return _change(_Call(tenant_id, actor, request_id, {}), reference, RuleChange.UPDATED, change)


@translate_db_errors
def archive_rule(
    *, tenant_id: UUID, actor: str, request_id: str, reference: str, version: int, idempotency_key: str | None = None
) -> Written:
    """Take a rule out of force and out of the list. Raises NotFound, SystemRule, NotArchivable, IdempotencyConflict."""

    def change(rule: SpendingRule, moment: datetime) -> None:
        if rule.version != version or rule.status == RuleStatus.ARCHIVED:
            raise NotArchivable(id=rule.pk, version=rule.version, status=str(rule.status))
        _set_status(rule, RuleStatus.ARCHIVED, moment=moment)

    facts = {"call": "archive", "version": version}
    return _change(_Call(tenant_id, actor, request_id, facts, idempotency_key), reference, RuleChange.ARCHIVED, change)


@translate_db_errors
def restore_rule(
    *, tenant_id: UUID, actor: str, request_id: str, reference: str, version: int, idempotency_key: str | None = None
) -> Written:
    """Bring an archived rule back, paused: a limit doesn't come into force unseen. Raises NotFound, SystemRule, NotRestorable,
    IdempotencyConflict."""

    def change(rule: SpendingRule, moment: datetime) -> None:
        if rule.version != version or rule.status != RuleStatus.ARCHIVED:
            raise NotRestorable(id=rule.pk, version=rule.version, status=str(rule.status))
        _set_status(rule, RuleStatus.PAUSED, moment=moment)

    facts = {"call": "restore", "version": version}
    return _change(_Call(tenant_id, actor, request_id, facts, idempotency_key), reference, RuleChange.RESTORED, change)


@translate_db_errors
def add_parameter(
    *,
    tenant_id: UUID,
    actor: str,
    request_id: str,
    reference: str,
    version: int | None = None,
    idempotency_key: str | None = None,
    **parameter: Unpack[ParameterTerms],
) -> Written:
    """Add one parameter to a rule: selectors.get_added_parameter reads it. Raises as change_rule, and IdempotencyConflict."""
    checks.check_parameter(parameter)
    checks.check_zone(parameter["time_zone"])

    def change(rule: SpendingRule, moment: datetime) -> None:
        if version is not None and rule.version != version:
            raise VersionConflict(id=rule.pk, version=rule.version)
        if rule.status == RuleStatus.ARCHIVED:
            raise RuleArchived(id=rule.pk)
        add_parameters(rule, [dict(parameter)], moment=moment)

    facts = {"call": "add_parameter", "version": version, "parameters": [parameter]}
    return _change(_Call(tenant_id, actor, request_id, facts, idempotency_key), reference, RuleChange.UPDATED, change)


def _check(stated: RuleTerms, parts: Parts, *, tenant_id: UUID) -> None:
    checks.check_parameters(parts.parameters or ())
    checks.check_conditions(parts.conditions or ())
    checks.check_agents(parts.agent_ids or (), tenant_id=tenant_id)
    notify_at: Sequence[Decimal] = stated.get("notify_at") or ()
    checks.check_notifications(notify_at)


def _change(call: _Call, reference: str, kind: RuleChange, change: Callable[[SpendingRule, datetime], None]) -> Written:
    """Lock the tenant's rules, change this one by `change`, and keep its new version."""
    with transaction.atomic():
        moment = _lock(call.tenant_id)
        rule_id = get_rule_id(tenant_id=call.tenant_id, reference=reference)
        if rule_id == SYSTEM_RULE_ID:
            raise SystemRule
        call = replace(call, facts={**call.facts, "rule_id": str(rule_id)})
        if earlier := _replayed(call):
            return earlier
        rule = SpendingRule.objects.get(tenant_id=call.tenant_id, id=rule_id)
        change(rule, moment)
        rule.version += 1
        rule.updated_at = moment
        rule.actor = call.actor
        rule.save(force_update=True, update_fields=CHANGEABLE)
        return _finish(rule, kind, moment=moment, call=call)


CHANGEABLE = (
    "name",
    "rule_type",
    "resolution_strategy",
    "status",
    "version",
    "metadata",
    "notify_at",
    "updated_at",
    "paused_at",
    "deleted_at",
    "actor",
)


def _finish(rule: SpendingRule, kind: RuleChange, *, moment: datetime, call: _Call) -> Written:
    """Keep the version that the change made, and let it count for the next decision."""
    row = get_rule(tenant_id=call.tenant_id, reference=str(rule.pk))
    RuleVersion(
        tenant_id=call.tenant_id,
        rule_id=rule.pk,
        version=rule.version,
        change=kind,
        definition=definition_text(row),
        actor=call.actor,
        request_id=call.request_id,
        occurred_at=moment,
        created_at=moment,
        idempotency_key=call.idempotency_key,
        facts_digest=call.digest if call.idempotency_key else None,
    ).save(force_insert=True)
    rules_changed(tenant_id=call.tenant_id, rule_id=rule.pk, actor=call.actor)
    written = get_rule(tenant_id=call.tenant_id, reference=str(rule.pk))
    write_event(
        tenant_id=call.tenant_id,
        type=f"spending_rule.{kind}",
        account=f"rule:{rule.pk}",
        sequence=rule.version,
        object_id=str(rule.pk),
        snapshot=written,
        occurred_at=moment,
    )
    return Written(written, moment)


def _set_status(rule: SpendingRule, status: str, *, moment: datetime) -> None:
    if status == rule.status:
        return
    was_active = rule.status == RuleStatus.ACTIVE
    rule.status = status
    rule.deleted_at = moment if status == RuleStatus.ARCHIVED else None
    if status == RuleStatus.ACTIVE:
        rule.paused_at = None
    elif was_active:
        rule.paused_at = moment


def _lock(tenant_id: UUID) -> datetime:
    """Lock the tenant's rules. Returns the database's time under the lock."""
    lock_rules(tenant_id=tenant_id)
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        moment: datetime = cursor.fetchone()[0]
    return moment


def _replayed(call: _Call) -> Written | None:
    """The rule of an earlier call with the same key and the same facts. Raises IdempotencyConflict."""
    if call.idempotency_key is None:
        return None
    earlier = RuleVersion.objects.filter(tenant_id=call.tenant_id, idempotency_key=call.idempotency_key).first()
    if earlier is None:
        return None
    outcome = SimpleNamespace(outcome=EXISTS, id=earlier.rule_id, first_digest=earlier.facts_digest)
    or_raise(posted_or_error(outcome, facts_digest=call.digest, names=CHANGE_FACTS, errors={}))
    return Written(get_rule(tenant_id=call.tenant_id, reference=str(earlier.rule_id)), earlier.created_at, replayed=True)
