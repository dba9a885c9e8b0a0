"""The pages that belong to no ledger: what this is, is it alive, what can be asked of it, and what went wrong."""

import hashlib
import threading

import psycopg
import structlog
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer

log = structlog.get_logger(__name__)

# Seconds. A probe that hangs as long as the database does tells nobody anything.
PROBE_TIMEOUT = 2


@require_safe
def landing(request: HttpRequest) -> HttpResponse:
    return render(request, "pages/landing.html", {"origin": f"{request.scheme}://{request.get_host()}"})


@require_safe
def livez(request: HttpRequest) -> HttpResponse:
    """The process answers. Says nothing of the database, or a restart of it would restart every worker too."""
    return JsonResponse({"status": "alive"})


@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Whether calls sent here can succeed: the database answers and every migration of this release is applied."""
    checks = _readiness()
    ready = all(outcome == "ok" for outcome in checks.values())
    status = "ready" if ready else "unavailable"
    response = JsonResponse({"status": status, "checks": checks}, status=200 if ready else 503)
    response.headers["Cache-Control"] = "no-store"
    return response


def _readiness() -> dict[str, str]:
    try:
        applied = _applied_migrations()
    except psycopg.errors.UndefinedTable:
        return {"database": "ok", "migrations": "none applied"}
    except psycopg.Error as error:
        # The reason can hold the host and the user's name: it goes to the log, not to whoever asks.
        log.warning("readiness_probe_failed", error=str(error))
        return {"database": "unreachable", "migrations": "unknown"}
    missing = len(_released_migrations.names() - applied)
    return {"database": "ok", "migrations": f"{missing} not applied" if missing else "ok"}


def _applied_migrations() -> set[tuple[str, str]]:
    """Ask on a connection of its own: a full pool or a broken pooled connection is then not taken for a dead database.

    Raises psycopg.Error when the server doesn't answer within PROBE_TIMEOUT.
    """
    parameters = connection.get_connection_params() | {
        "connect_timeout": PROBE_TIMEOUT,
        "options": f"-c statement_timeout={PROBE_TIMEOUT * 1000}",
        "cursor_factory": psycopg.Cursor,
    }
    with psycopg.connect(**parameters) as probe:
        return set(probe.execute("SELECT app, name FROM django_migrations").fetchall())


class _ReleasedMigrations:
    """The migrations on disk, read once: they can't change under a running process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._names: set[tuple[str, str]] | None = None

    def names(self) -> set[tuple[str, str]]:
        with self._lock:
            if self._names is None:
                self._names = set(MigrationLoader(None).graph.nodes)
            return self._names


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
    return OpenApiJsonRenderer().render(SchemaGenerator().get_schema(request=None, public=True))


_released_migrations = _ReleasedMigrations()
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
    403: ("Not allowed", "You may not open this page."),
    404: ("Not found", "There is nothing at this address."),
    500: ("Something broke", "The fault is ours, and it is in the log under the request id below."),
}


def error_page(request: HttpRequest, status: int) -> HttpResponse:
    """The error outside the three APIs: a page for people, JSON for whoever asks for it."""
    title, text = ERROR_PAGES[status]
    request_id = getattr(request, "request_id", "")
    if _prefers_json(request):
        return JsonResponse({"status": status, "title": title, "detail": text, "request_id": request_id}, status=status)
    facts = {"status": status, "title": title, "text": text, "request_id": request_id}
    return render(request, "pages/error.html", facts, status=status)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    log.info("csrf_refused", reason=reason)
    return error_page(request, 403)


def _prefers_json(request: HttpRequest) -> bool:
    preferred = request.get_preferred_type(["text/html", "application/json"])
    return preferred == "application/json"
