"""The page where members of staff change their own profile: the part of it that everybody may change."""

from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from unfold.widgets import UnfoldAdminTextInputWidget

from kernel.base.setting_author import setting_author
from kernel.ledger.admin.formatting import actor_of
from kernel.tenants.models import StaffProfile, check_time_zone


class ProfileForm(forms.Form):
    time_zone = forms.CharField(
        label="Time zone",
        max_length=64,
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "list": "zones"}),
        help_text="All times are shown in it; UTC is in the tooltip.",
    )

    def clean_time_zone(self) -> str:
        name: str = self.cleaned_data["time_zone"]
        try:
            check_time_zone(name)
        except ValidationError:
            raise forms.ValidationError("There is no such time zone. Names are like Europe/Berlin.") from None
        return name


def profile(request: HttpRequest) -> HttpResponse:
    """The user's own profile: the part that everybody may change."""
    own = StaffProfile.objects.filter(user_id=_user_id(request)).first()
    form = ProfileForm(request.POST or None, initial={"time_zone": own.time_zone if own else "UTC"})
    if request.method == "POST" and form.is_valid():
        with setting_author(actor=actor_of(request), request_id=getattr(request, "request_id", "")):
            StaffProfile.objects.update_or_create(user_id=_user_id(request), defaults={"time_zone": form.cleaned_data["time_zone"]})
        messages.success(request, "Times are shown in this time zone from now on.")
        return HttpResponseRedirect(reverse("admin:backoffice_profile"))
    context: dict[str, Any] = {**admin.site.each_context(request), "title": "My profile", "form": form, "zones": _zones()}
    return TemplateResponse(request, "backoffice/profile.html", context)


def _zones() -> list[str]:
    return sorted(name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "SystemV/")))


def _user_id(request: HttpRequest) -> int:
    """The signed-in member of staff; no page here opens for anybody else."""
    return int(request.user.pk or 0)
