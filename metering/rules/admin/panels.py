"""The tables on a rule's page."""

from decimal import Decimal
from typing import Any

from django.db.models import Exists, OuterRef, Prefetch, prefetch_related_objects
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from kernel.base.local_time import local_time
from kernel.ledger.admin import Panel
from kernel.ledger.admin.formatting import actor_names, id_link, json_block, money, page_of, row_link
from kernel.ledger.admin.panels import register_panel
from kernel.tenants.staff_scope import VisibleTenants
from metering.models import Agent
from metering.rules.choices import FieldType, Measurement, Operator, RuleStatus
from metering.rules.models import AgentRule, RuleCondition, RuleExecution, RuleParameter, SpendingRule
from metering.rules.selectors.definitions import CONDITION, PARAMETER, get_rule, list_versions
from metering.rules.selectors.dry_runs import describe_run, replay_rule
from metering.rules.selectors.sentences import parameter_limit, rule_sentences
from metering.rules.selectors.usage import list_usage

# Versions shown on a rule's page; the list of versions has all of them.
MAX_VERSIONS = 20
# The groups shown of each limit: those that have used most.
MAX_GROUPS = 20
MAX_DENIALS = 20
# Rules on the page of an agent or a service.
MAX_RULES = 50
# The parts of rules that their sentences need.
PARTS = {
    "parameter_rows": RuleParameter.objects.filter(removed_at__isnull=True).order_by("id"),
    "condition_rows": RuleCondition.objects.filter(removed_at__isnull=True).order_by("id"),
    "agent_rows": AgentRule.objects.filter(removed_at__isnull=True).select_related("agent").order_by("id"),
}


def parts_of(rule: SpendingRule) -> dict[str, Any]:
    """A rule whose parts were prefetched, as a row of selectors.definitions."""
    its: Any = rule
    return {
        "rule_type": rule.rule_type,
        "resolution_strategy": rule.resolution_strategy,
        "status": rule.status,
        "parameters": [{name: getattr(part, name) for name in PARAMETER} for part in its.parameter_rows.all()],
        "conditions": [{name: getattr(part, name) for name in CONDITION} for part in its.condition_rows.all()],
        "agent_rules": [{"agent_id": part.agent_id, "agent": {"label": part.agent.label}} for part in its.agent_rows.all()],
    }


def versions_panel(rule: SpendingRule) -> Panel:
    """Every change of the rule, newest first, and the rule as it left it."""
    versions = list_versions(tenant_id=rule.tenant_id, rule_id=rule.pk)[:MAX_VERSIONS]
    names = actor_names(version["actor"] for version in versions)
    rows = [
        (version["version"], version["change"], local_time(version["created_at"]), names[version["actor"]], _definition(version))
        for version in versions
    ]
    return Panel("Versions", ("Version", "Change", "When", "By", "The rule then"), rows)


def _definition(version: dict[str, object]) -> object:
    return json_block(version["definition"], "definition")


def usage_panel(rule: SpendingRule) -> Panel:
    """What is used of each limit now, with a bar, and when it comes back."""
    usage = list_usage(tenant_id=rule.tenant_id, rule_id=rule.pk, at_most=MAX_GROUPS)
    agents = {line["group"]["agent"] for line in usage if line["group"] and line["group"].get("agent")}
    labels = {str(pk): label for pk, label in Agent.objects.filter(tenant_id=rule.tenant_id, id__in=agents).values_list("id", "label")}
    rows = [
        (
            line["parameter_name"] or parameter_limit(line),
            group_in_words(line["group"] or {}, labels),
            used_bar(line["used"], line["limit_value"]),
            _amount(line, "used"),
            _amount(line, "remaining"),
            local_time(line["resets_at"]),
        )
        for line in usage
    ]
    note = "Sums of calls that were let through. All is back at the last time, if nothing more is used." if rows else ""
    headers = ("Limit", "For", "", "Used", "Left", "All back")
    return Panel("Used of the limits", headers, rows, empty="Nothing is counted: the rule has no limit over time, or is paused.", note=note)


