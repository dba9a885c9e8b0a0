"""The admin site: where finance staff read and correct the ledgers.

Modules that register admin classes need the site to exist. So this one imports them inside functions: at its top they would be imported
while the site is still being made, and fail.
"""

import itertools
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.contrib import admin
from django.core.exceptions import NON_FIELD_ERRORS
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.functional import SimpleLazyObject
from django.utils.text import capfirst
from unfold.sites import UnfoldAdminSite

from backoffice.app_titles import APP_TITLES, TITLES
from backoffice.staff.sign_in import WINDOW, SignInForm
from kernel.base.empty_values import NOTHING

DEFAULT_ICON = "table_rows"
# Characters of a search that are read, and pages of the office that it finds.
MAX_SEARCH, MAX_PAGES = 200, 5


class OfficeSite(UnfoldAdminSite):
    """The admin site of staff. It has the dashboard, the exports, the saved views, and the search of the command palette."""

    index_title = "Home"
    login_form = SignInForm
    index_template = "backoffice/dashboard.html"
    empty_value_display = NOTHING

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        from backoffice.dashboard.page import dashboard  # noqa: PLC0415

        return super().index(request, {**dashboard(request), **(extra_context or {})})

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The sign-in page; with status 429 where the attempt was refused because too many failed before it."""
        response = super().login(request, extra_context)
        form = getattr(response, "context_data", {}).get("form") if isinstance(response, TemplateResponse) else None
        if form is not None and form.has_error(NON_FIELD_ERRORS, code="blocked"):
            response.status_code = 429
            response.headers["Retry-After"] = str(int(WINDOW.total_seconds()))
        return response

    def get_urls(self) -> list[Any]:
        from backoffice.customers import pages as customers  # noqa: PLC0415
        from backoffice.customers import statements as customer_statements  # noqa: PLC0415
        from backoffice.exports import pages as exports  # noqa: PLC0415
        from backoffice.staff import saved_views  # noqa: PLC0415
        from backoffice.staff.profile import profile  # noqa: PLC0415

        page = self.admin_view
        return [
            path("backoffice/sums/", page(exports.list_sums), name="backoffice_list_sums"),
            path("backoffice/export/start/", page(exports.export), name="backoffice_export_start"),
            path("backoffice/export/<uuid:export_id>/progress/", page(exports.progress), name="backoffice_export_progress"),
            path("backoffice/export/<uuid:export_id>/file/", page(exports.download), name="backoffice_export_download"),
            path("backoffice/savedview/save/", page(saved_views.save_view), name="backoffice_savedview_save"),
            path("backoffice/savedview/<int:view_id>/remove/", page(saved_views.delete_view), name="backoffice_savedview_remove"),
            path("customers/", page(customers.customer_list), name="backoffice_customers"),
            path("customers/new-grant/", page(customers.new_grant), name="backoffice_new_grant"),
            path("customers/customer/", page(customers.customer_page), name="backoffice_customer_page"),
            path("customers/statement/", page(customer_statements.customer_statement), name="backoffice_customer_statement"),
            path("backoffice/profile/", page(profile), name="backoffice_profile"),
            *super().get_urls(),
        ]

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The results of the command palette. Unlike Unfold's own search it caches nothing.

        Unfold keeps results for five minutes: long enough to show titles of a tenant that the user may no longer see.
        """
        from backoffice.search.palette import Group, Hit, search  # noqa: PLC0415

        term = request.GET.get("s", "").strip()[:MAX_SEARCH]
        if not term:
            return TemplateResponse(request, "backoffice/found.html", {"groups": []})
        results = search(request, term)
        pages = [Hit(found.title, found.description, found.link, found.icon or "") for found in self._search_pages(request, term)]
        if pages:
            results.groups.append(Group("Pages", pages))
        number = itertools.count(1)
        groups = [
            {"title": group.title, "hits": [{"number": next(number), **asdict(hit)} for hit in group.all_hits()]}
            for group in results.groups
        ]
        context = {"groups": groups, "note": results.note, "hint": results.hint, "term": term}
        return TemplateResponse(request, "backoffice/found.html", context, headers={"HX-Trigger": "search"})

    def _search_pages(self, request: HttpRequest, term: str) -> list[Any]:
        return self._search_apps(super().get_app_list(request), term.lower())[:MAX_PAGES]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        from backoffice.staff.saved_views import saved_views  # noqa: PLC0415

        # Read only if the page shows them.
        return {**super().each_context(request), "saved_views": SimpleLazyObject(lambda: saved_views(request))}

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[dict[str, Any]]:
        """The apps in the order of APP_TITLES. Cached for the request: a page needs them in the sidebar and in Django's own context."""
        lists: dict[str | None, list[dict[str, Any]]] = request.__dict__.setdefault("app_lists", {})
        if app_label not in lists:
            order = list(APP_TITLES)
            lists[app_label] = sorted(
                super().get_app_list(request, app_label),
                key=lambda app: order.index(app["app_label"]) if app["app_label"] in APP_TITLES else len(order),
            )
        return lists[app_label]


