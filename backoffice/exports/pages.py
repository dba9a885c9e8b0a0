"""Pages of the back office: exports and their progress, and the user's own profile."""

from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID
from zoneinfo import available_timezones

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe
from unfold.widgets import UnfoldAdminTextInputWidget

from backoffice.list_exports import background_workbooks as workbooks
from backoffice.list_exports.changelists import changelist_at
from backoffice.list_exports.exported_rows import exported_rows
from backoffice.list_exports.spreadsheets import csv_lines, write_excel
from backoffice.models import Export
from kernel.base.setting_author import setting_author
from kernel.ledger.admin.formatting import actor_of
from kernel.ledger.admin.lists import LedgerChangeList
from kernel.ledger.admin.panels import path_of_this_site
from kernel.ledger.admin.sums import foot_of_long_list
from kernel.tenants.models import StaffProfile, check_time_zone

EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def _user_id(request: HttpRequest) -> int:
    """The signed-in member of staff; no page here opens for anybody else."""
    return int(request.user.pk or 0)


@require_safe
def export(request: HttpRequest) -> HttpResponseBase:
    """The list at `from` as a file. A long workbook is written in the background, and this leads to its progress page."""
    address = _address(request.GET.get("from", ""))
    found = exported_rows(request, address)
    name = f"{found.title.replace(' ', '-').lower()}-{timezone.now():%Y%m%d-%H%M%S}"
    if request.GET.get("format") != "xlsx":
        response = StreamingHttpResponse(csv_lines(found.headers, found.stream()), content_type="text/csv; charset=utf-8")
        response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
        return response
    if found.has_more_than(workbooks.MAX_DIRECT_ROWS):
        started = workbooks.begin_workbook(request, found, address=address)
        return HttpResponseRedirect(reverse("admin:backoffice_export_progress", args=(started.pk,)))
    file = NamedTemporaryFile(suffix=".xlsx")  # noqa: SIM115 - the response closes it
    rows = found.stream_in_words()
    write_excel(Path(file.name), found.words, rows, moved=lambda rows: None, title=found.title, units=found.units)
    return FileResponse(open(file.name, "rb"), as_attachment=True, filename=f"{name}.xlsx", content_type=EXCEL)


@require_safe
def list_sums(request: HttpRequest) -> HttpResponse:
    """The sums below the list at `from`, as a part of its page: see kernel.ledger.admin.sums."""
    address = _address(request.GET.get("from", ""))
    changelist = changelist_at(request, address)
    if not isinstance(changelist, LedgerChangeList):
        raise Http404
    foot = foot_of_long_list(changelist)
    return TemplateResponse(request, "ledger/sums.html", {"foot": foot, "path": urlsplit(address).path})


@require_safe
def progress(request: HttpRequest, export_id: UUID) -> HttpResponse:
    """The progress of an export. The page reloads until the file is ready."""
    found = get_object_or_404(Export, pk=export_id, user_id=request.user.pk)
    share = min(99, found.rows * 100 // found.expected) if found.expected else 0
    context = {
        **admin.site.each_context(request),
        "title": "Export",
        "export": found,
        "share": 100 if found.state == Export.State.READY else share,
        "has_stopped": workbooks.has_stopped(found),
    }
    return TemplateResponse(request, "backoffice/export.html", context)


@require_safe
def download(request: HttpRequest, export_id: UUID) -> HttpResponseBase:
    found = get_object_or_404(Export, pk=export_id, user_id=request.user.pk, state=Export.State.READY)
    path = workbooks.path_of(found)
    if not path.is_file():
        raise Http404
    return FileResponse(path.open("rb"), as_attachment=True, filename=f"{found.title.replace(' ', '-')}.xlsx", content_type=EXCEL)


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


def _address(path: str) -> str:
    """The path itself, if it is one of this site. Raises Http404 for anything else."""
    if not path_of_this_site(path):
        raise Http404
    return path
