from django.apps import AppConfig


class PayingConfig(AppConfig):
    name = "metering.paying"
    label = "paying"
    # Of the facilitator: see kernel.tenants.scopes. A key of a resource server needs no more than this.
    api_scopes = ("payments:collect",)
