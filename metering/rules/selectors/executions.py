"""Reads of decisions: the rounds in which a transaction asked for authorization, and what each rule said in them.

An execution is a dictionary with `decision` (ALLOWED or DENIED), `reason`, the limits that were compared (`limits`), and of these the ones
that refused (`violations`). Amounts are Decimals, groups dictionaries by the words of the parameter's group_by.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from django.db.models import Exists, OuterRef, QuerySet

from kernel.ledger.prepared_queries import is_one_of, prepared
from metering.models import Transaction
from metering.rules.choices import SYSTEM_RULE_ID, SYSTEM_RULE_NAME, RequestStatus, RuleType
from metering.rules.models import AuthorizationRequest, RuleExecution, RuleParameter, SpendingRule
from metering.selectors import RowDict

ALLOWED, DENIED = "ALLOWED", "DENIED"
WITHIN = "All limits within acceptable range"
REQUEST = (
    *("id", "tenant_id", "transaction_id", "round", "status", "decline_reason", "executions", "passes_at", "decided_at"),
    *("created_at", "updated_at", "payment_amount", "payment_currency", "payment"),
    *("transaction__action_name", "transaction__service__name", "transaction__resource_name"),
)
# An execution that allowed has no row and so no id; it always gets the same one.
IDS = uuid5(NAMESPACE_URL, "urn:countinghouse:rule-execution")


def list_requests(*, tenant_id: UUID, transaction: RowDict) -> list[RowDict]:
    """The rounds of a transaction (keys row), newest first. A round that no rule decided has no row: it is made of the transaction's."""
    rows = with_executions(_requests_of(tenant_id=tenant_id, transaction_id=transaction["id"]), tenant_id=tenant_id)
    _add_payments(rows, tenant_id=tenant_id, transaction_id=transaction["id"])
    return rows if any(row["round"] == 1 for row in rows) else [*rows, _first_round(transaction, has_more=bool(rows))]


@prepared
def _requests_of(*, tenant_id: Any, transaction_id: Any) -> QuerySet[Any, Any]:
    return AuthorizationRequest.objects.filter(tenant_id=tenant_id, transaction_id=transaction_id).order_by("-round").values(*REQUEST)


def _add_payments(requests: Sequence[RowDict], *, tenant_id: UUID, transaction_id: UUID) -> None:
    """Put before the executions of rounds that asked for a payment that of the system's rule; at most one query.

    A denial by a rule comes before the money is asked, so the system's rule took no part in it.
    """
    asking = [request for request in requests if request["payment"] is not None and request["completed_at"] is not None]
    if not asking:
        return
    placed = _placed_payments(tenant_id=tenant_id, transaction_id=transaction_id)
    paid = {row["payments__round"]: row["payments__id"] for row in placed}
    for request in asking:
        denied = request["status"] == RequestStatus.DENIED
        if denied and any(execution["decision"] == DENIED for execution in request["rule_executions"]):
            continue
        execution = _payment_execution(request, payment_id=paid.get(request["round"]))
        request["rule_executions"] = [execution, *request["rule_executions"]]


@prepared
def _placed_payments(*, tenant_id: Any, transaction_id: Any) -> QuerySet[Any, Any]:
    placed = Transaction.objects.filter(tenant_id=tenant_id, id=transaction_id, payments__kind="x402")
    return placed.order_by().values("payments__round", "payments__id")


def _payment_execution(request: RowDict, *, payment_id: UUID | None) -> RowDict:
    denied = request["status"] == RequestStatus.DENIED
    return {
        "id": uuid5(IDS, f"{request['id']}:{SYSTEM_RULE_ID}"),
        "tenant_id": request["tenant_id"],
        "rule_id": SYSTEM_RULE_ID,
        "numeric_id": 1,
        "rule_name": SYSTEM_RULE_NAME,
        "rule_type": RuleType.PAYMENT_AUTHORIZATION,
        "rule_version": 1,
        "transaction_id": request["transaction_id"],
        "authorization_request_id": request["id"],
        **{name: request[name] for name in ("action_name", "service_name", "resource_name")},
        "decision": DENIED if denied else ALLOWED,
        "reason": request["decline_reason"] if denied else "Payment successfully authorized",
        "override": None,
        "network_id": json.loads(request["payment"])["network"],
        "payment_transaction_id": payment_id,
        "parameters_checked": 0,
        "limits": [],
        "violations": [],
        "created_at": request["created_at"],
        "completed_at": request["completed_at"],
        "execution_time_ms": 0,
    }


