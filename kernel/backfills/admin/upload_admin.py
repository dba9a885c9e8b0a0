"""The list of uploaded files, the form of a new one, and the page of each, on which it is planned, posted and taken back."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from unfold.decorators import action

from kernel.backfills import services
from kernel.backfills.admin.command_filter import CommandFilter
from kernel.backfills.admin.upload_forms import ReadingForm, UploadForm
from kernel.backfills.admin.upload_pages import DECIDE, REQUEST, page_context, status_of
from kernel.backfills.choices import WAITING_STATES
from kernel.backfills.errors import BackfillStopped
from kernel.backfills.known_commands import adapter_of, title_of
from kernel.backfills.models import BackfillUpload, BackfillUploadStep
from kernel.backfills.uploads import stored_files
from kernel.base.error_messages import message_for
from kernel.ledger.admin import LedgerAdmin
from kernel.ledger.admin.base import TitledRow
from kernel.ledger.admin.form_ids import new_form_id, read_form_id
from kernel.ledger.admin.formatting import actor_of, page_of
from kernel.ledger.errors import LedgerError

LABEL = "backfills.backfillupload"
OLD_FORM = "The form was no longer valid. Nothing was changed: do it again on this page."


class ToApproveFilter(admin.SimpleListFilter):
    title = "box"
    parameter_name = "box"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("to_approve", "To approve")]

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        if self.value() != "to_approve":
            return queryset
        return queryset.filter(state__in=WAITING_STATES).exclude(requested_by=actor_of(request))


@admin.register(BackfillUpload)
class BackfillUploadAdmin(LedgerAdmin):
    icon = "drive_folder_upload"
    list_display = ("file_name", "tenant", "rows_are", "status", "file_size", "actor", "created_at")
    list_select_related = ("tenant",)
    list_filter = ("state", CommandFilter, ToApproveFilter)
    actions_list = ("new_file",)

    @admin.display(description="its rows are")
    def rows_are(self, upload: BackfillUpload) -> str:
        return title_of(upload.command)

    @admin.display(description="state")
    def status(self, upload: BackfillUpload) -> Any:
        return status_of(upload)

    def has_request_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm(REQUEST)

    @action(  # type: ignore[untyped-decorator] # Unfold has no types
        description="Upload a file", icon="upload", url_path="new-file", permissions=["request"]
    )
    def new_file(self, request: HttpRequest) -> HttpResponse:
        """GET: the form. POST: keep the file and have it planned."""
        form = UploadForm(request.POST or None, request.FILES or None, request=request)
        if request.method == "POST" and form.is_valid():
            form_id = read_form_id(request)
            if form_id is None:
                form.add_error(None, OLD_FORM)
            else:
                return self._store_upload(request, form, form_id)
        context = {"title": "Upload a file", "form": form, "opts": self.opts, "form_id": new_form_id(request)}
        context["limit"] = settings.BACKFILL_UPLOAD_LIMIT // 1_000_000
        return TemplateResponse(request, "backfills/new_file.html", {**self.admin_site.each_context(request), **context})

    def _store_upload(self, request: HttpRequest, form: UploadForm, form_id: Any) -> HttpResponse:
        sent = form.cleaned_data
        try:
            file = stored_files.receive(form_id, sent["file"].name, sent["file"].chunks())
            upload = services.add_upload(
                tenant_id=sent["tenant"].pk, upload_id=form_id, command=sent["command"], file=file, step=_step(request, form_id)
            )
        except (LedgerError, BackfillStopped) as error:
            messages.error(request, _sentence(error))
            return HttpResponseRedirect(request.path)
        return HttpResponseRedirect(page_of(LABEL, upload.pk))

    # ---- the page of a file

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [path("<path:object_id>/step/", view(self.take_step), name="backfills_backfillupload_step"), *super().get_urls()]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if request.method not in {"GET", "HEAD"}:
            raise PermissionDenied
        return self._page(request, self._get_upload(request, object_id))

    def take_step(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """POST only: `step` is one of STEPS, `text` its reason, `run` the plan that the page showed."""
        upload = self._get_upload(request, object_id)
        if request.method != "POST":
            # After a sign-in in between, the browser comes back with a GET.
            return HttpResponseRedirect(page_of(LABEL, upload.pk))
        name, form_id = request.POST.get("step", ""), read_form_id(request)
        if name == "plan" and request.user.has_perm(REQUEST):
            return self._plan(request, upload, form_id)
        if name not in STEPS:
            raise Http404
        rights, take = STEPS[name]
        if not any(map(request.user.has_perm, rights)):
            raise PermissionDenied
        if form_id is None:
            messages.error(request, OLD_FORM)
        else:
            _say(request, lambda: take(request, upload, _step(request, form_id)))
        return HttpResponseRedirect(page_of(LABEL, upload.pk))

    def _plan(self, request: HttpRequest, upload: BackfillUpload, form_id: Any) -> HttpResponse:
        try:
            adapter = adapter_of(request.POST.get("command", ""))
        except BackfillStopped:
            raise Http404 from None
        form = ReadingForm(request.POST, adapter=adapter, upload=upload)
        if not form.is_valid() or form_id is None:
            if form_id is None:
                form.add_error(None, OLD_FORM)
            return self._page(request, upload, form)
        named = _step_arguments(upload, _step(request, form_id))
        _say(request, lambda: services.plan_upload(**named, command=adapter.command, arguments=form.arguments))
        return HttpResponseRedirect(page_of(LABEL, upload.pk))

    def _page(self, request: HttpRequest, upload: BackfillUpload, form: ReadingForm | None = None) -> HttpResponse:
        context = {
            **page_context(request, upload, form),
            "title": upload.file_name,
            "opts": self.opts,
            "original": TitledRow(upload, upload.file_name),
        }
        return TemplateResponse(request, "backfills/upload.html", {**self.admin_site.each_context(request), **context})

    def _get_upload(self, request: HttpRequest, object_id: str) -> BackfillUpload:
        if not self.has_view_permission(request):
            raise PermissionDenied
        upload: BackfillUpload | None = self.get_object(request, unquote(object_id))
        if upload is None:
            raise Http404
        return upload


@admin.register(BackfillUploadStep)
class BackfillUploadStepAdmin(LedgerAdmin):
    icon = "footprint"
    in_sidebar = False
    list_display = ("upload", "tenant", "what", "actor", "reason", "created_at")
    list_select_related = ("tenant", "upload")
    list_filter = ("what",)


def _step(request: HttpRequest, form_id: Any) -> services.Step:
    text = request.POST.get("text", "").replace("\0", " ")
    return services.Step(id=form_id, actor=actor_of(request), request_id=getattr(request, "request_id", ""), reason=text)


def _say(request: HttpRequest, take: Callable[[], Any]) -> None:
    """Take a step; an error becomes a message on the page."""
    try:
        take()
    except (LedgerError, BackfillStopped) as error:
        messages.error(request, _sentence(error))


def _sentence(error: Exception) -> str:
    return message_for(error) if isinstance(error, LedgerError) else str(error)


def _named(request: HttpRequest, upload: BackfillUpload, step: services.Step) -> dict[str, Any]:
    """The arguments of a step that is about the plan that the page showed."""
    is_shown = upload.run is not None and request.POST.get("run", "") == str(upload.run_id)
    # An id of no run: the service then says that the file was planned anew.
    return {"tenant_id": upload.tenant_id, "upload_id": upload.pk, "run_id": upload.run_id if is_shown else upload.pk, "step": step}


def _step_arguments(upload: BackfillUpload, step: services.Step) -> dict[str, Any]:
    return {"tenant_id": upload.tenant_id, "upload_id": upload.pk, "step": step}


TakeStep = Callable[[HttpRequest, BackfillUpload, services.Step], Any]
# By name: who may take it, and the service.
STEPS: dict[str, tuple[tuple[str, ...], TakeStep]] = {
    "apply": ((REQUEST,), lambda request, upload, step: services.request_apply(**_named(request, upload, step))),
    "undo": ((REQUEST,), lambda request, upload, step: services.request_undo(**_named(request, upload, step))),
    "approve": ((DECIDE,), lambda request, upload, step: services.decide_upload(**_named(request, upload, step), is_approved=True)),
    "reject": ((DECIDE,), lambda request, upload, step: services.decide_upload(**_named(request, upload, step), is_approved=False)),
    "withdraw": ((REQUEST,), lambda request, upload, step: services.withdraw_upload(**_step_arguments(upload, step))),
    "cancel": ((REQUEST,), lambda request, upload, step: services.cancel_plan(**_step_arguments(upload, step))),
    "pause": ((REQUEST, DECIDE), lambda request, upload, step: services.pause_upload(**_step_arguments(upload, step))),
    "continue": ((REQUEST,), lambda request, upload, step: services.continue_upload(**_step_arguments(upload, step))),
}
