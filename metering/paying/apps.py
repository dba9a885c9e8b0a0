from django.apps import AppConfig


class PayingConfig(AppConfig):
    name = "metering.paying"
    label = "paying"
