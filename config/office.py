"""The admin site: where finance staff inspect and correct the ledgers."""

from django.contrib.admin.apps import AdminConfig


class OfficeConfig(AdminConfig):
    """Stands in INSTALLED_APPS for django.contrib.admin; the site itself is Unfold's."""
