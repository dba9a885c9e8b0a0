"""The forms of spending rules. Each shows on its second page what the rule would say, and what it would not do."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from django import forms
from django.utils import timezone
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget, UnfoldAdminTextInputWidget

from kernel.base.error_messages import register_messages
from kernel.ledger.admin.fields import AmountOrZeroField
from kernel.ledger.admin.settings import SettingForm, form_id_of, text_field
from kernel.ledger.money import is_plain_decimal, trimmed_digits
from metering.models import Agent, Rollup
from metering.rules import services
from metering.rules.admin.limit_fields import (
    KINDS,
    LIMIT_FITS,
    LIMITS,
    OF_COSTS,
    PLACES,
    choice_field,
    condition_fits,
    condition_form_fields,
    limit_form_fields,
    read_conditions,
    read_limit,
    write_conditions,
)
from metering.rules.choices import ResolutionStrategy, RuleStatus
from metering.rules.selectors.definitions import PARAMETER, get_rule
from metering.rules.selectors.dry_runs import describe_run, replay_rule
from metering.rules.selectors.sentences import parameter_limit, rule_sentences, rule_warnings

# Agents that a form lists; the API takes any.
MAX_AGENTS = 200
STRATEGIES = {ResolutionStrategy.AUTOMATIC: "Refuse the call", ResolutionStrategy.MANUAL: "Let a person decide"}
STATUSES = {RuleStatus.ACTIVE: "In force at once", RuleStatus.PAUSED: "Paused"}

register_messages(
    {
        "version_conflict": "The rule was changed meanwhile by somebody else: look at it again.",
        "not_archivable": "The rule was changed meanwhile, or is archived already.",
        "not_restorable": "The rule was changed meanwhile, or isn't archived.",
        "rule_archived": "The rule is archived: restore it first.",
        "too_many_rules": "The tenant has {max} rules that aren't archived, which is the most.",
    }
)


class NotifyField(forms.CharField):
    """Percentages of the limit, as text: `80, 100`. `notify_parts` makes parts of the limit of them."""

    def __init__(self, **options: Any) -> None:
        super().__init__(required=False, max_length=200, widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off"}), **options)

    def clean(self, value: Any) -> str:
        words = [word.strip().removesuffix("%").strip() for word in super().clean(value).split(",") if word.strip()]
        if any(not is_plain_decimal(word) for word in words):
            raise forms.ValidationError("Write percentages with commas between them, like 80, 100.")
        return ", ".join(trimmed_digits(Decimal(word)) for word in words)


def notify_parts(text: str) -> list[Decimal]:
    return [Decimal(word) / 100 for word in text.split(", ") if word]


def notify_text(parts: Any) -> str:
    return ", ".join(trimmed_digits(part * 100) for part in parts or ())


class RuleForm(SettingForm):
    """What the forms of whole rules share: the agents of the tenant, and the sentences of the rule that is about to be."""

    is_tried_first = True
    names_of_facts = {"notify_at": "notify", "agent_ids": "agents"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if "agents" in self.fields:
            self.fields["agents"].choices = self.agent_choices()  # type: ignore[attr-defined]

    def agent_choices(self) -> list[tuple[str, str]]:
        agents = Agent.objects.filter(tenant_id=self.tenant.pk).order_by("-id").values_list("id", "label", "name")[:MAX_AGENTS]
        return [(str(identifier), label if label == name else f"{label} ({name})") for identifier, label, name in agents]

    def rule_as_it_would_be(self) -> dict[str, Any]:
        """The rule as it would be, as a row of selectors.definitions. Called with valid data."""
        raise NotImplementedError

    def notes(self) -> list[str]:
        return [*rule_sentences(self.rule_as_it_would_be()), *self.dry_run()]

    def dry_run(self) -> list[str]:
        """What the rule would have done to last week's calls."""
        planned = self.rule_as_it_would_be()
        run = replay_rule(planned, tenant_id=self.tenant.pk, now=timezone.now())
        return describe_run(run, [parameter_limit(parameter) for parameter in planned["parameters"]])

    def cautions(self) -> list[str]:
        return rule_warnings(self.rule_as_it_would_be())

    def unknown_currency(self) -> list[str]:
        """Says so where a limit of costs is in a currency in which the tenant has none: it would limit nothing."""
        currency, own = self.cleaned_data.get("currency"), self.tenant.currency
        if (
            self.cleaned_data["kind"] not in OF_COSTS
            or currency == own
            or Rollup.objects.filter(tenant=self.tenant, currency=currency).exists()
        ):
            return []
        return [f"None of the tenant's costs is in {currency}, so this limits nothing. The tenant's currency is {own}."]

    def planned_agents(self) -> list[dict[str, Any]]:
        labels = dict(self.fields["agents"].choices)  # type: ignore[attr-defined]
        return [{"agent_id": agent, "agent": {"label": labels[agent], "name": labels[agent]}} for agent in self.cleaned_data["agents"]]