def _first_round(transaction: RowDict, *, has_more: bool) -> RowDict:
    status = transaction["status"]
    denied = status == RequestStatus.DENIED and not has_more
    waits = status in ("pending", "preparing") and not has_more
    decided_at = None if waits else (transaction["denied_at"] if denied else transaction["authorized_at"])
    return {
        **{name: transaction[name] for name in ("tenant_id", "created_at")},
        "id": uuid5(IDS, f"{transaction['id']}:1"),
        "transaction_id": transaction["id"],
        "round": 1,
        "status": RequestStatus.DENIED if denied else RequestStatus.PREPARING if waits else RequestStatus.AUTHORIZED,
        "decline_reason": transaction["decline_reason"] if denied else None,
        "passes_at": None,
        "updated_at": decided_at or transaction["created_at"],
        "processing_at": transaction["created_at"],
        "completed_at": decided_at,
        "authorized_at": None if denied or waits else decided_at,
        "denied_at": decided_at if denied else None,
        "rule_executions": [],
    }


def list_executions(*, tenant_id: UUID, rule_id: UUID, decision: str | None = None) -> QuerySet[Any, Any]:
    """The rounds in which a rule took part, for pages by (created_at, id); `executions_of_rule` makes its executions of a page's rows."""
    denials = RuleExecution.objects.filter(tenant_id=tenant_id, rule_id=rule_id)
    found = AuthorizationRequest.objects.filter(tenant_id=tenant_id)
    if decision == DENIED:
        found = found.filter(id__in=denials.values("request_id"))
    else:
        found = found.filter(rule_ids__contains=[rule_id])
        if decision == ALLOWED:
            found = found.exclude(Exists(denials.filter(request_id=OuterRef("id"))))
    rows: QuerySet[Any, Any] = found.values(*REQUEST)
    return rows


def executions_of_rule(rows: Iterable[RowDict], *, tenant_id: UUID, rule_id: UUID) -> list[RowDict]:
    """The executions of one rule in rounds of list_executions, in their order."""
    requests = with_executions(list(rows), tenant_id=tenant_id)
    return [execution for request in requests for execution in request["rule_executions"] if execution["rule_id"] == rule_id]


def transactions_with_rule(*, tenant_id: UUID, rule_id: UUID) -> QuerySet[Any, Any]:
    """A subquery for the ids of the transactions on which a rule decided."""
    asked = AuthorizationRequest.objects.filter(tenant_id=tenant_id, rule_ids__contains=[rule_id])
    ids: QuerySet[Any, Any] = asked.values("transaction_id")
    return ids


def with_executions(requests: Sequence[RowDict], *, tenant_id: UUID) -> list[RowDict]:
    """Rounds with `rule_executions` in the order in which the rules decided, and the dates that replies show; two queries."""
    stored = [json.loads(request["executions"], parse_float=Decimal, parse_int=Decimal) for request in requests]
    rule_ids = {each["rule"] for executions in stored for each in executions}
    rules: Mapping[str, RowDict] = {}
    parameters: Mapping[str, RowDict] = {}
    if rule_ids:
        keys = {"tenant_id": tenant_id, "rule_ids": list(map(UUID, rule_ids))}
        rules = {str(rule["id"]): rule for rule in _rules(**keys)}
        parameters = {str(parameter["id"]): parameter for parameter in _parameters(**keys)}
    return [
        _complete(request, [_execution(each, request, rules[each["rule"]], parameters) for each in executions])
        for request, executions in zip(requests, stored, strict=True)
    ]


