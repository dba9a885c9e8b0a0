"""The admin site: where finance staff inspect and correct the ledgers."""

from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib.admin.apps import AdminConfig
from django.contrib.admin.sites import AdminSite
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.functional import SimpleLazyObject
from unfold.sites import UnfoldAdminSite

# The order of the sidebar and the overview; an app that is not named here stands last.
SECTIONS = {
    "corrections": "Corrections",
    "billing": "Billing",
    "metering": "Metering",
    "credits": "Credits",
    "backfills": "Backfills",
    "procrastinate": "Jobs",
    "backoffice": "Back office",
    "tenants": "Tenants",
    "auth": "Staff",
}
PLAIN_ICON = "table_rows"


class OfficeConfig(AdminConfig):
    """Stands in INSTALLED_APPS for django.contrib.admin; the site itself is Unfold's."""

    default_site = "backoffice.site.OfficeSite"

    def ready(self) -> None:
        super().ready()
        for label, name in SECTIONS.items():
            # What staff call it, in the breadcrumbs too.
            apps.get_app_config(label).verbose_name = name
        # They register themselves, which needs the apps loaded.
        from backoffice import history, links, tenant_admin, user_admin  # noqa: F401, PLC0415


class OfficeSite(UnfoldAdminSite):
    """Everything that staff may see, and nothing that a session of the API could reach."""

    index_title = "Overview"
    index_template = "office/dashboard.html"

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        # The apps' models are loaded only now.
        from backoffice.dashboard import dashboard  # noqa: PLC0415

        return super().index(request, {**dashboard(request), **(extra_context or {})})

    def get_urls(self) -> list[Any]:
        from backoffice import views  # noqa: PLC0415

        page = self.admin_view
        return [
            path("backoffice/export/start/", page(views.export), name="backoffice_export_start"),
            path("backoffice/export/<uuid:export_id>/progress/", page(views.progress), name="backoffice_export_progress"),
            path("backoffice/export/<uuid:export_id>/file/", page(views.download), name="backoffice_export_download"),
            path("backoffice/savedfilter/save/", page(views.save_filter), name="backoffice_savedfilter_save"),
            path("backoffice/savedfilter/<int:filter_id>/forget/", page(views.forget_filter), name="backoffice_savedfilter_forget"),
            path("backoffice/profile/", page(views.profile), name="backoffice_profile"),
            *super().get_urls(),
        ]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        return {**super().each_context(request), "saved_filters": SimpleLazyObject(lambda: saved_filters(request))}

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[dict[str, Any]]:
        """The apps in the order of the business; made once for a page, which asks for them in the sidebar and in Django's own context."""
        known: dict[str | None, list[dict[str, Any]]] = request.__dict__.setdefault("app_lists", {})
        if app_label not in known:
            order = list(SECTIONS)
            known[app_label] = sorted(
                super().get_app_list(request, app_label),
                key=lambda app: order.index(app["app_label"]) if app["app_label"] in SECTIONS else len(order),
            )
        return known[app_label]


def saved_filters(request: HttpRequest) -> list[Any]:
    """The reader's own, of the list that is open; asked for only where a page shows them."""
    from backoffice.models import SavedFilter  # noqa: PLC0415

    return list(SavedFilter.objects.filter(user_id=int(request.user.pk or 0), path=request.path))


def environment_badge(request: HttpRequest) -> list[str]:
    """Which books these are, in the corner of every page: the colour of danger is that of the real ones."""
    return ["Local", "info"] if settings.LOCAL else ["Production", "danger"]


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar, out of what is registered: a new ModelAdmin appears in its app's section, with its `icon` if it names one."""
    from django.contrib import admin  # noqa: PLC0415  (the site exists only once the apps are loaded)

    overview = {"items": [{"title": "Overview", "icon": "home", "link": reverse("admin:index")}]}
    return [overview, *(_section(admin.site, app) for app in admin.site.get_app_list(request))]


def _section(site: AdminSite, app: dict[str, Any]) -> dict[str, Any]:
    items = [
        {"title": model["name"], "icon": getattr(site.get_model_admin(model["model"]), "icon", PLAIN_ICON), "link": model["admin_url"]}
        for model in app["models"]
        if model["admin_url"] and getattr(site.get_model_admin(model["model"]), "in_sidebar", True)
    ]
    return {"title": app["name"], "separator": True, "items": items}