def environment_badge(request: HttpRequest) -> list[str]:
    """The label in the corner of every page: production is red, so that it isn't mistaken for a test."""
    return ["Local", "info"] if settings.LOCAL else ["Production", "danger"]


# The sidebar by task: each section with the models whose lists it has, in this order. Parts of other rows, and sums, are reached from the
# pages of those rows and by the search; tests/backoffice/test_site.py finds a model that is missing.
NAVIGATION: dict[str, tuple[str, ...]] = {
    "Transactions": ("billing.transaction", "billing.wallet", "billing.wallethold"),
    "Usage": (
        "metering.transaction",
        "metering.cost",
        "metering.agent",
        "metering.service",
        "paying.payment",
        "paying.collection",
        "rules.authorizationrequest",
    ),
    "Credits": ("credits.grant", "credits.credittransaction", "credits.consumption", "credits.hold", "credits.recurringgrant"),
    "Corrections": ("corrections.correctionrequest", "backfills.backfillupload", "backfills.backfillrun"),
    "Reports": ("billing.dailytotal", "metering.rollup", "backoffice.export", "backoffice.savedview"),
    "Settings": (
        "tenants.tenant",
        "tenants.apikey",
        "rules.spendingrule",
        "corrections.correctionthreshold",
        "billing.policy",
        "billing.transactiontype",
        "metering.policy",
        "metering.price",
        "paying.payersetting",
        "paying.payee",
        "metering.usagekey",
        "credits.policy",
        "credits.balancealert",
        "events.endpoint",
    ),
    "Audit": (
        "backoffice.change",
        "backoffice.integrityrun",
        "events.event",
        "events.delivery",
        "backoffice.signin",
        "procrastinate.procrastinatejob",
        "auth.user",
        "auth.group",
    ),
}


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar: what the user may see, by task."""
    models = {
        model["model"]._meta.label_lower: model
        for app in admin.site.get_app_list(request)
        for model in app["models"]
        if model["admin_url"] and model["perms"].get("view")
    }
    first = [{"title": "Home", "icon": "home", "link": reverse("admin:index")}]
    if "credits.grant" in models:
        first.append({"title": "Customers", "icon": "group", "link": reverse("admin:backoffice_customers")})
    sections = [(title, [_item(models[name], name) for name in names if name in models]) for title, names in NAVIGATION.items()]
    return [{"items": first}, *({"title": title, "collapsible": True, "items": items} for title, items in sections if items)]


def _item(model: dict[str, Any], name: str) -> dict[str, Any]:
    icon = getattr(admin.site.get_model_admin(model["model"]), "icon", DEFAULT_ICON)
    return {"title": TITLES.get(name) or capfirst(model["name"]), "icon": icon, "link": model["admin_url"]}
