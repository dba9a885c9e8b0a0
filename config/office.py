"""The admin site: where finance staff inspect and correct the ledgers."""

from typing import Any

from django.conf import settings
from django.contrib.admin.apps import AdminConfig
from django.db.models import Model
from django.http import HttpRequest
from unfold.sites import UnfoldAdminSite

# The order in the sidebar; an app that is not named here stands last.
SECTIONS = {"billing": "Billing", "metering": "Metering", "credits": "Credits", "ledger": "Books", "tenants": "Tenants", "auth": "Staff"}
PLAIN_ICON = "table_rows"


class OfficeConfig(AdminConfig):
    """Stands in INSTALLED_APPS for django.contrib.admin; the site itself is Unfold's."""

    default_site = "config.office.OfficeSite"

    def ready(self) -> None:
        super().ready()
        from config import checks  # noqa: F401, PLC0415  (registers the system checks, which read the models' settings)


class OfficeSite(UnfoldAdminSite):
    """Everything that staff may see, and nothing that a session of the API could reach."""

    enable_nav_sidebar = False
    index_title = "Overview"


def environment_badge(request: HttpRequest) -> list[str]:
    """Which books these are, in the corner of every page: the colour of danger is that of the real ones."""
    return ["Local", "info"] if settings.LOCAL else ["Production", "danger"]


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    """The sidebar, out of what is registered: a new ModelAdmin appears in its app's section, with its `icon` if it names one."""
    from django.contrib import admin  # noqa: PLC0415  (the site exists only once the apps are loaded)

    apps = {app["app_label"]: app for app in admin.site.get_app_list(request)}
    order = [label for label in SECTIONS if label in apps] + sorted(apps.keys() - SECTIONS.keys())
    overview = {"items": [{"title": "Overview", "icon": "home", "link": f"/{admin.site.name}/"}]}
    return [overview, *(_section(apps[label]) for label in order)]


def _section(app: dict[str, Any]) -> dict[str, Any]:
    items = [
        {"title": model["name"], "icon": _icon(model["model"]), "link": model["admin_url"]} for model in app["models"] if model["admin_url"]
    ]
    return {"title": SECTIONS.get(app["app_label"], app["name"]), "separator": True, "items": items}


def _icon(model: type[Model]) -> str:
    from django.contrib import admin  # noqa: PLC0415

    return getattr(admin.site.get_model_admin(model), "icon", PLAIN_ICON)
