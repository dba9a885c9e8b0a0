"""The pages of tenants, keys and staff profiles, with the doors and the history that the kernel's own pages know nothing of."""

from django.contrib import admin

from kernel.ledger.admin import LedgerAdmin
from kernel.tenants.admin import ApiKeyAdmin, StaffProfileAdmin, TenantAdmin
from kernel.tenants.models import ApiKey, StaffProfile, Tenant

admin.site.unregister([Tenant, ApiKey, StaffProfile])


@admin.register(Tenant)
class TenantPages(TenantAdmin, LedgerAdmin):
    ordering = ("name", "id")
    search_fields = ("id", "name", "slug")


@admin.register(ApiKey)
class ApiKeyPages(ApiKeyAdmin, LedgerAdmin):
    list_select_related = ("tenant",)
    search_fields = ("id", "name", "prefix")


@admin.register(StaffProfile)
class StaffProfilePages(StaffProfileAdmin, LedgerAdmin):
    list_select_related = ("user",)
    search_fields = ("user__username",)
