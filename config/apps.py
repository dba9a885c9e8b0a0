from django.apps import AppConfig


class ProjectConfig(AppConfig):
    """The project itself: it has no models, only the system checks."""

    name = "config"
    verbose_name = "Project"

    def ready(self) -> None:
        # Importing the module registers the checks.
        from config import checks  # noqa: F401, PLC0415
