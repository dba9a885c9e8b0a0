"""The admin of staff accounts and groups."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest, HttpResponse
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from kernel.ledger.admin.formatting import actor_of
from kernel.tenants.setting_author import setting_author

admin.site.unregister([User, Group])


@admin.register(User)
class StaffAdmin(DjangoUserAdmin, ModelAdmin):
    icon = "person"
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "first_name", "last_name", "is_active", "is_superuser", "last_login")

    def changeform_view(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        with setting_author(actor=actor_of(request), request_id=getattr(request, "request_id", "")):
            return super().changeform_view(request, *args, **kwargs)

    def user_change_password(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        with setting_author(actor=actor_of(request), request_id=getattr(request, "request_id", "")):
            return super().user_change_password(request, *args, **kwargs)


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    icon = "group"
