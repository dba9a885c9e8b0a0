"""The admin of tenants, API keys, and what members of staff see."""

from django.contrib import admin
from django.utils import timezone
from unfold.admin import ModelAdmin
from unfold.decorators import display

from kernel.tenants.admin.read_only import ReadOnly
from kernel.tenants.models import ApiKey, StaffProfile, StaffTenant, Tenant


@admin.register(Tenant)
class TenantAdmin(ReadOnly, ModelAdmin):
    icon = "apartment"
    list_display = ("name", "slug", "currency", "is_active", "parent", "created_at")
    list_filter = ("is_active",)
    search_fields: tuple[str, ...] = ("name", "slug")


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnly, ModelAdmin):
    icon = "key"
    list_display = ("name", "prefix", "tenant", "scope_list", "state", "expires_at", "last_used_at")
    fields = (
        "id",
        "tenant",
        "name",
        "prefix",
        "scope_list",
        "state",
        "expires_at",
        "revoked_at",
        "last_used_at",
        "created_at",
        "created_by",
    )
    search_fields: tuple[str, ...] = ("name", "prefix")

    @display(description="scopes")  # type: ignore[untyped-decorator] # Unfold has no types
    def scope_list(self, key: ApiKey) -> str:
        return ", ".join(key.scopes)

    @display(description="state", label={"active": "success", "expired": "warning", "revoked": "danger"})  # type: ignore[untyped-decorator]
    def state(self, key: ApiKey) -> str:
        if key.revoked_at is not None:
            return "revoked"
        return "expired" if key.expires_at is not None and key.expires_at <= timezone.now() else "active"


@admin.register(StaffProfile)
class StaffProfileAdmin(ReadOnly, ModelAdmin):
    icon = "badge"
    list_display = ("user", "time_zone", "sees_all_tenants")
    search_fields = ("user__username",)


@admin.register(StaffTenant)
class StaffTenantAdmin(ReadOnly, ModelAdmin):
    icon = "domain_verification"
    list_display = ("profile", "tenant")
    list_select_related = ("profile__user",)
    ordering: tuple[str, ...] = ("-id",)
