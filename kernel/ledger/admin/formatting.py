"""HTML for amounts, people, links and JSON on admin pages. Every function returns escaped, safe HTML or plain text."""

import json
from collections.abc import Callable, Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.apps import apps
from django.contrib.auth import get_user_model
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from kernel.base.empty_values import NOTHING
from kernel.base.unbroken_ids import with_unbroken_ids
from kernel.ledger.identifiers import code_in_words, with_short_ids
from kernel.ledger.money import with_thousands
from kernel.tenants.models import ApiKey

# What a page shows of a value: escaped, safe HTML, or plain text, which the page escapes.
Html = SafeString | str
# The prefixes of request ids such as "correction:<id>": the model whose page they link to, and the link's text.
_ORIGINS: dict[str, tuple[str, str]] = {}
_FORMER_NAMES: list[Callable[[set[str]], dict[str, str]]] = []


def register_origin(prefix: str, label: str, title: str) -> None:
    """Show request ids "<prefix>:<uuid>" as a link to the row of this model."""
    _ORIGINS[prefix] = (label, title)


def actor_of(request: HttpRequest) -> str:
    """The member of staff who sent the request, as services record it: "staff:<user id>"."""
    return f"staff:{request.user.pk}"


def money(amount: Decimal | None, currency: str = "") -> Html:
    """An amount with its currency, aligned right."""
    if amount is None:
        return NOTHING
    return format_html('<span class="money">{} <span>{}</span></span>', with_thousands(amount, currency), currency)


def effect(amount: Decimal | None, unit: str = "") -> Html:
    """A change of a balance, with its sign and a colour for the direction."""
    if amount is None:
        return NOTHING
    sign = "+" if amount > 0 else ""
    side = "ch-up" if amount > 0 else "ch-down"
    return format_html('<span class="money {}">{}{} <span>{}</span></span>', side, sign, with_thousands(amount, unit), unit)


def json_block(value: Any, title: str = "JSON") -> Html:
    """Indented JSON in a closed <details> element. Text that isn't JSON is shown unchanged."""
    if value in (None, "", {}, []):
        return NOTHING
    try:
        # A float would lose digits.
        parsed = json.loads(value, parse_float=Decimal) if isinstance(value, str) else value
        pretty = json.dumps(parsed, indent=2, ensure_ascii=False, default=str)
    except ValueError:
        pretty = str(value)
    return format_html('<details class="ch-json"><summary>{}</summary><pre>{}</pre></details>', title, pretty)


def page_of(label: str, identifier: Any) -> str:
    """The URL of a row's page; empty if its model has no admin."""
    app_label, _, model_name = label.partition(".")
    try:
        return reverse(f"admin:{app_label}_{model_name}_change", args=(identifier,))
    except NoReverseMatch:
        return ""


def row_link(row: models.Model | None, text: str = "") -> Html:
    if row is None:
        return NOTHING
    return link(page_of(row._meta.label_lower, row.pk), text or with_unbroken_ids(with_short_ids(str(row))))


def id_link(label: str, identifier: Any, text: str = "") -> Html:
    """A link to a row by its id."""
    if identifier is None:
        return NOTHING
    # An id stays in one line: a browser would break it after the dots.
    return link(page_of(label, identifier), text or format_html('<span class="ch-id">{}</span>', short(identifier)))


def link(url: str, text: Any) -> Html:
    return format_html('<a class="ch-link" href="{}">{}</a>', url, text) if url else str(text)


def action_link(name: str, identifier: Any, text: str, *, back: str) -> Html:
    """A link to an action of a row (its URL's name without "admin:"), which leads `back` when it is done."""
    return link(f"{reverse(f'admin:{name}', args=(identifier,))}?{urlencode({'back': back})}", text)


def coded(code: Any, words: str = "") -> Html:
    """A code as people say it, by default in its own words; the tooltip has the code."""
    return format_html('<span title="{}">{}</span>', code, words or code_in_words(str(code))) if code else NOTHING


def shortened(text: str) -> Html:
    """A reference with the last characters of each id that is in it alone; the tooltip has all of it. What somebody wrote stays whole."""
    short_text = text if " " in text else with_short_ids(text)
    return text if short_text == text else format_html('<span title="{}">{}</span>', text, short_text)


