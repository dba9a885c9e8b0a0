from django.apps import AppConfig
from django.utils.module_loading import autodiscover_modules


class CorrectionsConfig(AppConfig):
    name = "kernel.corrections"
    label = "corrections"

    def ready(self) -> None:
        # Each ledger's `corrections` module registers the kinds that it knows how to post.
        autodiscover_modules("corrections")
