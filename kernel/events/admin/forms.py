"""Forms that create, change and operate webhook endpoints."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from unfold.widgets import (
    UnfoldAdminCheckboxSelectMultipleWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from kernel.base.local_time import local_time
from kernel.events import registry
from kernel.events.admin.errors import URL_SENTENCES
from kernel.events.choices import URL_LENGTH, Ordering, Payload
from kernel.events.errors import UrlRefused
from kernel.events.http.url_safety import check_url
from kernel.events.services import endpoints as services
from kernel.events.services.endpoint_tests import TEST_TYPE, send_test
from kernel.events.services.endpoints import DEFAULT_GRACE_SECONDS, MAX_GRACE_SECONDS, recover_since
from kernel.events.services.resending import recover_deliveries
from kernel.ledger.admin.fields import WholeNumberField
from kernel.ledger.admin.formatting import page_of
from kernel.ledger.admin.settings import DATETIME_LOCAL, MomentField, SettingForm, form_id_of, switch_field, text_field
from kernel.ledger.errors import InvalidValue

HEADERS_HELP = "One on each line, as Name: value; at most 10. Values are never shown again; a name alone keeps its value."


def event_choices() -> list[tuple[str, list[tuple[str, str]]]]:
    """The patterns to choose from: for each first word of names all of it, then each type."""
    choices: dict[str, list[tuple[str, str]]] = {}
    for each in registry.list_types():
        if each.name == TEST_TYPE:
            # Sent when somebody asks for it, whatever the endpoint wants.
            continue
        word = each.name.partition(".")[0]
        choices.setdefault(word, [(f"{word}.*", f"All of {word}.*")]).append((each.name, each.name))
    return list(choices.items())


def chosen_at_first() -> list[str]:
    """What a new endpoint is offered: everything but the groups that say they are many."""
    return [f"{word}.*" for word, _ in event_choices() if word not in registry.busy_words()]


class EventsField(forms.MultipleChoiceField):
    """Types and patterns. A type is left out where a chosen pattern covers it."""

    def __init__(self) -> None:
        super().__init__(label="Events", choices=event_choices, widget=UnfoldAdminCheckboxSelectMultipleWidget())

    def clean(self, value: Any) -> list[str]:
        chosen = super().clean(value)
        patterns = [each for each in chosen if each.endswith("*")]
        return [each for each in chosen if each in patterns or not registry.matches_any_pattern(patterns, each)]

    def valid_value(self, value: Any) -> bool:
        # What an endpoint has already, set by the API, may be a pattern that the form doesn't offer.
        return registry.is_pattern(str(value))


class HeadersField(forms.CharField):
    """Headers as lines of text. A name alone stands for its present value."""

    def __init__(self) -> None:
        widget = UnfoldAdminTextareaWidget(attrs={"rows": 3, "autocomplete": "off"})
        super().__init__(label="Headers", required=False, widget=widget, help_text=HEADERS_HELP)

    def clean(self, value: Any) -> str:
        text: str = super().clean(value)
        parse_headers(text)
        return text


def parse_headers(text: str) -> dict[str, str | None]:
    """Raises ValidationError for a line without a name."""
    found: dict[str, str | None] = {}
    for line in filter(None, (line.strip() for line in text.splitlines())):
        name, colon, value = line.partition(":")
        if not name.strip():
            raise forms.ValidationError(f"Not a header: {line}")
        found[name.strip()] = value.strip() if colon else None
    return found


class EndpointForm(SettingForm):
    """What a new endpoint and a change of one have in common."""

    url = text_field(
        "URL", required=False, max_length=URL_LENGTH, help="https:// and a name. Empty: events are only listed, for callers that pull them."
    )
    enabled_events = EventsField()
    description_text = text_field("Description", required=False, max_length=1000)
    ordering = forms.ChoiceField(
        label="Order",
        choices=Ordering.choices,
        widget=UnfoldAdminSelectWidget(),
        help_text="By account: an event waits for the one before it of its account.",
    )
    payload = forms.ChoiceField(
        label="Bodies",
        choices=Payload.choices,
        widget=UnfoldAdminSelectWidget(),
        help_text="Thin: only the object's id, for receivers that should not see amounts.",
    )
    headers = HeadersField()
    is_tried_first = True
    names_of_facts = {"description": "description_text"}

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        try:
            if url:
                check_url(url)
        except UrlRefused as error:
            reason = error.facts["reason"]
            raise forms.ValidationError(URL_SENTENCES.get(reason, f"It can't be used: {reason.replace('_', ' ')}.")) from None
        return url

    def values(self, values: dict[str, Any]) -> dict[str, Any]:
        """The arguments of the service."""
        return {
            **{name: values[name] for name in ("url", "enabled_events", "ordering", "payload")},
            "description": values["description_text"],
            "headers": parse_headers(values["headers"]),
        }


class NewEndpointForm(EndpointForm):
    title = "New endpoint"
    description = "An address that the tenant's events are sent to. Its secret is shown on the endpoint's page."
    icon = "add"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["enabled_events"].initial = chosen_at_first()
        self.fields["enabled_events"].help_text = " ".join(registry.volume_notes(self.tenant.pk)) if self.tenant else ""
        self.fields["ordering"].initial, self.fields["payload"].initial = Ordering.NONE, Payload.FULL

    def try_out(self, *, actor: str, request_id: str, **values: Any) -> None:
        services.create_endpoint(tenant_id=self.tenant.pk, actor=actor, request_id=request_id, **self.values(values))

    def apply(self, *, actor: str, request_id: str, **values: Any) -> HttpResponse:
        audit = {"tenant_id": self.tenant.pk, "actor": actor, "request_id": request_id}
        # A form that is sent twice makes one endpoint.
        created = services.create_endpoint(**audit, **self.values(values), idempotency_key=f"form:{form_id_of(self)}")
        messages.success(self.request, "The endpoint is there. Reveal its secret for the receiver, then send a test.")
        return HttpResponseRedirect(page_of("events.endpoint", created.row.pk))


class ChangeEndpointForm(EndpointForm):
    title = "Change the endpoint"
    description = "Where events are sent, and which."

    def current(self) -> dict[str, Any]:
        return {
            **{name: getattr(self.row, name) for name in ("url", "enabled_events", "ordering", "payload")},
            "description_text": self.row.description,
            "headers": "\n".join(self.row.headers),
        }

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        if not values["url"] and self.row.url:
            raise InvalidValue(field="url", reason="can't be taken away: make another endpoint for events that are only listed")
        wanted = self.values(values)
        if not wanted["url"]:
            del wanted["url"]
        services.update_endpoint(
            tenant_id=self.row.tenant_id, actor=actor, request_id=request_id, endpoint_id=self.row.pk, version=self.row.version, **wanted
        )


class EndpointAction(SettingForm):
    """An action on the open endpoint."""

    def arguments(self, actor: str, request_id: str) -> dict[str, Any]:
        return {"tenant_id": self.row.tenant_id, "actor": actor, "request_id": request_id, "endpoint_id": self.row.pk}


class DisableForm(EndpointAction):
    title = "Disable"
    description = "Nothing more is sent to it. Events are kept for 90 days, so that what is missed can be recovered."
    icon = "pause_circle"
    is_destructive = True
    note = text_field("Why", help="Shown on the endpoint's page.")

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        services.disable_endpoint(**self.arguments(actor, request_id), note=values["note"])


class EnableForm(EndpointAction):
    title = "Enable"
    description = "Events are sent to it again. What it missed isn't sent by itself: recover it afterwards."
    icon = "play_circle"

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        since = recover_since(self.row)
        services.enable_endpoint(**self.arguments(actor, request_id))
        if since is not None:
            moment = timezone.localtime(since).strftime(DATETIME_LOCAL)
            page = f"{page_of('events.endpoint', self.row.pk).removesuffix('change/')}recover/?{urlencode({'since': moment})}"
            text = 'It missed events since {}: <a class="ch-link" href="{}">replay them</a>.'
            messages.warning(self.request, format_html(text, local_time(since), page))


class DeleteForm(EndpointAction):
    title = "Delete"
    description = "It can't be brought back. The log of what was sent stays."
    icon = "delete"
    is_destructive = True

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        services.delete_endpoint(**self.arguments(actor, request_id))


class TestForm(EndpointAction):
    title = "Send a test"
    description = "Sends the example of a type now, as an event webhook.test, and shows what the endpoint answers."
    icon = "send"
    type = forms.ChoiceField(
        label="Example", choices=lambda: [(each.name, each.name) for each in registry.list_types()], widget=UnfoldAdminSelectWidget()
    )

    def apply(self, *, actor: str, request_id: str, **values: Any) -> HttpResponse:
        sent = send_test(**self.arguments(actor, request_id), type=values["type"])
        attempt = sent.attempt
        if attempt is None:
            messages.error(self.request, "The test could not be sent.")
        elif attempt.error:
            messages.error(self.request, f"The test failed after {attempt.duration_ms} ms: {attempt.error}.")
        else:
            messages.success(self.request, f"The endpoint answered {attempt.status_code} after {attempt.duration_ms} ms.")
        return HttpResponseRedirect(page_of("events.delivery", sent.delivery.pk))


class RotateForm(EndpointAction):
    title = "Rotate the secret"
    description = "A new secret signs from now on. The old one signs as well until the time is over."
    icon = "autorenew"
    is_tried_first = True
    grace_hours = WholeNumberField(
        label="Old secret signs for (hours)", min_value=0, max_value=MAX_GRACE_SECONDS // 3600, widget=UnfoldAdminTextInputWidget()
    )
    force = switch_field("Even if an older secret still signs", help="That one stops at once.")

    def current(self) -> dict[str, Any]:
        return {"grace_hours": DEFAULT_GRACE_SECONDS // 3600, "force": False}

    def changes(self) -> list[tuple[str, str, str]]:
        generation = self.row.secret_generation
        return [("Secret", f"number {generation}", f"number {generation + 1}; the old one for {self.cleaned_data['grace_hours']} hours")]

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        services.rotate_secret(**self.arguments(actor, request_id), grace_seconds=values["grace_hours"] * 3600, force=values["force"])


class DropPreviousForm(EndpointAction):
    title = "Delete the previous secret"
    description = "Only the newest secret signs from now on."
    icon = "key_off"
    is_destructive = True

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        services.drop_previous_secret(**self.arguments(actor, request_id))


class RecoverForm(EndpointAction):
    title = "Replay what failed since"
    description = "Sends again, the oldest first, what was never delivered."
    icon = "history"
    since = MomentField("Since")
    also_untried = switch_field(
        "Also what was never tried", help="Events of the time in which it was disabled, or from before it existed; up to 90 days."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        since = recover_since(self.row)
        self.fields["since"].initial = self.request.GET.get("since") or (since and timezone.localtime(since).strftime(DATETIME_LOCAL))

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        recovery = recover_deliveries(
            **self.arguments(actor, request_id),
            since=values["since"],
            only_failed=not values["also_untried"],
            idempotency_key=f"form:{form_id_of(self)}",
        )
        more = f" There are more: do it again since {recovery.next_since:%Y-%m-%d %H:%M:%S} UTC." if recovery.next_since else ""
        messages.success(self.request, f"{recovery.count} events are sent again.{more}")
