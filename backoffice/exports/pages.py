"""A list as a file, its progress where it is written in the background, and the sums below a list."""

from pathlib import Path
from tempfile import NamedTemporaryFile
from urllib.parse import urlsplit
from uuid import UUID

from django.contrib import admin
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from backoffice.exports import background_workbooks as workbooks
from backoffice.exports.changelists import changelist_at
from backoffice.exports.exported_rows import exported_rows
from backoffice.exports.spreadsheets import csv_lines, write_excel
from backoffice.models import Export
from kernel.ledger.admin.lists import LedgerChangeList
from kernel.ledger.admin.panels import path_of_this_site
from kernel.ledger.admin.sums import foot_of_long_list

EXCEL = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


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
        "rows": f"{found.rows:,}",
        "expected": f"{found.expected:,}",
    }
    return TemplateResponse(request, "backoffice/export.html", context)


@require_safe
def download(request: HttpRequest, export_id: UUID) -> HttpResponseBase:
    found = get_object_or_404(Export, pk=export_id, user_id=request.user.pk, state=Export.State.READY)
    path = workbooks.path_of(found)
    if not path.is_file():
        raise Http404
    return FileResponse(path.open("rb"), as_attachment=True, filename=f"{found.title.replace(' ', '-')}.xlsx", content_type=EXCEL)


def _address(path: str) -> str:
    """The path itself, if it is one of this site. Raises Http404 for anything else."""
    if not path_of_this_site(path):
        raise Http404
    return path
