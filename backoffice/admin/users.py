"""The admin of staff accounts and groups."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from kernel.base.empty_values import NOTHING
from kernel.base.setting_author import setting_author
from kernel.ledger.admin.formatting import actor_of
from kernel.ledger.admin.settings import SettingForm, setting_action, switch_field
from kernel.tenants.models import StaffProfile, StaffTenant, Tenant
from kernel.tenants.services import set_staff_tenants

admin.site.unregister([User, Group])


class StaffTenantsForm(SettingForm):
    title = "Set tenants"
    description = "Which tenants this person sees, on every page, search and export. A superuser sees all."
    icon = "domain_verification"
    sees_all = switch_field("All tenants", help="Also those that are made later.")
    tenant_ids = forms.MultipleChoiceField(
        label="Tenants",
        required=False,
        choices=lambda: [(str(tenant.pk), tenant.name) for tenant in Tenant.objects.order_by("name")],
        widget=UnfoldAdminCheckboxSelectMultipleWidget(),
        help_text="The only ones, unless all are on.",
    )

    def current(self) -> dict[str, Any]:
        profile = StaffProfile.objects.filter(user=self.row).first()
        limits = StaffTenant.objects.filter(profile=profile).order_by("tenant__name").values_list("tenant_id", flat=True)
        return {"sees_all": profile is not None and profile.sees_all_tenants, "tenant_ids": [str(tenant_id) for tenant_id in limits]}

    def apply(self, *, actor: str, request_id: str, **values: Any) -> None:
        ids = [UUID(tenant_id) for tenant_id in values["tenant_ids"]]
        set_staff_tenants(user_id=self.row.pk, actor=actor, request_id=request_id, sees_all=values["sees_all"], tenant_ids=ids)


@admin.register(User)
class StaffAdmin(DjangoUserAdmin, ModelAdmin):
    """Staff accounts. They are switched off and never deleted: the ledgers' rows name them."""

    icon = "person"
    actions_detail = ("set_tenants",)
    set_tenants = setting_action(StaffTenantsForm, name="set-tenants", right="change")
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "first_name", "last_name", "roles", "is_active", "is_superuser", "last_login")

    def get_queryset(self, request: HttpRequest) -> QuerySet[User]:
        return super().get_queryset(request).prefetch_related("groups")

    @admin.display(description="roles")
    def roles(self, user: User) -> str:
        return ", ".join(sorted(group.name for group in user.groups.all())) or NOTHING

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def response_add(self, request: HttpRequest, obj: Any, post_url_continue: str | None = None) -> HttpResponse:
        messages.info(request, f"{obj} has no role and sees no tenant yet: choose groups below, and the tenants under “Set tenants”.")
        return super().response_add(request, obj, post_url_continue)

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        with setting_author(actor=actor_of(request), request_id=getattr(request, "request_id", "")):
            return super().changeform_view(request, *args, **kwargs)

    def user_change_password(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        with setting_author(actor=actor_of(request), request_id=getattr(request, "request_id", "")):
            return super().user_change_password(request, *args, **kwargs)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    icon = "group"

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[list[Any], dict[str, int], set[str], list[Any]]:
        """What the question before a deletion lists: the groups, and who is in them. Django names the rows of the tables in between."""
        _, _, forbidden, protected = super().get_deleted_objects(objs, request)
        lines: list[Any] = []
        counts = {"groups": len(objs), "people who lose what they allow": 0}
        for group in objs:
            members = [f"{user.get_full_name() or user.username} loses what it allows" for user in group.user_set.order_by("username")]
            lines += [f"Group “{group}”", *([members] if members else [])]
            counts["people who lose what they allow"] += len(members)
        return lines, counts, forbidden, protected
