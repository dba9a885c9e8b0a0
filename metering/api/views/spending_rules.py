"""The views of spending rules: their definitions, what is used of them, and what they decided."""

from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from kernel.api.schema import operation
from kernel.api.serializers import encode
from metering.api.dialect import spending_rule_dialect
from metering.api.filters import ExecutionQuery, RuleListQuery, RuleQuery
from metering.api.serializers.authorization import RuleExecutionReply
from metering.api.serializers.requests import TransactionRequest
from metering.api.serializers.rule_replies import (
    ChangedRuleReply,
    ConditionReply,
    FlatRuleReply,
    ParameterReply,
    RuleDocument,
    RuleResource,
    included_resources,
    rule_document,
    rule_resource,
)
from metering.api.serializers.rule_requests import NewParameterBody, RuleChangeRequest, RuleRequest, VersionRequest
from metering.api.serializers.rule_usage import EvaluationReply, RuleUsageReply, SpendLimitSummaryReply
from metering.api.views.base import MeteringViewSet
from metering.rules import services
from metering.rules.selectors import definitions as selectors
from metering.rules.selectors.executions import executions_of_rule, list_executions
from metering.rules.selectors.tightest import get_spend_limit
from metering.rules.selectors.usage import list_usage
from metering.services import evaluate_create


