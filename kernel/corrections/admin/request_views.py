"""The form of a new correction request: the reason, the preview in numbers, and the confirmation."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.apps import apps
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.http import urlencode

from kernel.base.error_messages import message_for
from kernel.corrections import services
from kernel.corrections.admin.forms import EvidenceForm, ReasonForm
from kernel.corrections.admin.related import kind_cautions, related_panel
from kernel.corrections.admin.summary import fact_cards
from kernel.corrections.choices import MAX_LINES, REQUEST_PAGE, REQUEST_PERMISSION
from kernel.corrections.errors import CorrectionRefused, PreviewMoved, SeveralTenants, TooManyLines
from kernel.corrections.kinds import Kind, get_kind
from kernel.corrections.models import CorrectionRequest
from kernel.corrections.previews import CorrectionDraft, Preview
from kernel.corrections.selectors import get_common_tenant
from kernel.ledger.admin.form_ids import new_form_id, read_form_id
from kernel.ledger.admin.formatting import actor_of, effect, id_link, link, money, page_of, row_link
from kernel.ledger.admin.panels import path_of_this_site
from kernel.ledger.errors import LedgerError
from kernel.ledger.money import with_thousands
from kernel.tenants.models import Tenant
from kernel.tenants.staff_scope import scope_of

# Names the row that the request is for, where it doesn't exist yet.
NEW_ROW = "new_row"
# Rows that the page lists one by one, and posted entries that a message names.
MAX_LISTED, MAX_NAMED = 100, 3


@dataclass(frozen=True, slots=True)
class Subject:
    """The rows to be corrected, all of one tenant that this member of staff may see."""

    kind: Kind
    tenant: Tenant
    ids: tuple[UUID, ...]


def start_request(request: HttpRequest, *, kind: Kind, rows: QuerySet[Any]) -> HttpResponse:
    """The list action: shows the form for the selected rows."""
    ids = tuple(rows.order_by().values_list("pk", flat=True)[: MAX_LINES + 1])
    return _first_page(request, kind=kind, ids=ids)


def request_page(request: HttpRequest) -> HttpResponse:
    """GET: the form, for `row` of `kind`. POST: `step` is edit, preview or confirm."""
    if not request.user.has_perm(REQUEST_PERMISSION):
        raise PermissionDenied
    parameters = request.POST if request.method == "POST" else request.GET
    try:
        kind, ids = get_kind(parameters.get("kind", "")), tuple(dict.fromkeys(UUID(row) for row in parameters.getlist("row")))
    except (KeyError, ValueError):
        raise Http404 from None
    new_row = parameters.get(NEW_ROW, "")
    if not new_row or kind.make_row is None:
        return _step(request, kind=kind, ids=ids)
    with transaction.atomic():
        try:
            kind.make_row(new_row, actor_of(request), getattr(request, "request_id", ""))
        except ValueError:
            raise Http404 from None
        response = _step(request, kind=kind, ids=ids)
        if isinstance(response, TemplateResponse):
            response.render()
        # Nothing is written before the request is.
        transaction.set_rollback(not getattr(request, "has_made_correction", False))
    return response


def _step(request: HttpRequest, *, kind: Kind, ids: tuple[UUID, ...]) -> HttpResponse:
    parameters = request.POST if request.method == "POST" else request.GET
    step = parameters.get("step", "") if request.method == "POST" else ""
    if step not in {"preview", "confirm"}:
        return _first_page(request, kind=kind, ids=ids)
    try:
        subject = _subject(request, kind=kind, ids=ids)
    except LedgerError as error:
        return _redirect_to_list(request, kind=kind, ids=ids, error=error)
    form = ReasonForm(kind, parameters, tenant_id=subject.tenant.id)
    if not form.is_valid():
        return _page(request, subject, form)
    return _confirm(request, subject, form) if step == "confirm" else _preview(request, subject, form)


def _first_page(request: HttpRequest, *, kind: Kind, ids: tuple[UUID, ...]) -> HttpResponse:
    if not request.user.has_perm(REQUEST_PERMISSION):
        raise PermissionDenied
    try:
        subject = _subject(request, kind=kind, ids=ids)
    except LedgerError as error:
        return _redirect_to_list(request, kind=kind, ids=ids, error=error)
    # A link to the form may fill it in.
    entered = request.POST if request.POST.get("step") == "edit" else request.GET
    names = ReasonForm(kind).fields
    return _page(request, subject, ReasonForm(kind, initial={name: entered.get(name, "") for name in names}))


def _subject(request: HttpRequest, *, kind: Kind, ids: tuple[UUID, ...]) -> Subject:
    """Raises SeveralTenants, TooManyLines; Http404 for rows of a tenant that this member of staff doesn't see."""
    if len(ids) > MAX_LINES or (len(ids) > 1 and not kind.takes_many):
        raise TooManyLines(max=MAX_LINES if kind.takes_many else 1)
    tenant_id = get_common_tenant(label=kind.model_label, target_ids=ids)
    if not scope_of(request.user).covers(tenant_id):
        raise SeveralTenants
    return Subject(kind=kind, tenant=Tenant.objects.get(id=tenant_id), ids=ids)


