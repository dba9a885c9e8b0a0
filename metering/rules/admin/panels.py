"""The tables on a rule's page."""

from kernel.ledger.admin import Panel
from kernel.ledger.admin.formatting import actor_names, json_block
from kernel.tenants.admin import local_time
from metering.rules.models import SpendingRule
from metering.rules.selectors.definitions import list_versions

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
