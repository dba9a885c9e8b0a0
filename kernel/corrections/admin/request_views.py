"""From rows to a request: the reason, the preview in numbers, and the last word of who asks."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.apps import apps
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse

from kernel.corrections import services
from kernel.corrections.admin.forms import EvidenceForm, ReasonForm
from kernel.corrections.admin.messages import sentence
from kernel.corrections.choices import MOST_LINES
from kernel.corrections.errors import CorrectionRefused, PreviewMoved, SeveralTenants, TooManyLines
from kernel.corrections.kinds import Kind, get_kind
from kernel.corrections.selectors import tenant_of
from kernel.corrections.services import File, Preview, Wish
from kernel.ledger.admin.base import ASK, ASK_PAGE
from kernel.ledger.admin.formatting import effect, id_link, money, page_of, row_link
from kernel.ledger.errors import LedgerError
from kernel.tenants.models import Tenant
from kernel.tenants.staff import scope_of

# Rows that a page lists one by one.
MOST_SHOWN = 100


@dataclass(frozen=True, slots=True)
class Subject:
    """The rows to be corrected, all of one tenant that this member of staff may see."""

    kind: Kind
    tenant: Tenant
    ids: tuple[UUID, ...]


def ask_about(request: HttpRequest, *, kind: Kind, rows: QuerySet[Any]) -> HttpResponse:
    """The action of a list: the first page, for the rows that were selected there."""
    ids = tuple(rows.order_by().values_list("pk", flat=True)[: MOST_LINES + 1])
    return _first_page(request, kind=kind, ids=ids)


def ask_page(request: HttpRequest) -> HttpResponse:
    """GET: the first page, for `row` of `kind`. POST: what `step` says, edit, preview or confirm."""
    if not request.user.has_perm(ASK):
        raise PermissionDenied
    given = request.POST if request.method == "POST" else request.GET
    try:
        kind, ids = get_kind(given.get("kind", "")), tuple(dict.fromkeys(UUID(row) for row in given.getlist("row")))
    except (KeyError, ValueError):
        raise Http404 from None
    step = given.get("step", "") if request.method == "POST" else ""
    if step not in {"preview", "confirm"}:
        return _first_page(request, kind=kind, ids=ids)
    try:
        subject = _subject(request, kind=kind, ids=ids)
    except LedgerError as error:
        return _turn_back(request, kind=kind, error=error)
    form = ReasonForm(kind, given)
    if not form.is_valid():
        return _page(request, subject, form)
    return _confirm(request, subject, form) if step == "confirm" else _preview(request, subject, form)


def _first_page(request: HttpRequest, *, kind: Kind, ids: tuple[UUID, ...]) -> HttpResponse:
    if not request.user.has_perm(ASK):
        raise PermissionDenied
    try:
        subject = _subject(request, kind=kind, ids=ids)
    except LedgerError as error:
        return _turn_back(request, kind=kind, error=error)
    kept = request.POST if request.POST.get("step") == "edit" else {}
    names = ReasonForm(kind).fields
    return _page(request, subject, ReasonForm(kind, initial={name: kept.get(name, "") for name in names}))


def _subject(request: HttpRequest, *, kind: Kind, ids: tuple[UUID, ...]) -> Subject:
    """Raises SeveralTenants, TooManyLines; Http404 for rows of a tenant that this member of staff doesn't see."""
    if len(ids) > MOST_LINES or (len(ids) > 1 and not kind.takes_many):
        raise TooManyLines(most=MOST_LINES if kind.takes_many else 1)
    tenant_id = tenant_of(label=kind.label, target_ids=ids)
    if not scope_of(request.user).covers(tenant_id):
        raise SeveralTenants
    return Subject(kind=kind, tenant=Tenant.objects.get(id=tenant_id), ids=ids)


def _turn_back(request: HttpRequest, *, kind: Kind, error: LedgerError) -> HttpResponse:
    messages.error(request, sentence(error))
    return HttpResponseRedirect(reverse(f"admin:{kind.label.replace('.', '_')}_changelist"))


