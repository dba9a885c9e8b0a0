from django.apps import AppConfig


class BackfillsConfig(AppConfig):
    name = "kernel.backfills"
    label = "backfills"
