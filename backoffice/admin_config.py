"""The app config that replaces django.contrib.admin. It imports no models, because Django loads it before them."""

from django.apps import apps
from django.contrib.admin import site
from django.contrib.admin.apps import AdminConfig

from backoffice.app_titles import APP_TITLES, MODEL_NAMES
from backoffice.next_steps import NEXT_STEPS


class OfficeConfig(AdminConfig):
    default_site = "backoffice.site.OfficeSite"

    def ready(self) -> None:
        super().ready()
        for label, title in APP_TITLES.items():
            # Also the name in the breadcrumbs.
            apps.get_app_config(label).verbose_name = title
        for label, (one, several) in MODEL_NAMES.items():
            # Migrations compare a model's own options, so that a name of the office is none of theirs.
            meta = apps.get_model(label)._meta
            meta.verbose_name, meta.verbose_name_plural = one, several
        for model, page in site._registry.items():
            if model._meta.label_lower in NEXT_STEPS:
                page.next_step = NEXT_STEPS[model._meta.label_lower]  # type: ignore[attr-defined]
