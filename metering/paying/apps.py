from django.apps import AppConfig


class PayingConfig(AppConfig):
    name = "metering.paying"
    label = "paying"
    # The scope of the facilitator's calls (kernel.tenants.scopes). The key of a resource server needs no other.
    api_scopes = ("payments:collect",)