class SpendingRuleViewSet(MeteringViewSet):
    dialect = spending_rule_dialect
    ledger = "rules"
    rights = {"evaluate": "read"}

    def change_arguments(self, rule_id: str) -> dict[str, Any]:
        return self.audit_context() | {"reference": rule_id}

    def agent_numbers(self, include: Any) -> dict[Any, int]:
        return selectors.number_agents(tenant_id=self.caller.tenant_id) if "agents" in include else {}

    @operation(
        summary="Create a spending rule",
        body=RuleRequest,
        reply=FlatRuleReply,
        status=201,
        refuses=("too_many_rules", "idempotency_conflict"),
        idempotent=True,
        replays=True,
    )
    def create(self, request: HttpRequest) -> HttpResponse:
        """Makes a rule, active unless `status` says `paused`. Transactions from before it count."""
        written = services.create_rule(**self.audit_context(), idempotency_key=self.idempotency_key(), **self.read(RuleRequest))
        return self.reply(FlatRuleReply, written.row, status=201, replayed=written.replayed)

    @operation(summary="List spending rules", query=RuleListQuery, reply=RuleResource, paged=True)
    def list(self, request: HttpRequest) -> HttpResponse:
        """Newest first, in the form of JSON:API. Archived rules are listed with `filter[status]=archived` only. Links are relative to the
        API's version."""
        query = self.query(RuleListQuery)
        rows = selectors.list_rules(tenant_id=self.caller.tenant_id, status=query["status"], agent_id=query["agent"])
        page = self.page_of_rows(rows, limit=query["limit"], after=query["after"], before=query["before"])
        rules, include = selectors.with_parts(page.rows), query["include"]
        items = [RuleResource.plain(rule_resource(rule, include=include)) for rule in rules]
        body = self.dialect.page_body(page=page, items=items, request=request)
        if include:
            body["included"] = included_resources(rules, include=include, agent_numbers=self.agent_numbers(include))
        return HttpResponse(encode(body), content_type="application/json")

    @operation(summary="Read a spending rule", query=RuleQuery, reply=RuleDocument)
    def retrieve(self, request: HttpRequest, rule_id: str) -> HttpResponse:
        """One rule, by its id or as `RL-001`, in the form of JSON:API."""
        include = self.query(RuleQuery)["include"]
        rule = selectors.get_rule(tenant_id=self.caller.tenant_id, reference=rule_id)
        return self.reply(RuleDocument, rule_document(rule, include=include, agent_numbers=self.agent_numbers(include)))

    @operation(
        summary="Change a spending rule",
        body=RuleChangeRequest,
        reply=ChangedRuleReply,
        refuses=("version_conflict", "rule_archived", "system_rule"),
    )
    def update(self, request: HttpRequest, rule_id: str) -> HttpResponse:
        """Changes what is stated, and nothing else. `version` is the one that was read. The next decision sees the change; a limit that is
        raised or lowered keeps what is used of it."""
        written = services.change_rule(**self.change_arguments(rule_id), **self.read(RuleChangeRequest))
        return self.reply(ChangedRuleReply, written.row)

    @operation(
        summary="Archive a spending rule",
        body=VersionRequest,
        reply=FlatRuleReply,
        refuses=("not_archivable", "system_rule", "idempotency_conflict"),
        idempotent=True,
        replays=True,
    )
    def archive(self, request: HttpRequest, rule_id: str) -> HttpResponse:
        """Takes a rule out of force and out of the list."""
        arguments = self.change_arguments(rule_id) | {"idempotency_key": self.idempotency_key()}
        written = services.archive_rule(**arguments, **self.read(VersionRequest))
        return self.reply(FlatRuleReply, written.row, replayed=written.replayed)

    @operation(
        summary="Restore a spending rule",
        body=VersionRequest,
        reply=FlatRuleReply,
        refuses=("not_restorable", "system_rule", "idempotency_conflict"),
        idempotent=True,
        replays=True,
    )
    def restore(self, request: HttpRequest, rule_id: str) -> HttpResponse:
        """Brings an archived rule back, paused."""
        arguments = self.change_arguments(rule_id) | {"idempotency_key": self.idempotency_key()}
        written = services.restore_rule(**arguments, **self.read(VersionRequest))
        return self.reply(FlatRuleReply, written.row, replayed=written.replayed)

    @operation(
        summary="Add a parameter",
        body=NewParameterBody,
        reply=ParameterReply,
        status=201,
        refuses=("version_conflict", "rule_archived", "system_rule", "idempotency_conflict"),
        idempotent=True,
        replays=True,
    )
    def add_parameter(self, request: HttpRequest, rule_id: str) -> HttpResponse:
        """Adds a limit to a rule, and raises the rule's version."""
        arguments = self.change_arguments(rule_id) | {"idempotency_key": self.idempotency_key()}
        written = services.add_parameter(**arguments, **self.read(NewParameterBody))
        keys = {"tenant_id": self.caller.tenant_id, "rule_id": written.row["id"], "moment": written.moment}
        return self.reply(ParameterReply, selectors.get_added_parameter(**keys), status=201, replayed=written.replayed)

    @operation(summary="Read a parameter", reply=ParameterReply)
    def parameter(self, request: HttpRequest, rule_id: str, parameter_id: UUID) -> HttpResponse:
        """One limit of a rule, one that was replaced too."""
        found = selectors.get_parameter(tenant_id=self.caller.tenant_id, reference=rule_id, parameter_id=parameter_id)
        return self.reply(ParameterReply, found)

    @operation(summary="Read a condition", reply=ConditionReply)
    def condition(self, request: HttpRequest, rule_id: str, condition_id: UUID) -> HttpResponse:
        """One condition of a rule, one that was replaced too."""
        found = selectors.get_condition(tenant_id=self.caller.tenant_id, reference=rule_id, condition_id=condition_id)
        return self.reply(ConditionReply, found)

    @operation(summary="Read what is used of a rule", reply=RuleUsageReply)
    def usage(self, request: HttpRequest, rule_id: str) -> HttpResponse:
        """How much of each limit is used now, by group, and when it comes back. Of each limit the groups that have used most, up to 100.
        Limits of one call have no window and are left out."""
        found = selectors.get_rule_id(tenant_id=self.caller.tenant_id, reference=rule_id)
        return self.reply(RuleUsageReply, {"data": list_usage(tenant_id=self.caller.tenant_id, rule_id=found)})

    @operation(summary="List a rule's decisions", query=ExecutionQuery, reply=RuleExecutionReply, paged=True)
    def executions(self, request: HttpRequest, rule_id: str) -> HttpResponse:
        """What the rule decided, newest first. Rounds in which it didn't apply are left out."""
        query, tenant_id = self.query(ExecutionQuery), self.caller.tenant_id
        keys = {"tenant_id": tenant_id, "rule_id": selectors.get_rule_id(tenant_id=tenant_id, reference=rule_id)}
        place = {name: query[name] for name in ("limit", "after", "before")}
        page = self.page_of_rows(list_executions(**keys, decision=query["decision"]), key=("created_at", "id"), **place)
        return self.page_reply(RuleExecutionReply, page, rows=executions_of_rule(page.rows, **keys))

    @operation(summary="Try a transaction out", body=TransactionRequest, reply=EvaluationReply, refuses=("invalid_value",))
    def evaluate(self, request: HttpRequest) -> HttpResponse:
        """What the rules would decide on a transaction with this body, as the create call takes it. Nothing is stored, and no limit is
        used. The scope `rules:read` is enough."""
        return self.reply(EvaluationReply, evaluate_create(**self.audit_context(), **self.read(TransactionRequest)))

    @operation(summary="Summarize the spend limit", reply=SpendLimitSummaryReply)
    def spend_limit_summary(self, request: HttpRequest) -> HttpResponse:
        """The limit in USD of what calls cost in a window of which most is used; all three attributes are null without one."""
        tenant_id = self.caller.tenant_id
        data = {"id": tenant_id, "attributes": get_spend_limit(tenant_id=tenant_id)}
        return self.reply(SpendLimitSummaryReply, {"data": data, "meta": {"organization_id": tenant_id, "queried_at": timezone.now()}})
