"""The tables on a rule's page."""

from typing import Any

from django.utils import timezone

from kernel.ledger.admin import Panel
from kernel.ledger.admin.formatting import actor_names, id_link, json_block, page_of
from kernel.tenants.admin import local_time
from metering.rules.models import SpendingRule
from metering.rules.selectors.definitions import get_rule, list_versions
from metering.rules.selectors.dry_runs import describe_run, replay_rule
from metering.rules.selectors.sentences import parameter_limit, rule_sentences

# Versions shown on a rule's page; the list of versions has all of them.
MAX_VERSIONS = 20


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