def _agents_field() -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(
        label="Agents",
        required=False,
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        help_text=f"None: all agents. The newest {MAX_AGENTS} are listed.",
    )


class NewRuleForm(RuleForm):
    title = "New rule"
    description = "A limit, or a list of what is allowed or refused. It decides every new call from the moment it is in force."
    icon = "add"
    fits = LIMIT_FITS | condition_fits()

    kind = choice_field("What it does", {name: text for name, (text, _, _) in KINDS.items()})
    name = text_field("Name", max_length=255)

    def further_fields(self) -> dict[str, forms.Field]:
        return {**limit_form_fields(self.tenant.currency), "agents": _agents_field(), **condition_form_fields()} | {
            "strategy": choice_field("Where it refuses", STRATEGIES, initial=ResolutionStrategy.AUTOMATIC.value),
            "notify": NotifyField(label="Send an event at (%)", initial="80, 100", help_text="Of the limit."),
            "status": choice_field("Status", STATUSES, initial=RuleStatus.ACTIVE.value),
        }

    def cautions(self) -> list[str]:
        return [*super().cautions(), *self.unknown_currency()]

    def service_arguments(self) -> dict[str, Any]:
        """What the services take."""
        values = self.cleaned_data
        _, rule_type, _ = KINDS[values["kind"]]
        is_limit = values["kind"] in LIMITS
        return {
            "name": values["name"],
            "rule_type": str(rule_type),
            "resolution_strategy": values["strategy"],
            "status": values["status"],
            "notify_at": notify_parts(values["notify"]) if is_limit else [],
            "parameters": [read_limit(values)] if is_limit else [],
            "conditions": read_conditions(values),
        }

    def rule_as_it_would_be(self) -> dict[str, Any]:
        return self.service_arguments() | {"agent_rules": self.planned_agents()}

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        # The form's own id: a form that is submitted twice makes one rule.
        key = form_id_of(self)
        services.create_rule(
            tenant_id=self.tenant.pk,
            actor=actor,
            request_id=request_id,
            idempotency_key=f"form:{key}" if key else None,
            agent_ids=_ids(values["agents"]),
            **self.service_arguments(),
        )


class ExistingRuleForm(RuleForm):
    """A form about the rule whose page is open. `rule`: its row, read when the form is made."""

    def current(self) -> dict[str, Any]:
        self.rule = get_rule(tenant_id=self.row.tenant_id, reference=str(self.row.pk))
        # The version is in the digest of what stands, so that a change in between is noticed.
        return {"version": self.rule["version"]} | self.present_values()

    def present_values(self) -> dict[str, Any]:
        """The fields' present values."""
        return {}

    def rule_as_it_would_be(self) -> dict[str, Any]:
        return dict(self.rule) | self.service_arguments()

    def service_arguments(self) -> dict[str, Any]:
        """What changes, as services.change_rule takes it."""
        return {}

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        services.change_rule(**self.target(actor, request_id), **self.service_arguments())

    def target(self, actor: str, request_id: str) -> dict[str, Any]:
        keys = {"tenant_id": self.row.tenant_id, "reference": str(self.row.pk), "version": self.rule["version"]}
        return keys | {"actor": actor, "request_id": request_id}


class EditRuleForm(ExistingRuleForm):
    title = "Change the rule"
    description = "Its limits have a form of their own, and more than three conditions are changed by the API. The next call sees a change."
    fits = condition_fits()

    def further_fields(self) -> dict[str, forms.Field]:
        # A form of three conditions can't show what the API made: it leaves them as they are.
        conditions = condition_form_fields() if self.fits_conditions() else {}
        return {"name": text_field("Name", max_length=255), "agents": _agents_field(), **conditions} | {
            "strategy": choice_field("Where it refuses", STRATEGIES),
            "notify": NotifyField(label="Send an event at (%)", help_text="Of the limit, like 80, 100."),
        }

    def fits_conditions(self) -> bool:
        conditions = self.rule["conditions"]
        return len(conditions) <= len(PLACES) and all(condition["condition_group"] == "primary" for condition in conditions)

    def agent_choices(self) -> list[tuple[str, str]]:
        listed = super().agent_choices()
        known = {identifier for identifier, _ in listed}
        own = [(str(part["agent_id"]), part["agent"]["label"]) for part in self.rule["agent_rules"]]
        return [*(choice for choice in own if choice[0] not in known), *listed]

    def present_values(self) -> dict[str, Any]:
        return {
            "name": self.rule["name"],
            "agents": sorted(str(part["agent_id"]) for part in self.rule["agent_rules"]),
            "strategy": self.rule["resolution_strategy"],
            "notify": notify_text(self.rule["notify_at"]),
            **write_conditions(self.rule["conditions"]),
        }

    def service_arguments(self) -> dict[str, Any]:
        values = self.cleaned_data
        stated = {"name": values["name"], "resolution_strategy": values["strategy"], "notify_at": notify_parts(values["notify"])}
        return stated | ({"conditions": read_conditions(values)} if self.fits_conditions() else {})

    def rule_as_it_would_be(self) -> dict[str, Any]:
        return super().rule_as_it_would_be() | {"agent_rules": self.planned_agents()}

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        services.change_rule(**self.target(actor, request_id), agent_ids=_ids(values["agents"]), **self.service_arguments())


