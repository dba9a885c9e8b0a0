"""The lists and pages of rules and of their versions."""

from typing import Any

from django.contrib import admin
from django.db.models import Prefetch, QuerySet, prefetch_related_objects
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.html import format_html
from unfold.decorators import action

from kernel.base.empty_values import NOTHING
from kernel.ledger.admin import LedgerAdmin, Panel
from kernel.ledger.admin.formatting import label
from kernel.ledger.admin.lists import LedgerChangeList
from kernel.ledger.admin.settings import setting_action
from metering.rules.admin.forms import (
    ActivateForm,
    ArchiveForm,
    EditRuleForm,
    LimitsForm,
    NewLimitForm,
    NewRuleForm,
    PauseForm,
    RestoreForm,
    notify_text,
)
from metering.rules.admin.panels import PARTS, denials_panel, dry_run_context, parts_of, usage_panel, versions_panel
from metering.rules.choices import Measurement, RuleStatus, RuleType
from metering.rules.models import AgentRule, RuleCondition, RuleParameter, RuleVersion, SpendingRule
from metering.rules.selectors.definitions import FORMATTED_ID, get_rule
from metering.rules.selectors.sentences import rule_sentences, rule_warnings

COLOURS = {RuleStatus.ACTIVE: "good", RuleStatus.PAUSED: "wait", RuleStatus.ARCHIVED: ""}
# Which actions fit a rule of a status; every rule that isn't archived is changed, and has limits changed if it is a usage limit.
ACTIONS_BY_STATUS = {
    RuleStatus.ACTIVE: {"dry_run", "change_rule", "change_limits", "add_limit", "pause_rule", "archive_rule"},
    RuleStatus.PAUSED: {"dry_run", "change_rule", "change_limits", "add_limit", "activate_rule", "archive_rule"},
    RuleStatus.ARCHIVED: {"restore_rule"},
}


class RuleList(LedgerChangeList):
    """Reads the parts that the sentences of a list need, in three queries for the page."""

    def get_results(self, request: HttpRequest) -> None:
        super().get_results(request)
        prefetch_related_objects(self.result_list, *(Prefetch(name, queryset) for name, queryset in PARTS.items()))


@admin.register(SpendingRule)
class SpendingRuleAdmin(LedgerAdmin):
    list_display = ("number", "name", "sentence", "tenant", "state", "version", "updated_at")
    list_select_related = ("tenant",)
    list_filter = ("status", "rule_type")
    search_fields = ("id", "numeric_id", "name")
    search_parts = ("name",)
    fields = (
        *("number", "tenant", "name", "rule_type", "resolution_strategy", "state", "version", "events_at", "is_seeding"),
        *("created_at", "updated_at", "paused_at", "deleted_at", "actor", "metadata", "id"),
    )
    field_labels = {"deleted_at": "archived", "resolution_strategy": "where it refuses"}
    icon = "shield"
    actions_list = ("new_rule",)
    actions_detail = ("dry_run", "change_limits", "add_limit", "change_rule", "pause_rule", "activate_rule", "archive_rule", "restore_rule")
    new_rule = setting_action(NewRuleForm, name="new-rule")
    change_rule = setting_action(EditRuleForm, name="change-rule")
    change_limits = setting_action(LimitsForm, name="change-limits")
    add_limit = setting_action(NewLimitForm, name="add-limit")
    pause_rule = setting_action(PauseForm, name="pause-rule")
    activate_rule = setting_action(ActivateForm, name="activate-rule")
    archive_rule = setting_action(ArchiveForm, name="archive-rule")
    restore_rule = setting_action(RestoreForm, name="restore-rule")

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[RuleList]:
        return RuleList

    def get_search_results(self, request: HttpRequest, queryset: QuerySet, search_term: str) -> tuple[QuerySet, bool]:
        """Also by the number as people write it, RL-001."""
        number = FORMATTED_ID.match(search_term.strip())
        return super().get_search_results(request, queryset, str(int(number[1])) if number else search_term)

    @action(description="Dry run", icon="science", permissions=["view"], url_path="dry-run")  # type: ignore[untyped-decorator]
    def dry_run(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """What the rule would have done to the calls of the last days."""
        row = self.get_object(request, object_id)
        if row is None:
            raise Http404
        return TemplateResponse(request, "rules/dry_run.html", {**self.admin_site.each_context(request), **dry_run_context(row, self.opts)})

    @admin.display(description="rule", ordering="numeric_id")
    def number(self, rule: SpendingRule) -> Any:
        return format_html('<span class="utc">{}</span>', rule.formatted_id)

    @admin.display(description="announced from")
    def events_at(self, rule: SpendingRule) -> str:
        return f"{notify_text(rule.notify_at)} % of the limit" if rule.notify_at else NOTHING

    @admin.display(description="says")
    def sentence(self, rule: SpendingRule) -> str:
        first, *others = rule_sentences(parts_of(rule))
        return f"{first} (and {len(others)} more)" if others else first

    @admin.display(description="status")
    def state(self, rule: SpendingRule) -> Any:
        return label(rule.get_status_display(), COLOURS[RuleStatus(rule.status)])

    def lead(self, row: SpendingRule) -> list[str]:
        return rule_sentences(get_rule(tenant_id=row.tenant_id, reference=str(row.pk)))

    def cautions(self, row: SpendingRule) -> list[str]:
        return rule_warnings(get_rule(tenant_id=row.tenant_id, reference=str(row.pk)))

    def action_links(self, request: HttpRequest, row: SpendingRule) -> list[dict[str, str]]:
        """The actions that fit the rule's status and type."""
        fitting = set(ACTIONS_BY_STATUS[RuleStatus(row.status)])
        if row.rule_type != RuleType.USAGE_LIMIT:
            fitting -= {"change_limits", "add_limit"}
        titles = {getattr(self, name).short_description for name in fitting}
        return [link for link in super().action_links(request, row) if link["title"] in titles]

    def panels(self, request: HttpRequest, row: SpendingRule) -> list[Panel]:
        usage = [usage_panel(row)] if row.rule_type == RuleType.USAGE_LIMIT else []
        return [*usage, denials_panel(row), versions_panel(row)]


@admin.register(RuleVersion)
class RuleVersionAdmin(LedgerAdmin):
    list_display = ("created_at", "tenant", "rule", "version", "change", "actor")
    list_select_related = ("tenant", "rule")
    list_filter = ("change",)
    search_fields = ("id", "rule")
    icon = "history"
    in_sidebar = False


class RulePartAdmin(LedgerAdmin):
    """Parts of rules: shown on the rule's page too."""

    list_select_related: tuple[str, ...] = ("tenant", "rule")
    search_fields = ("id", "rule")
    in_sidebar = False


@admin.register(RuleParameter)
class RuleParameterAdmin(RulePartAdmin):
    list_display = ("rule", "tenant", "limit_value", "measurement_type", "interval_value", "interval_unit", "removed_at")
    codes = ("measurement_type",)
    icon = "speed"

    def currency_of(self, row: Any) -> str:
        return "calls" if row.measurement_type == Measurement.COUNT_TRANSACTIONS else super().currency_of(row)


@admin.register(RuleCondition)
class RuleConditionAdmin(RulePartAdmin):
    list_display = ("rule", "tenant", "field_type", "field_name", "operator", "value", "removed_at")
    icon = "rule"


@admin.register(AgentRule)
class AgentRuleAdmin(RulePartAdmin):
    list_display = ("rule", "tenant", "agent", "removed_at")
    list_select_related = ("tenant", "rule", "agent")
    icon = "smart_toy"
