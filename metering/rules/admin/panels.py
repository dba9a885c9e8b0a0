"""The tables on a rule's page."""

from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from kernel.ledger.admin import Panel
from kernel.ledger.admin.formatting import actor_names, id_link, json_block, money, page_of
from kernel.tenants.admin import local_time
from metering.models import Agent
from metering.rules.choices import Measurement
from metering.rules.models import RuleExecution, SpendingRule
from metering.rules.selectors.definitions import get_rule, list_versions
from metering.rules.selectors.dry_runs import describe_run, replay_rule
from metering.rules.selectors.sentences import parameter_limit, rule_sentences
from metering.rules.selectors.usage import list_usage

# Versions shown on a rule's page; the list of versions has all of them.
MAX_VERSIONS = 20
# Of each limit the groups that have used most.
MAX_GROUPS = 20
MAX_DENIALS = 20


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
            _group(line["group"], labels),
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


def _group(group: dict[str, Any] | None, labels: dict[str, str]) -> str:
    if group is None:
        return "all"
    return ", ".join(labels.get(str(value), str(value)) if value is not None else f"no {word}" for word, value in group.items())


def _amount(line: dict[str, Any], name: str) -> Any:
    return money(line[name], "" if line["measurement_type"] == Measurement.COUNT_TRANSACTIONS else line["currency"])


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
    return Panel("Last denials", ("When", "Transaction", "Reason", "Version"), rows, empty="It denied nothing yet.")


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