class LimitsForm(ExistingRuleForm):
    title = "Change the limits"
    description = "What is used of a limit stays as it is; the next call is decided by the new one."
    icon = "speed"

    def further_fields(self) -> dict[str, forms.Field]:
        fields: dict[str, forms.Field] = {}
        for index, parameter in enumerate(self.rule["parameters"]):
            label = parameter["parameter_name"] or f"Limit {index + 1}, now {parameter_limit(parameter)}"
            fields[f"limit_{index}"] = AmountOrZeroField(label=label, help_text=rule_sentences(self.rule_with_one_limit(parameter))[0])
        return fields

    def rule_with_one_limit(self, parameter: Mapping[str, Any]) -> dict[str, Any]:
        return dict(self.rule) | {"parameters": [parameter]}

    def present_values(self) -> dict[str, Any]:
        return {f"limit_{index}": trimmed_digits(part["limit_value"]) for index, part in enumerate(self.rule["parameters"])}

    def service_arguments(self) -> dict[str, Any]:
        limits = [Decimal(self.cleaned_data[f"limit_{index}"]) for index in range(len(self.rule["parameters"]))]
        unchanged = [{"id": part["id"]} | {name: part[name] for name in PARAMETER} for part in self.rule["parameters"]]
        return {"parameters": [part | {"limit_value": limit} for part, limit in zip(unchanged, limits, strict=True)]}


class NewLimitForm(ExistingRuleForm):
    title = "Add a limit"
    description = "All limits of a rule must allow a call."
    icon = "add"
    fits = LIMIT_FITS

    kind = choice_field("What it limits", {name: text for name, (text, _, measure) in KINDS.items() if measure is not None})

    def further_fields(self) -> dict[str, forms.Field]:
        return limit_form_fields(self.tenant.currency)

    def cautions(self) -> list[str]:
        return [*super().cautions(), *self.unknown_currency()]

    def rule_as_it_would_be(self) -> dict[str, Any]:
        return dict(self.rule) | {"parameters": [*self.rule["parameters"], read_limit(self.cleaned_data)]}

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        services.add_parameter(**self.target(actor, request_id), **read_limit(values))


class StatusForm(ExistingRuleForm):
    """A form without fields, which changes the rule's status."""

    def dry_run(self) -> list[str]:
        return []


class PauseForm(StatusForm):
    title = "Pause the rule"
    description = "It decides nothing until it is put in force again."
    icon = "pause_circle"
    is_destructive = True

    def service_arguments(self) -> dict[str, Any]:
        return {"status": RuleStatus.PAUSED.value}


class ActivateForm(StatusForm):
    title = "Put the rule in force"
    description = "It decides from the next call on, and counts what was used before."
    icon = "play_circle"

    def service_arguments(self) -> dict[str, Any]:
        return {"status": RuleStatus.ACTIVE.value}


class ArchiveForm(StatusForm):
    title = "Archive the rule"
    description = "It decides nothing any more, and leaves the lists. What it decided stays, and it can be restored."
    icon = "archive"
    is_destructive = True

    def rule_as_it_would_be(self) -> dict[str, Any]:
        return dict(self.rule)

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        services.archive_rule(**self.target(actor, request_id))


class RestoreForm(StatusForm):
    title = "Restore the rule"
    description = "It comes back paused: put it in force afterwards."
    icon = "unarchive"

    def rule_as_it_would_be(self) -> dict[str, Any]:
        return dict(self.rule) | {"status": RuleStatus.PAUSED.value}

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        services.restore_rule(**self.target(actor, request_id))


def _ids(texts: list[str]) -> list[UUID]:
    return [UUID(text) for text in texts]
