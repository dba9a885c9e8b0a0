"""How the back office shows what stands in a book: amounts, moments, people, references and JSON. Every function returns safe HTML."""

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import models
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from kernel.ledger.money import grouped
from kernel.tenants.models import ApiKey

# What a request_id says of where an entry came from, and whose page tells more.
ORIGINS = {
    "correction": ("corrections_correctionrequest", "Correction"),
    "run": ("backfills_backfillrun", "Backfill run"),
    "undo": ("backfills_backfillrun", "Undone backfill run"),
}


def money(amount: Decimal | None, currency: str = "") -> SafeString | str:
    """An amount flush right with its currency."""
    if amount is None:
        return "-"
    return format_html('<span class="money">{} <span>{}</span></span>', grouped(amount, currency), currency)


def effect(amount: Decimal | None, unit: str = "") -> SafeString | str:
    """A change of a balance: with its sign, and a colour for the direction."""
    if amount is None:
        return "-"
    sign = "+" if amount > 0 else ""
    side = "ch-up" if amount > 0 else "ch-down"
    return format_html('<span class="money {}">{}{} <span>{}</span></span>', side, sign, grouped(amount, unit), unit)


def json_block(value: Any, title: str = "JSON") -> SafeString | str:
    """JSON, pretty, folded away until it is wanted. What isn't JSON is shown as it stands."""
    if value in (None, "", {}, []):
        return "-"
    try:
        # Numbers stay as they were written: a float would lose digits.
        found = json.loads(value, parse_float=Decimal) if isinstance(value, str) else value
        pretty = json.dumps(found, indent=2, ensure_ascii=False, default=str)
    except ValueError:
        pretty = str(value)
    return format_html('<details class="ch-json"><summary>{}</summary><pre>{}</pre></details>', title, pretty)


def page_of(label: str, identifier: Any) -> str:
    """The address of a row's page; empty where the row's model has none."""
    app_label, _, model_name = label.partition(".")
    try:
        return reverse(f"admin:{app_label}_{model_name}_change", args=(identifier,))
    except NoReverseMatch:
        return ""


def row_link(row: models.Model | None, text: str = "") -> SafeString | str:
    if row is None:
        return "-"
    return link(page_of(row._meta.label_lower, row.pk), text or str(row))


def id_link(label: str, identifier: Any, text: str = "") -> SafeString | str:
    """A link to a row of which only the id is known."""
    return "-" if identifier is None else link(page_of(label, identifier), text or short(identifier))


def link(address: str, text: Any) -> SafeString | str:
    return format_html('<a class="ch-link" href="{}">{}</a>', address, text) if address else str(text)


def short(identifier: Any) -> str:
    """The end of an id: UUIDv7s made in the same minute begin alike."""
    return f"…{str(identifier)[-8:]}"


def label(text: Any, colour: str = "") -> SafeString:
    """A word that says how a row stands. `colour`: good, bad, wait or nothing."""
    return format_html('<span class="ch-label {}">{}</span>', f"ch-{colour}" if colour else "", text)


def joined(parts: Iterable[Any]) -> SafeString:
    return format_html_join("", '<span class="ch-part">{}</span>', ((part,) for part in parts))


def origin(request_id: str) -> SafeString | str:
    """Where an entry came from: a correction or a run as a link, an HTTP request by its id."""
    word, _, identifier = request_id.partition(":")
    if word in ORIGINS and _is_uuid(identifier[:36]):
        page, name = ORIGINS[word]
        return link(_page(page, identifier[:36]), f"{name} {short(identifier[:36])}")
    return request_id or "-"


def _page(name: str, identifier: str) -> str:
    try:
        return reverse(f"admin:{name}_change", args=(identifier,))
    except NoReverseMatch:
        return ""


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def actor_names(actors: Iterable[str]) -> dict[str, SafeString | str]:
    """Who these are, by name, in two queries however many they are."""
    wanted = set(actors)
    staff = {rest for actor in wanted for word, _, rest in [actor.partition(":")] if word == "staff" and rest.isdecimal()}
    keys = {rest for actor in wanted for word, _, rest in [actor.partition(":")] if word == "api_key" and _is_uuid(rest)}
    users = {f"staff:{user.pk}": user for user in get_user_model().objects.filter(pk__in=staff)} if staff else {}
    issued = {f"api_key:{key.pk}": key for key in ApiKey.objects.filter(pk__in=keys)} if keys else {}
    return {actor: _actor_name(actor, users, issued) for actor in wanted}


def _actor_name(actor: str, users: dict[str, Any], issued: dict[str, ApiKey]) -> SafeString | str:
    if actor in users:
        return format_html('<span title="{}">{}</span>', actor, users[actor].get_full_name() or users[actor].get_username())
    if actor in issued:
        return format_html(
            '<span title="{}">{}</span>', actor, link(page_of("tenants.apikey", issued[actor].pk), f"Key {issued[actor].name}")
        )
    word, _, rest = actor.partition(":")
    return {"command": f"Command {rest}", "job": f"Job {rest}"}.get(word, actor)


def model_name(label: str) -> str:
    """What a model is called, from `app.model`."""
    return str(apps.get_model(label)._meta.verbose_name)
