"""Middleware: the request id and the log line, the content security policy, and sessions, only for the admin site."""

import re
import time
from collections.abc import Callable
from typing import Any

import structlog
from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware
from django.utils import timezone
from uuid_utils import uuid4

from kernel.tenants.callers import Caller
from kernel.tenants.staff_scope import scope_of

log = structlog.get_logger("countinghouse.request")

OFFICE = "/admin/"
# Requested by machines every few seconds, or many at once for one page: logged at debug level unless they fail.
QUIET = ("/livez", "/readyz", "/static/")
# What X-Request-ID may hold: enough for UUIDs, ULIDs and trace ids, nothing that could forge a log line or a header.
# Rows of a backfill, of its undo and of a correction have ids that begin with these words: by them an undo finds what it reverses. So no
# caller may choose one.
REQUEST_ID = re.compile(r"(?!(?:run|undo|correction):)[A-Za-z0-9][A-Za-z0-9._:/+=@-]{0,127}\Z")
STRICT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# Unfold's pages run Alpine (which needs unsafe-eval) and carry inline styles and scripts; all of it is served from here.
OFFICE_POLICY = STRICT_POLICY.replace("script-src 'self'", "script-src 'self' 'unsafe-inline' 'unsafe-eval'").replace(
    "style-src 'self'", "style-src 'self' 'unsafe-inline'"
)


class RequestLogMiddleware:
    """Gives every request an id and writes one line when it is answered: caller, path, status and duration.

    The id is the caller's X-Request-ID where that is harmless, else a new one; it stands in every log line of the request, in the rows
    that it writes (`request.request_id`) and in the reply. Query strings, headers and bodies are never logged: they can hold secrets.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        request_id = _request_id(request)
        request.META["HTTP_X_REQUEST_ID"] = request.request_id = request_id  # type: ignore[attr-defined]
        bound = structlog.contextvars.bind_contextvars(request_id=request_id)
        try:
            response = self.get_response(request)
            response.headers["X-Request-ID"] = request_id
            if response.streaming:
                # One caller gets few threads for long replies (web_server/streamed_replies.py).
                response.caller = _caller_name(request)  # type: ignore[attr-defined]
            else:
                # Without a length the server would send the reply in chunks, which is slower.
                response.headers.setdefault("Content-Length", str(len(response.content)))
            _log_response(request, response, duration_ms=round((time.perf_counter() - started) * 1000, 2))
            return response
        finally:
            structlog.contextvars.reset_contextvars(**bound)


def _request_id(request: HttpRequest) -> str:
    offered = request.META.get("HTTP_X_REQUEST_ID", "")
    return offered if REQUEST_ID.match(offered) else str(uuid4())


def _log_response(request: HttpRequest, response: HttpResponse, *, duration_ms: float) -> None:
    status = response.status_code
    if status >= 500:
        write = log.error
    elif status < 400 and request.path_info.startswith(QUIET):
        write = log.debug
    else:
        write = log.info
    write("request", method=request.method, path=request.path_info, status=status, duration_ms=duration_ms, **_facts(request))


def _facts(request: HttpRequest) -> dict[str, Any]:
    """The tenant and key, or the member of staff, as the view has found them, and the fields it ignored; asks the database for nothing."""
    caller = getattr(request, "user", None)
    # Not isinstance: that would make the admin's lazy user load itself.
    if type(caller) is Caller:
        ignored = getattr(request, "ignored_fields", None)
        facts = {"tenant": caller.tenant_text, "key": caller.key_text}
        return facts | {"ignored_fields": ignored} if ignored else facts
    staff = getattr(request, "_cached_user", None)
    return {"staff": staff.pk} if staff is not None and staff.pk else {}


def _caller_name(request: HttpRequest) -> str:
    """What tells one caller from others: the key's or the member of staff's id; nothing for a page that needs neither."""
    facts = _facts(request)
    return next((f"{name}:{facts[name]}" for name in ("key", "staff") if name in facts), "")


class OnlyOffice:
    """Makes a middleware skip every path outside the admin site, together with all such middleware that follow it directly."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        super().__init__(get_response)  # type: ignore[call-arg]
        # Django wraps the next middleware in a function that has its attributes.
        self.beyond = getattr(get_response, "beyond", get_response)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(OFFICE):
            return self.beyond(request)
        return super().__call__(request)  # type: ignore[misc]


class OfficeSessionMiddleware(OnlyOffice, SessionMiddleware):
    pass


class OfficeCsrfMiddleware(OnlyOffice, CsrfViewMiddleware):
    def process_view(self, request: HttpRequest, callback: Any, callback_args: Any, callback_kwargs: Any) -> Any:
        if not request.path_info.startswith(OFFICE):
            return None
        return super().process_view(request, callback, callback_args, callback_kwargs)


class OfficeAuthenticationMiddleware(OnlyOffice, AuthenticationMiddleware):
    pass


class TimeZoneMiddleware:
    """Shows staff the times of their own zone."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.user.is_authenticated:
            return self.get_response(request)
        with timezone.override(scope_of(request.user).zone):
            return self.get_response(request)


class OfficeTimeZoneMiddleware(OnlyOffice, TimeZoneMiddleware):
    pass


class OfficeMessageMiddleware(OnlyOffice, MessageMiddleware):
    pass


class ContentSecurityPolicyMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        policy = OFFICE_POLICY if request.path_info.startswith(OFFICE) else STRICT_POLICY
        response.headers.setdefault("Content-Security-Policy", policy)
        return response