@prepared
def _rules(*, tenant_id: Any, rule_ids: Any) -> QuerySet[Any, Any]:
    found = SpendingRule.objects.filter(is_one_of("id", rule_ids), tenant_id=tenant_id)
    return found.order_by().values("id", "numeric_id", "name", "rule_type")


@prepared
def _parameters(*, tenant_id: Any, rule_ids: Any) -> QuerySet[Any, Any]:
    found = RuleParameter.objects.filter(is_one_of("rule_id", rule_ids), tenant_id=tenant_id)
    return found.order_by().values("id", "parameter_name", "measurement_type", "currency", "group_by")


def _complete(request: RowDict, executions: list[RowDict]) -> RowDict:
    decided_at = request["decided_at"]
    return {
        **{name: request[name] for name in REQUEST if not name.startswith("transaction__") and name != "executions"},
        "action_name": request["transaction__action_name"],
        "service_name": request["transaction__service__name"],
        "resource_name": request["transaction__resource_name"],
        "processing_at": request["created_at"],
        "completed_at": decided_at,
        "authorized_at": decided_at if request["status"] == RequestStatus.AUTHORIZED else None,
        "denied_at": decided_at if request["status"] == RequestStatus.DENIED else None,
        "rule_executions": executions,
    }


def _execution(stored: RowDict, request: RowDict, rule: RowDict, parameters: Mapping[str, RowDict]) -> RowDict:
    limits = [_limit(each, parameters) for each in stored["limits"]]
    denied = stored["decision"] == DENIED
    return {
        "id": UUID(stored["id"]) if "id" in stored else uuid5(IDS, f"{request['id']}:{stored['rule']}"),
        "tenant_id": request["tenant_id"],
        "rule_id": rule["id"],
        "numeric_id": rule["numeric_id"],
        "rule_name": rule["name"],
        "rule_type": rule["rule_type"],
        "rule_version": int(stored["version"]),
        "transaction_id": request["transaction_id"],
        "authorization_request_id": request["id"],
        "action_name": request["transaction__action_name"],
        "service_name": request["transaction__service__name"],
        "resource_name": request["transaction__resource_name"],
        "decision": stored["decision"],
        "reason": stored.get("reason") or WITHIN,
        "override": stored.get("override"),
        "parameters_checked": len(limits),
        "limits": limits,
        "violations": [limit for limit in limits if not limit["is_allowed"]] if denied else [],
        "created_at": request["created_at"],
        "completed_at": request["decided_at"] or request["updated_at"],
        "execution_time_ms": 0,
    }


def _limit(stored: Any, parameters: Mapping[str, RowDict]) -> RowDict:
    """A limit that was compared. Of a round that was authorized only [parameter, used, amount, limit] is kept."""
    if isinstance(stored, list):
        stored = dict(zip(("parameter", "used", "amount", "limit"), stored, strict=True))
    parameter = parameters[stored["parameter"]]
    used, amount, value = stored["used"], stored["amount"], stored["limit"]
    group = stored.get("group")
    return {
        "parameter_id": parameter["id"],
        "parameter_name": parameter["parameter_name"],
        "measurement_type": parameter["measurement_type"],
        "currency": parameter["currency"],
        "limit_value": value,
        "used": used,
        "current_value": None if amount is None else used + amount,
        "remaining": max(value - used, Decimal(0)),
        "group": named_group(parameter["group_by"], group),
        "window_start": _moment(stored.get("tailAt")),
        "window_end": _moment(stored.get("endsAt")),
        "resets_at": _moment(stored.get("resetsAt")),
        "passes_at": _moment(stored.get("passesAt")),
        "is_allowed": stored.get("isAllowed", True),
    }


def named_group(group_by: Sequence[str], values: Sequence[Any] | None) -> RowDict | None:
    """A group's values by what groups them; empty where nothing does, None where there are no values. As rules_named_group.sql."""
    if not group_by:
        return {}
    return None if values is None else dict(zip(group_by, values, strict=False))


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