def short(identifier: Any) -> str:
    """The last characters of an id: UUIDv7s of the same minute have the same first ones."""
    return f"…{str(identifier)[-8:]}"


def label(text: Any, colour: str = "") -> SafeString:
    """A coloured label, for a row's state. `colour`: good, bad, wait or empty."""
    return format_html('<span class="ch-label {}">{}</span>', f"ch-{colour}" if colour else "", text)


def joined(parts: Iterable[Any]) -> SafeString:
    return format_html_join("", '<span class="ch-part">{}</span>', ((part,) for part in parts))


def origin(request_id: str) -> Html:
    """A request id: as a link where its prefix is registered, else as text."""
    prefix, _, identifier = request_id.partition(":")
    if prefix in _ORIGINS and _is_uuid(identifier[:36]):
        label, title = _ORIGINS[prefix]
        return link(page_of(label, identifier[:36]), f"{title} {short(identifier[:36])}")
    return request_id or NOTHING


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def register_former_names(source: Callable[[set[str]], dict[str, str]]) -> None:
    """Ask this for the names of accounts that were deleted: from the ids to the names. What they did still names them."""
    _FORMER_NAMES.append(source)


def actor_names(actors: Iterable[str]) -> dict[str, SafeString | str]:
    """Display names of actors such as "staff:1" or "api_key:<id>", read in at most two queries."""
    wanted = set(actors)
    staff = {rest for actor in wanted for word, _, rest in [actor.partition(":")] if word == "staff" and rest.isdecimal()}
    keys = {rest for actor in wanted for word, _, rest in [actor.partition(":")] if word == "api_key" and _is_uuid(rest)}
    users = {f"staff:{user.pk}": user for user in get_user_model().objects.filter(pk__in=staff)} if staff else {}
    if gone := {identifier for identifier in staff if f"staff:{identifier}" not in users}:
        former = {f"staff:{identifier}": name for source in _FORMER_NAMES for identifier, name in source(gone).items()}
    else:
        former = {}
    issued = {f"api_key:{key.pk}": key for key in ApiKey.objects.filter(pk__in=keys)} if keys else {}
    return {
        actor: format_html('<span title="{}">{} (deleted)</span>', actor, former[actor])
        if actor in former
        else _actor_name(actor, users, issued)
        for actor in wanted
    }


def _actor_name(actor: str, users: dict[str, Any], issued: dict[str, ApiKey]) -> Html:
    if actor in users:
        return format_html('<span title="{}">{}</span>', actor, users[actor].get_full_name() or users[actor].get_username())
    if actor in issued:
        return format_html(
            '<span title="{}">{}</span>', actor, link(page_of("tenants.apikey", issued[actor].pk), f"Key {issued[actor].name}")
        )
    word, _, rest = actor.partition(":")
    # `command:<name>:<run>`: a run has a page, which says which command it was.
    if word == "command" and "run" in _ORIGINS and _is_uuid(rest.rpartition(":")[2]):
        return origin(f"run:{rest.rpartition(':')[2]}")
    return coded(actor, f"{word.capitalize()} {code_in_words(rest).lower()}") if word in {"command", "job"} else actor


def duration(length: timedelta | None) -> str:
    """`35 days`, `5 minutes`: in the largest unit of which it is a whole number."""
    if length is None:
        return NOTHING
    for unit, size in (("day", timedelta(days=1)), ("hour", timedelta(hours=1)), ("minute", timedelta(minutes=1))):
        if length and not length % size:
            return f"{length // size} {unit}{'' if length == size else 's'}"
    return f"{length.total_seconds():g} seconds"


def in_plain_words(field: Any) -> Callable[[Any], Any] | None:
    """What formats a column of durations, of ids, or of arrays, whose values are shown by the labels of their choices; None for others."""
    if isinstance(field, models.UUIDField) and not field.primary_key and not field.is_relation:
        return lambda row: shortened(str(getattr(row, field.attname) or NOTHING))
    if isinstance(field, models.DurationField):
        return lambda row: duration(getattr(row, field.attname))
    if isinstance(field, ArrayField):
        names = dict(field.base_field.flatchoices)
        return lambda row: ", ".join(str(names.get(value, value)) for value in getattr(row, field.attname) or ()) or NOTHING
    return None


def model_name(label: str) -> str:
    """The verbose name of a model, from its label "app.model"."""
    return str(apps.get_model(label)._meta.verbose_name)