def group_in_words(group: dict[str, Any], labels: dict[str, str]) -> str:
    """Whose calls are summed: `labels` are the names of agents by their ids."""
    words = (labels.get(str(value), str(value)) if value is not None else f"no {word}" for word, value in group.items())
    return ", ".join(words) or "all calls"


def _amount(line: dict[str, Any], name: str) -> Any:
    return money(line[name], "calls" if line["measurement_type"] == Measurement.COUNT_TRANSACTIONS else line["currency"])


def used_bar(used: Decimal, limit: Decimal) -> SafeString:
    """A bar as long as the part of the limit that is used; red where nothing is left."""
    part = min(int(used * 100 / limit), 100) if limit else 100
    full = " ch-full" if used >= limit else ""
    return format_html(
        '<span class="ch-bar ch-cell-bar{}" role="img" aria-label="{} % used"><span style="width: {}%"></span></span>', full, part, part
    )


def denials_panel(rule: SpendingRule) -> Panel:
    """The newest denials, each with its transaction."""
    found = RuleExecution.objects.filter(tenant_id=rule.tenant_id, rule_id=rule.pk).order_by("-created_at", "-id")[:MAX_DENIALS]
    rows = [
        (local_time(row.created_at), id_link("metering.transaction", row.transaction_id), row.reason, row.rule_version) for row in found
    ]
    return Panel("Last denials", ("When", "Call", "Reason", "Version"), rows, empty="It denied nothing yet.")


def dry_run_context(row: SpendingRule, opts: Any) -> dict[str, Any]:
    """The context of the page of a dry run."""
    rule = get_rule(tenant_id=row.tenant_id, reference=str(row.pk))
    run = replay_rule(rule, tenant_id=row.tenant_id, now=timezone.now())
    return {
        "title": f"Dry run of {row}",
        "opts": opts,
        "sentences": rule_sentences(rule),
        "results": describe_run(run, [parameter_limit(parameter) for parameter in rule["parameters"]]),
        "examples": [id_link("metering.transaction", identifier) for identifier in run.examples],
        "back": page_of("rules.spendingrule", row.pk),
    }


def rules_for_agent(row: Any, user: Any, scope: VisibleTenants) -> Panel | None:
    """The rules in force that decide on an agent's calls: those that name it, and those that name no agent."""
    named = AgentRule.objects.filter(tenant_id=row.tenant_id, rule=OuterRef("pk"), removed_at__isnull=True)
    return _rules_that_apply(row, user, Exists(named.filter(agent=row.pk)) | ~Exists(named))


def rules_for_service(row: Any, user: Any, scope: VisibleTenants) -> Panel | None:
    """The rules in force that may decide on a service's calls: those with a condition on its name, and those with none on a service."""
    named = RuleCondition.objects.filter(
        tenant_id=row.tenant_id, rule=OuterRef("pk"), removed_at__isnull=True, field_type=FieldType.SERVICE
    )
    others = Exists(named.exclude(operator=Operator.EQUALS))
    return _rules_that_apply(row, user, Exists(named.filter(value=row.name)) | others | ~Exists(named))


def _rules_that_apply(row: Any, user: Any, condition: Any) -> Panel | None:
    if not user.has_perm("rules.view_spendingrule"):
        return None
    rules = SpendingRule.objects.filter(condition, tenant_id=row.tenant_id).exclude(status=RuleStatus.ARCHIVED).order_by("status", "-id")
    found = list(rules[:MAX_RULES])
    prefetch_related_objects(found, *(Prefetch(name, rows) for name, rows in PARTS.items()))
    lines = [(row_link(rule), rule.status, " ".join(rule_sentences(parts_of(rule)))) for rule in found]
    return Panel("Spending rules that apply", ("Rule", "Status", "Says"), lines, empty="None: no rule limits it.")


register_panel("metering.agent", rules_for_agent)
register_panel("metering.service", rules_for_service)
