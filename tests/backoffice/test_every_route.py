"""Every address of the office as each kind of reader: no fault, nothing of another tenant, and a refusal of the office's own."""

import re
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from backoffice.models import Export, SavedView
from billing.models import Wallet
from kernel.corrections.models import CorrectionEvidence, CorrectionRequest
from tests.backoffice.full_book import fill_every_table
from tests.backoffice.staff_members import employ, log_in
from tests.factories import TenantFactory

pytestmark = pytest.mark.django_db
ROLES = ("operator", "clerk", "approver", "viewer")
# What a member of staff without a role gets to: their own pages, and those that say that there is nothing for them.
FOR_ALL_STAFF = {
    *("index", "login", "logout", "password_change", "password_change_done", "jsi18n", "search", "backoffice_profile", "autocomplete"),
    *("toggle_sidebar", "view_on_site"),
}
# The routes of every table, and those that only lead to them.
PLAIN = re.compile("_(changelist|add|history|delete|change)$")
PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>")
# An id that no row has.
NO_ROW = "00000000-0000-0000-0000-000000000000"


def routes(patterns, prefix="") -> Iterator[tuple[str, str]]:
    """The name and the address of every route, with `<parameter>` where it has one."""
    for each in patterns:
        part = prefix + re.sub(r"\(\?P<(\w+)>[^)]*\)", r"<\1>", str(each.pattern).strip("^$").replace(r"\Z", ""))
        if isinstance(each, URLResolver):
            yield from routes(each.url_patterns, part)
        elif isinstance(each, URLPattern):
            yield each.name or part, part


def office_routes():
    [office] = [each for each in get_resolver().url_patterns if getattr(each, "app_name", "") == "admin"]
    return sorted(set(routes([office], "/")))


def model_of(name):
    """The model that a route's name begins with; None for a route of the office itself."""
    app, _, rest = name.partition("_")
    return next((model for model in admin.site._registry if model._meta.app_label == app and rest.startswith(model._meta.model_name)), None)


class Filled:
    """A tenant with a row of everything, and the addresses of the office for its rows."""

    def __init__(self, name):
        self.tenant, self.owner = TenantFactory(name=name), User.objects.create_superuser(f"boss of {name.lower()}")
        fill_every_table(self.tenant, self.owner)
        self.rows = {}
        self.content_type = ContentType.objects.get_for_model(CorrectionRequest)

    def row_of(self, model):
        """Read once for all the addresses of a model."""
        if model not in self.rows:
            self.rows[model] = self.read_row(model)
        return self.rows[model]

    def read_row(self, model):
        columns = {field.name for field in model._meta.concrete_fields}
        its = {"tenant": self.tenant} if "tenant" in columns else {"user": self.owner} if "user" in columns else {}
        its = {"tenant_id": self.tenant.pk} if not its and "tenant_id" in columns else its
        its = {"pk": self.tenant.pk} if model._meta.label == "tenants.Tenant" else its
        return model._base_manager.filter(**its).first()

    def address(self, name, route):
        """The route with the ids of this tenant's rows; None where the table has none."""
        model = model_of(name)
        row = self.row_of(model) if model else None
        values = {
            "object_id": row.pk if row else NO_ROW,
            "wallet_id": self.row_of(Wallet).pk,
            "evidence_id": self.row_of(CorrectionEvidence).pk,
            "export_id": self.row_of(Export).pk,
            "view_id": self.row_of(SavedView).pk,
            "id": row.pk if row else 1,
            "app_label": "billing",
            "url": "nothing/",
            "content_type_id": self.content_type.pk,
            "form_url": "",
        }
        path = PARAMETER.sub(lambda found: str(values[found[1]]), route)
        query = {"tenant": self.tenant.pk, "id": "maria"} if name in {"backoffice_customer_page", "backoffice_customer_statement"} else {}
        return f"{path}?{urlencode(query)}" if query else path


@pytest.fixture
def own():
    return Filled("Acme")


@pytest.fixture
def foreign():
    return Filled("Foreign Ltd")


def counts_of_rows():
    """Of every table of ours."""
    return {model: model._base_manager.count() for model in admin.site._registry if model._meta.app_label != "procrastinate"}


def answer(client, path):
    """Status and text. A download is read to its end."""
    response = client.get(path)
    content = b"".join(response.streaming_content) if response.streaming else response.content
    return response.status_code, content.decode("utf-8", "replace"), response.get("Location", "")


def test_every_route_as_each_kind_of_reader(own, foreign):
    """One test for all of them, because filling every table takes longer than asking.

    Somebody with every role for one tenant, and those who may see nothing, ask for each address. The lists and rows that the superuser or
    one role may see are in test_every_page.py and test_roles.py; here they ask for all other addresses.
    """
    readers = {
        "superuser": log_in(own.owner),
        **{role: log_in(employ(role, role)) for role in ROLES},
        "limited": log_in(employ("limited", *ROLES, tenants=[own.tenant])),
        "nobody": log_in(employ("nobody")),
        "anonymous": Client(),
    }
    # The message that there is no such row names the id that was asked for, on the next page that its reader opens.
    stranger = log_in(User.objects.get(username="limited"))
    for client in (*readers.values(), stranger):
        client.raise_request_exception = False
    found = office_routes()
    assert len(found) > 300
    before = counts_of_rows()
    wrong = {}
    for name, route in found:
        path, other = own.address(name, route), foreign.address(name, route)
        for reader, client in readers.items():
            # Addresses without a name lead on to a row's page.
            is_plain = name == route or (reader in {"superuser", *ROLES} and PLAIN.search(name))
            if name == "logout" or (is_plain and reader != "limited"):
                continue
            status, text, location = answer(client, path)
            if status >= 500:
                wrong[reader, path] = status
            elif reader == "anonymous" and not (status == 302 and "/login/" in location) and name not in {"login", "jsi18n"}:
                wrong[reader, path] = (status, location)
            elif reader == "nobody" and name not in FOR_ALL_STAFF and status == 200:
                wrong[reader, path] = status
            elif status == 403 and "To the back office" not in text:
                wrong[reader, path] = "a refusal that leads nowhere"
            elif reader == "limited" and ("Foreign Ltd" in text or str(foreign.tenant.pk) in text):
                wrong[reader, path] = "shows another tenant's row"
        if other != path:
            status, text, _ = answer(stranger, other)
            if status == 200 or status >= 500 or "Foreign Ltd" in text:
                wrong["stranger", other] = status
    assert wrong == {}
    # Nothing is written before somebody confirms it, least of all by opening a page.
    assert counts_of_rows() == before
