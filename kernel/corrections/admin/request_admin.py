"""The list of correction requests, and the page of one: what it would post, what happened so far, and the form to decide it."""

from collections.abc import Callable, Iterator
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from kernel.base.error_messages import message_for, register_messages
from kernel.base.local_time import local_time
from kernel.corrections import services
from kernel.corrections.admin import summary
from kernel.corrections.admin.forms import EvidenceForm
from kernel.corrections.admin.moved_amounts import moved_links, shown_version
from kernel.corrections.admin.related import kind_cautions, kind_title, related_panel
from kernel.corrections.admin.request_views import entry_row, posted_in_words, request_page
from kernel.corrections.choices import REQUEST_PERMISSION, STATE_COLOURS, State
from kernel.corrections.errors import PreviewMoved
from kernel.corrections.models import (
    CorrectionEntry,
    CorrectionEvidence,
    CorrectionLine,
    CorrectionRequest,
)
from kernel.corrections.selectors import list_entries, list_waiting_requests
from kernel.ledger.admin import LedgerAdmin
from kernel.ledger.admin.base import TitledRow
from kernel.ledger.admin.form_ids import new_form_id, read_form_id
from kernel.ledger.admin.formatting import (
    actor_names,
    actor_of,
    id_link,
    label,
    model_name,
    page_of,
    register_origin,
    shortened,
)
from kernel.ledger.errors import LedgerError
from kernel.tenants.staff_scope import scope_of

DECIDE = "corrections.decide_correctionrequest"
COMMENT = "corrections.comment_correctionrequest"
BOXES = {"to_approve": "To approve", "mine": "Mine", "done": "Done", "all": "All"}

register_origin("correction", "corrections.correctionrequest", "Correction")
register_messages(
    {
        "correction_refused": "The ledger refuses this.",
        "not_the_requester": "Only the person who made the request can withdraw it.",
        "not_waiting": "It was already {state}.",
        "nothing_to_correct": "This would post no entry.",
        "same_request_waits": "{request} waits for approval already, for the same correction of the same rows.",
        "own_request": "Nobody decides their own request. Ask a colleague with the approver's role.",
        "preview_moved": "What this does has changed since the preview was made. Nothing was posted; this is what it would do now.",
        "too_many_files": "A request has at most {max} files of evidence.",
        "several_tenants": "One request corrects one tenant's ledger. Choose rows of a single tenant.",
        "too_many_lines": "One request corrects at most {max} rows. Choose fewer.",
    }
)


class BoxFilter(admin.SimpleListFilter):
    """Requests that wait for the reader's decision, the reader's own, the decided ones, or all."""

    title = "box"
    parameter_name = "box"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return list(BOXES.items())

    def choices(self, changelist: Any) -> Iterator[Any]:
        for value, title in BOXES.items():
            query_string = changelist.get_query_string({"box": value})
            yield {"selected": (self.value() or "all") == value, "query_string": query_string, "display": title}

    def queryset(self, request: HttpRequest, queryset: QuerySet) -> QuerySet:
        actor = actor_of(request)
        match self.value():
            case "to_approve":
                return queryset.filter(state=State.WAITING).exclude(requested_by=actor)
            case "mine":
                return queryset.filter(requested_by=actor)
            case "done":
                return queryset.exclude(state=State.WAITING)
        return queryset


