from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class CorrectionsConfig(AppConfig):
    name = "kernel.corrections"
    label = "corrections"

    def ready(self) -> None:
        # Imports each app's `corrections` module, which registers the app's kinds.
        autodiscover_modules("correction_kinds")