def _redirect_to_list(request: HttpRequest, *, kind: Kind, ids: tuple[UUID, ...], error: LedgerError) -> HttpResponse:
    """Back to the list, with its filter. What was selected of several tenants leads to a form for each of them."""
    forms = _forms_by_tenant(request, kind=kind, ids=ids) if isinstance(error, SeveralTenants) else ()
    choices = format_html_join(", ", "{}", ((each,) for each in forms))
    messages.error(request, format_html("{} {}: {}.", message_for(error), kind.title, choices) if choices else message_for(error))
    url = reverse(f"admin:{kind.model_label.replace('.', '_')}_changelist")
    return HttpResponseRedirect(request.get_full_path() if request.path == url else url)


def _forms_by_tenant(request: HttpRequest, *, kind: Kind, ids: tuple[UUID, ...]) -> Iterator[Any]:
    rows = scope_of(request.user).limit(apps.get_model(kind.model_label)._base_manager.filter(pk__in=ids))
    by_tenant: dict[Tenant, list[UUID]] = {}
    for row in rows.select_related("tenant"):
        by_tenant.setdefault(row.tenant, []).append(row.pk)
    for tenant, own in by_tenant.items():
        text = f"the {len(own)} of {tenant}"
        # An address has a limit.
        query = urlencode([("kind", kind.code), *(("row", str(each)) for each in own)])
        yield link(f"{reverse(REQUEST_PAGE)}?{query}" if len(own) <= MAX_LISTED else "", text)


def _preview(request: HttpRequest, subject: Subject, form: ReasonForm, *, evidence: EvidenceForm | None = None) -> HttpResponse:
    try:
        preview = services.preview_correction(actor=actor_of(request), draft=_draft(subject, form))
    except LedgerError as error:
        return _page(request, subject, form, refusal=error)
    return _page(request, subject, form, preview=preview, evidence=evidence or EvidenceForm())


def _confirm(request: HttpRequest, subject: Subject, form: ReasonForm) -> HttpResponse:
    evidence = EvidenceForm(request.POST, request.FILES)
    if not evidence.is_valid():
        return _preview(request, subject, form, evidence=evidence)
    try:
        correction = services.request_correction(
            actor=actor_of(request),
            request_id=getattr(request, "request_id", ""),
            draft=_draft(subject, form),
            preview_digest=request.POST.get("preview_digest", ""),
            correction_id=read_form_id(request),
            evidence_link=form.cleaned_data["evidence_link"],
            evidence=evidence.files_sent,
        )
    except PreviewMoved as moved:
        messages.warning(request, message_for(moved))
        return _page(request, subject, form, preview=moved.facts["preview"], evidence=EvidenceForm())
    except LedgerError as error:
        return _page(request, subject, form, refusal=error)
    request.has_made_correction = True  # type: ignore[attr-defined]
    outcome = "It waits for a colleague's approval." if correction.needs_approval else posted_in_words(correction)
    messages.success(request, f"{subject.kind.title}: {outcome}")
    return HttpResponseRedirect(page_of("corrections.correctionrequest", correction.pk))


def _draft(subject: Subject, form: ReasonForm) -> CorrectionDraft:
    return CorrectionDraft(
        tenant_id=subject.tenant.id,
        kind=subject.kind.code,
        target_ids=subject.ids,
        facts=form.facts,
        reason_code=form.cleaned_data["reason_code"],
        reason=form.cleaned_data["reason"],
    )


