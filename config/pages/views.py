"""The pages that belong to no ledger: landing page, probes, OpenAPI document, API docs and error pages."""

import hashlib
import threading

import structlog
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified, JsonResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer

from config.pages import readiness

log = structlog.get_logger(__name__)


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    return render(request, "pages/landing.html", {"origin": f"{request.scheme}://{request.get_host()}"})


@require_safe
def livez(request: HttpRequest) -> HttpResponse:
    """The process answers. Doesn't ask the database: a restart of the database must not restart every worker."""
    return JsonResponse({"status": "alive"})


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Whether calls sent here can succeed: see config/pages/readiness.py. 200, or 503 with the part that fails; the log has the reason."""
    checks = readiness.run_checks()
    ready = all(outcome == "ok" for outcome in checks.values())
    status = "ready" if ready else "unavailable"
    response = JsonResponse({"status": status, "checks": checks}, status=200 if ready else 503)
    response.headers["Cache-Control"] = "no-store"
    return response


class _Schema:
    """The OpenAPI document, made at the first request: making it walks every view and takes most of a second."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._document: tuple[bytes, str] | None = None

    def document(self) -> tuple[bytes, str]:
        """The JSON and its entity tag."""
        with self._lock:
            if self._document is None:
                body = _rendered_schema()
                self._document = body, f'"{hashlib.sha256(body).hexdigest()[:32]}"'
            return self._document


def _rendered_schema() -> bytes:
    return OpenApiJsonRenderer().render(SchemaGenerator().get_schema(request=None, public=True))  # type: ignore[no-untyped-call]


_schema = _Schema()


@require_safe
def schema(request: HttpRequest) -> HttpResponse:
    body, tag = _schema.document()
    headers = {"ETag": tag, "Cache-Control": "public, max-age=60"}
    if request.headers.get("If-None-Match") == tag:
        return HttpResponseNotModified(headers=headers)
    return HttpResponse(body, content_type="application/json", headers=headers)


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    return render(request, "pages/docs.html")


ERROR_PAGES = {
    400: ("Bad request", "The request could not be understood."),
    403: ("Not allowed", "You may not open this page. If you need it, ask the person who manages the accounts for a role that may."),
    404: ("Not found", "There is nothing at this address."),
    500: ("Something broke", "The fault is ours, and it is in the log under the request id below."),
}


def error_page(request: HttpRequest, status: int) -> HttpResponse:
    """An error outside the three APIs: a page, or JSON where the Accept header asks for it."""
    title, text = ERROR_PAGES[status]
    request_id = getattr(request, "request_id", "")
    if _prefers_json(request):
        return JsonResponse({"status": status, "title": title, "detail": text, "request_id": request_id}, status=status)
    facts = {"status": status, "title": title, "text": text, "request_id": request_id}
    # In the back office the links lead back into it. Its own layout isn't used: it reads the database, which may be what failed.
    facts["admin_url"] = reverse("admin:index") if request.path_info.startswith(reverse("admin:index")) else ""
    return render(request, "pages/error.html", facts, status=status)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    log.info("csrf_refused", reason=reason)
    return error_page(request, 403)


def _prefers_json(request: HttpRequest) -> bool:
    preferred = request.get_preferred_type(["text/html", "application/json"])
    return preferred == "application/json"
