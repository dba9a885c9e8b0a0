"""The app config that replaces django.contrib.admin. It imports no models, because Django loads it before them."""

from django.apps import apps
from django.contrib.admin.apps import AdminConfig

from backoffice.app_titles import APP_TITLES


class OfficeConfig(AdminConfig):
    default_site = "backoffice.site.OfficeSite"

    def ready(self) -> None:
        super().ready()
        for label, title in APP_TITLES.items():
            # Also the name in the breadcrumbs.
            apps.get_app_config(label).verbose_name = title