@admin.register(CorrectionRequest)
class CorrectionRequestAdmin(LedgerAdmin):
    """The list of requests. A request is decided on its own page."""

    icon = "approval"
    list_display = ("created_at", "tenant", "what", "moves", "why", "status", "asked", "correction")
    list_select_related = ("tenant",)
    list_filter = (BoxFilter, "state", "reason_code")
    list_before_template = "corrections/boxes.html"
    field_labels = {"created_at": "requested", "kind": "what", "size": "moves", "posted_at": "posted"}
    search_fields = ("id",)

    # ---- the list

    @admin.display(description="request")
    def correction(self, row: CorrectionRequest) -> str:
        return str(row)

    @admin.display(description="what")
    def what(self, row: CorrectionRequest) -> str:
        return kind_title(row.kind)

    @admin.display(description="moves")
    def moves(self, row: CorrectionRequest) -> Any:
        return moved_links(row)

    @admin.display(description="reason")
    def why(self, row: CorrectionRequest) -> str:
        return row.reason if len(row.reason) < 60 else f"{row.reason[:58]} …"

    @admin.display(description="state")
    def status(self, row: CorrectionRequest) -> Any:
        return label(row.get_state_display(), STATE_COLOURS[State(row.state)])

    @admin.display(description="requested by")
    def asked(self, row: CorrectionRequest) -> Any:
        return row.people[row.requested_by]  # type: ignore[attr-defined] # LedgerChangeList has read the names.

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        actor, chosen = actor_of(request), request.GET.get("box", "all")
        waiting = scope_of(request.user).limit(list_waiting_requests())
        counts = waiting.aggregate(to_approve=Count("pk", filter=~Q(requested_by=actor)), mine=Count("pk", filter=Q(requested_by=actor)))
        boxes = [{"name": name, "title": title, "count": counts.get(name), "is_chosen": name == chosen} for name, title in BOXES.items()]
        return super().changelist_view(request, {"boxes": boxes, **(extra_context or {})})

    # ---- the page of a request

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view
        return [
            path("new/", view(request_page), name="corrections_correctionrequest_new"),
            path("<path:object_id>/decide/", view(self.decide), name="corrections_correctionrequest_decide"),
            path(
                "<path:object_id>/evidence/<uuid:evidence_id>/", view(self.download_evidence), name="corrections_correctionrequest_evidence"
            ),
            *super().get_urls(),
        ]

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if request.method not in {"GET", "HEAD"}:
            raise PermissionDenied
        correction = self._get_request(request, object_id)
        names = actor_names(_people(correction))
        entries = list(list_entries(correction, version=shown_version(correction)))
        lines = list(correction.lines.order_by("position"))
        rows, requested_by = summary.rows_of(lines), names[correction.requested_by]
        today = _today(correction)
        shown = today["rows"] if today.get("is_unchanged") else entries
        keys: dict[str, Any] = {"tenant_id": correction.tenant_id, "target_ids": [line.target_id for line in lines]}
        context = {
            **self.admin_site.each_context(request),
            "title": f"{kind_title(correction.kind)} · {correction}",
            "opts": self.opts,
            "original": TitledRow(correction, str(correction)),
            "correction": correction,
            "kind_title": kind_title(correction.kind),
            "status": label(correction.get_state_display(), STATE_COLOURS[State(correction.state)]),
            "sentences": summary.sentences(correction, requested_by=requested_by, lines=lines, rows=rows, entries=shown),
            "cards": summary.fact_cards(rows),
            "comparisons": summary.comparisons(request, lines, rows),
            "day": summary.day_panel(correction, requested_by=requested_by),
            "facts": _facts(correction, names),
            "cautions": kind_cautions(correction.kind, **keys, facts=correction.facts) if correction.state == State.WAITING else [],
            "related": related_panel(**keys, account_ids={entry.account_id for entry in entries}, but=correction),
            "targets": [_target(line) for line in lines[len(rows) :]],
            "entries": [entry_row(entry, is_posted=bool(entry.entry_id)) for entry in entries],
            "today": today,
            "requested": _approved_entries(correction, entries),
            "evidence": [(file, names[file.actor]) for file in correction.evidence.defer("content").order_by("id")],
            "evidence_form": EvidenceForm(),
            "steps": _steps(correction, names),
            "may": _may(request, correction),
            "form_id": new_form_id(request),
        }
        return TemplateResponse(request, "corrections/request.html", context)

    def decide(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """POST only: approve, reject, withdraw or comment. `decision` is one of these, `text` the reason."""
        correction = self._get_request(request, object_id)
        verb = request.POST.get("decision", "")
        if request.method != "POST":
            # After a sign-in in between, the browser comes back with a GET.
            return HttpResponseRedirect(page_of("corrections.correctionrequest", correction.pk))
        if verb not in DECISIONS:
            raise Http404
        permission, done, call = DECISIONS[verb]
        if not request.user.has_perm(permission):
            raise PermissionDenied
        files = EvidenceForm(request.POST, request.FILES)
        if not files.is_valid():
            messages.error(request, " ".join(map(str, files.errors["evidence"])))
            return HttpResponseRedirect(page_of("corrections.correctionrequest", correction.pk))
        try:
            _keep_evidence(request, correction, files)
            call(request, correction, request.POST.get("text", "").strip())
        except PreviewMoved as moved:
            messages.warning(request, message_for(moved))
        except LedgerError as error:
            messages.error(request, message_for(error))
        else:
            correction.refresh_from_db()
            messages.success(request, f"Approved. {posted_in_words(correction)}" if verb == "approve" else done)
        return HttpResponseRedirect(page_of("corrections.correctionrequest", correction.pk))

    def download_evidence(self, request: HttpRequest, object_id: str, evidence_id: Any) -> HttpResponse:
        """Sends the file as a download. It is never displayed: a script in it would run on the admin site's own origin."""
        file = CorrectionEvidence.objects.filter(request_id=self._get_request(request, object_id).pk, id=evidence_id).first()
        if file is None:
            raise Http404
        response = HttpResponse(bytes(file.content), content_type="application/octet-stream")
        name = "".join(character if character.isascii() and (character.isalnum() or character in "._-") else "_" for character in file.name)
        response["Content-Disposition"] = f'attachment; filename="{name}"'
        return response

    def _get_request(self, request: HttpRequest, object_id: str) -> CorrectionRequest:
        if not self.has_view_permission(request):
            raise PermissionDenied
        correction: CorrectionRequest | None = self.get_object(request, unquote(object_id))
        if correction is None:
            raise Http404
        return correction


def _keep_evidence(request: HttpRequest, correction: CorrectionRequest, form: EvidenceForm) -> None:
    """Before the decision that it is for, whatever becomes of that."""
    keys = {"tenant_id": correction.tenant_id, "correction_id": correction.pk}
    if files := form.files_sent:
        services.add_evidence(**keys, actor=actor_of(request), files=files)


def _approve(request: HttpRequest, correction: CorrectionRequest, text: str) -> None:
    version = request.POST.get("version", "")
    services.approve_request(
        tenant_id=correction.tenant_id,
        actor=actor_of(request),
        correction_id=correction.pk,
        version=int(version) if version.isdecimal() and len(version) < 9 else 0,
        preview_digest=request.POST.get("preview_digest", ""),
        reason=text,
    )


def _reject(request: HttpRequest, correction: CorrectionRequest, text: str) -> None:
    services.reject_request(tenant_id=correction.tenant_id, actor=actor_of(request), correction_id=correction.pk, reason=text)


def _withdraw(request: HttpRequest, correction: CorrectionRequest, text: str) -> None:
    services.withdraw_request(tenant_id=correction.tenant_id, actor=actor_of(request), correction_id=correction.pk, reason=text)


def _comment(request: HttpRequest, correction: CorrectionRequest, text: str) -> None:
    if not text and request.FILES:
        return
    keys = {"tenant_id": correction.tenant_id, "correction_id": correction.pk}
    services.add_comment(**keys, actor=actor_of(request), text=text, comment_id=read_form_id(request))


DECISIONS: dict[str, tuple[str, str, Callable[[HttpRequest, CorrectionRequest, str], None]]] = {
    "approve": (DECIDE, "Approved.", _approve),
    "reject": (DECIDE, "Rejected. Nothing was posted.", _reject),
    "withdraw": (REQUEST_PERMISSION, "Withdrawn. Nothing was posted.", _withdraw),
    "comment": (COMMENT, "It is kept with the request.", _comment),
}


STEPS = {
    ("", State.WAITING): "requested it",
    ("", State.POSTED): "posted it",
    (State.WAITING, State.POSTED): "approved it: posted",
    (State.WAITING, State.REJECTED): "rejected it",
    (State.WAITING, State.WITHDRAWN): "withdrew it",
}


def _may(request: HttpRequest, correction: CorrectionRequest) -> dict[str, bool]:
    is_waiting, is_own = correction.state == State.WAITING, correction.requested_by == actor_of(request)
    return {
        "decide": is_waiting and not is_own and request.user.has_perm(DECIDE),
        "withdraw": is_waiting and is_own and request.user.has_perm(REQUEST_PERMISSION),
        "comment": request.user.has_perm(COMMENT),
        "is_own": is_waiting and is_own,
    }


def _today(correction: CorrectionRequest) -> dict[str, Any]:
    """What a waiting request would post now: its entries, or why the ledger refuses it."""
    if correction.state != State.WAITING:
        return {}
    try:
        preview, rows, is_unchanged = services.preview_request(tenant_id=correction.tenant_id, correction_id=correction.pk)
    except (LedgerError, KeyError) as error:
        # KeyError: the app that registered the kind is no longer installed.
        return {"refusal": message_for(error) if isinstance(error, LedgerError) else "This kind of correction is no longer installed."}
    entries = [entry_row(row, is_posted=False) for row in rows]
    return {"digest": preview.digest, "rows": rows, "entries": entries, "is_unchanged": is_unchanged}


def _approved_entries(correction: CorrectionRequest, posted: list[CorrectionEntry]) -> list[dict[str, Any]]:
    """The preview that was approved, where the balances had moved before it was posted."""
    if not (correction.needs_approval and correction.state == State.POSTED):
        return []
    approved = list(list_entries(correction, version=correction.preview))
    has_moved = [(row.balance_before, row.effect) for row in approved] != [(row.balance_before, row.effect) for row in posted]
    return [entry_row(row, is_posted=False) for row in approved] if has_moved else []


def _people(correction: CorrectionRequest) -> set[str]:
    people = {correction.requested_by, correction.decided_by}
    people.update(correction.changes.values_list("actor", flat=True))
    people.update(correction.comments.values_list("actor", flat=True))
    people.update(correction.evidence.values_list("actor", flat=True))
    return people - {""}


def _facts(correction: CorrectionRequest, names: dict[str, Any]) -> list[tuple[str, Any]]:
    facts: list[tuple[str, Any]] = [
        ("Tenant", id_link("tenants.tenant", correction.tenant_id, str(correction.tenant))),
        ("Reason", correction.get_reason_code_display()),
        ("What happened", correction.reason),
        *summary.described_facts(correction),
        ("Moves", moved_links(correction)),
        ("Requested by", names[correction.requested_by]),
        ("Requested", local_time(correction.created_at)),
        ("Its entries name it as", shortened(correction.posted_as)),
    ]
    if correction.decided_by:
        facts.append(("Decided by", names[correction.decided_by]))
    if correction.decided_at:
        facts.append(("Decided", local_time(correction.decided_at)))
    return facts


def _target(line: CorrectionLine) -> Any:
    return id_link(line.target_label, line.target_id, f"{model_name(line.target_label).capitalize()} {line.target_id}")


def _steps(correction: CorrectionRequest, names: dict[str, Any]) -> list[dict[str, Any]]:
    """State changes and comments, in the order of time."""
    changes = [
        {
            "who": names[row.actor],
            "when": row.created_at,
            "what": STEPS[row.from_state, State(row.to_state)],
            "text": row.reason,
            "is_step": True,
        }
        for row in correction.changes.all()
    ]
    comments = [
        {"who": names[row.actor], "when": row.created_at, "what": "commented", "text": row.text, "is_step": False}
        for row in correction.comments.all()
    ]
    files = [
        {"who": names[row.actor], "when": row.created_at, "what": f"added {row.name}", "text": "", "is_step": False}
        for row in correction.evidence.defer("content")
    ]
    steps = sorted([*changes, *comments, *files], key=lambda step: step["when"])
    return [{**step, "when": local_time(step["when"])} for step in steps]