def _preview(request: HttpRequest, subject: Subject, form: ReasonForm, *, evidence: EvidenceForm | None = None) -> HttpResponse:
    try:
        found = services.preview(actor=_actor(request), wish=_wish(subject, form))
    except LedgerError as error:
        return _page(request, subject, form, refusal=error)
    return _page(request, subject, form, preview=found, evidence=evidence or EvidenceForm())


def _confirm(request: HttpRequest, subject: Subject, form: ReasonForm) -> HttpResponse:
    evidence = EvidenceForm(request.POST, request.FILES)
    if not evidence.is_valid():
        return _preview(request, subject, form, evidence=evidence)
    try:
        correction = services.ask(
            actor=_actor(request),
            request_id=getattr(request, "request_id", ""),
            wish=_wish(subject, form),
            seen=request.POST.get("seen", ""),
            evidence_link=form.cleaned_data["evidence_link"],
            evidence=_file(evidence),
        )
    except PreviewMoved as moved:
        messages.warning(request, sentence(moved))
        return _page(request, subject, form, preview=moved.facts["preview"], evidence=EvidenceForm())
    except LedgerError as error:
        return _page(request, subject, form, refusal=error)
    told = "It waits for a colleague's approval." if correction.needs_approval else "Posted."
    messages.success(request, f"{subject.kind.title}: {told}")
    return HttpResponseRedirect(page_of("corrections.correctionrequest", correction.pk))


def _file(form: EvidenceForm) -> File | None:
    file = form.cleaned_data["evidence"]
    return None if file is None else File(name=file.name, content_type=file.content_type or "", content=file.read())


def _wish(subject: Subject, form: ReasonForm) -> Wish:
    return Wish(
        tenant_id=subject.tenant.id,
        kind=subject.kind.code,
        target_ids=subject.ids,
        facts=form.facts,
        reason_code=form.cleaned_data["reason_code"],
        reason=form.cleaned_data["reason"],
    )


def _actor(request: HttpRequest) -> str:
    return f"staff:{request.user.pk}"


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
    context = {
        **admin.site.each_context(request),
        "title": f"{kind.title} {count} rows" if count > 1 else kind.title,
        "kind": kind,
        "tenant": subject.tenant,
        "ids": subject.ids,
        "rows": [row_link(row) for row in apps.get_model(kind.label)._base_manager.filter(pk__in=subject.ids[:MOST_SHOWN])],
        "unlisted": max(count - MOST_SHOWN, 0),
        "form": form,
        "evidence": evidence,
        "preview": preview,
        "entries": [_shown(target_id, entry) for target_id, entry in preview.entries] if preview else [],
        "sizes": [money(amount, unit) for unit, amount in preview.size.items()] if preview else [],
        "refusal": sentence(refusal) if refusal else "",
        "refused_row": _refused_row(kind, refusal),
        "ask_page": reverse(ASK_PAGE),
        "back": page_of(kind.label, subject.ids[0]) if count == 1 else reverse(f"admin:{kind.label.replace('.', '_')}_changelist"),
    }
    return TemplateResponse(request, "corrections/ask.html", context)


def _refused_row(kind: Kind, refusal: LedgerError | None) -> Any:
    return id_link(kind.label, refusal.facts["target_id"]) if isinstance(refusal, CorrectionRefused) else ""


def _shown(target_id: UUID, entry: Any) -> dict[str, Any]:
    return {
        "account": id_link(entry.account_label, entry.account_id, entry.account_name),
        "what": entry.what,
        "number": entry.entry_number,
        "effect": effect(entry.effect, entry.unit),
        "before": money(entry.balance_before, entry.unit),
        "after": money(entry.balance_after, entry.unit),
        "entry": id_link(entry.entry_label, entry.entry_id) if getattr(entry, "posted", False) else "",
    }