def _page(
    request: HttpRequest,
    subject: Subject,
    form: ReasonForm,
    *,
    preview: Preview | None = None,
    evidence: EvidenceForm | None = None,
    refusal: LedgerError | None = None,
) -> HttpResponse:
    kind, count = subject.kind, len(subject.ids)
    target: dict[str, Any] = {"tenant_id": subject.tenant.id, "target_ids": subject.ids}
    accounts = {entry.account_id for _, entry in preview.entries} if preview else set()
    rows = list(apps.get_model(kind.model_label)._base_manager.filter(pk__in=subject.ids[:MAX_LISTED]))
    context = {
        **admin.site.each_context(request),
        "title": f"{kind.title} {count} rows" if count > 1 else kind.title,
        "kind": kind,
        "tenant": subject.tenant,
        "ids": subject.ids,
        "new_row": request.POST.get(NEW_ROW) or request.GET.get(NEW_ROW, ""),
        "rows": [row_link(row) for row in rows] if count > 1 else [],
        "cards": fact_cards(rows) if count == 1 else [],
        "unlisted": max(count - MAX_LISTED, 0),
        "form": form,
        "cautions": kind_cautions(kind.code, **target, facts=form.facts) if preview else [],
        "related": related_panel(**target, account_ids=accounts),
        "values": form.described_values() if preview else [],
        "evidence": evidence,
        "preview": preview,
        "entries": [entry_row(entry, is_posted=False) for _, entry in preview.entries] if preview else [],
        "form_id": new_form_id(request) if preview else "",
        "sizes": [money(amount, unit) for unit, amount in preview.size.items()] if preview else [],
        "refusal": message_for(refusal) if refusal else "",
        "refused_row": _refused_row(kind, refusal),
        "address": _address(request, subject),
        **_ways_back(request, subject),
    }
    return TemplateResponse(request, "corrections/request_form.html", context)


def _address(request: HttpRequest, subject: Subject) -> str:
    """The form's own address. It names the row: who has to sign in again when sending the form comes back to it."""
    context_values = [(name, value) for name in (NEW_ROW, "back") if (value := request.POST.get(name) or request.GET.get(name, ""))]
    query = urlencode([("kind", subject.kind.code), *(("row", str(each)) for each in subject.ids), *context_values])
    # An address has a limit.
    return f"{reverse(REQUEST_PAGE)}?{query}" if len(subject.ids) <= MAX_LISTED else reverse(REQUEST_PAGE)


def _ways_back(request: HttpRequest, subject: Subject) -> dict[str, str]:
    """`back`: where Cancel leads to; `asked_back`: the page that the reader came from, for the next step of the form."""
    asked = path_of_this_site(request.POST.get("back") or request.GET.get("back"))
    label = subject.kind.model_label
    own = page_of(label, subject.ids[0]) if len(subject.ids) == 1 else reverse(f"admin:{label.replace('.', '_')}_changelist")
    return {"back": asked or own, "asked_back": asked}


def _refused_row(kind: Kind, refusal: LedgerError | None) -> Any:
    return id_link(kind.model_label, refusal.facts["target_id"]) if isinstance(refusal, CorrectionRefused) else ""


def posted_in_words(correction: CorrectionRequest) -> str:
    """What the posting made of the balances: they may have moved since the preview."""
    entries = list(correction.entries.filter(entry_id__isnull=False).order_by("position")[: MAX_NAMED + 1])
    if not 0 < len(entries) <= MAX_NAMED:
        return "Posted."
    return "Posted. " + " ".join(
        f"{entry.account_name}: from {with_thousands(entry.balance_before, entry.unit)} to "
        f"{with_thousands(entry.balance_after, entry.unit)} {entry.unit}."
        for entry in entries
    )


def entry_row(entry: Any, *, is_posted: bool) -> dict[str, Any]:
    """An entry of a preview or of a request, as its page shows it."""
    return {
        "account": id_link(entry.account_label, entry.account_id, entry.account_name),
        "what": entry.what,
        "remarks": entry.remark.splitlines(),
        "number": entry.entry_number,
        "effect": effect(entry.effect, entry.unit),
        "before": money(entry.balance_before, entry.unit),
        "after": money(entry.balance_after, entry.unit),
        "entry": id_link(entry.entry_label, entry.entry_id) if is_posted else "",
    }
