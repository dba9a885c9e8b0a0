from django.apps import AppConfig


class TenantsConfig(AppConfig):
    name = "kernel.tenants"
    label = "tenants"
