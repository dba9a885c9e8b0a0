"""Middleware that only the admin pays for, and the content security policy of every page."""

from collections.abc import Callable

from django.contrib.auth.middleware import AuthenticationMiddleware
from django.contrib.messages.middleware import MessageMiddleware
from django.contrib.sessions.middleware import SessionMiddleware
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware

OFFICE = "/admin/"
STRICT_POLICY = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
# Unfold's pages run Alpine (which needs unsafe-eval) and carry inline styles and scripts; all of it is served from here.
OFFICE_POLICY = STRICT_POLICY + "; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'"
# The schema browser starts from an inline script and styles itself.
DOCS_POLICY = STRICT_POLICY + "; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'"


class OnlyOffice:
    """Steps aside for every path outside the admin."""

    get_response: Callable[[HttpRequest], HttpResponse]

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(OFFICE):
            return self.get_response(request)
        return super().__call__(request)  # type: ignore[misc]


class OfficeSessionMiddleware(OnlyOffice, SessionMiddleware):
    pass


class OfficeCsrfMiddleware(OnlyOffice, CsrfViewMiddleware):
    def process_view(self, request, callback, callback_args, callback_kwargs):
        if not request.path_info.startswith(OFFICE):
            return None
        return super().process_view(request, callback, callback_args, callback_kwargs)


class OfficeAuthenticationMiddleware(OnlyOffice, AuthenticationMiddleware):
    pass


class OfficeMessageMiddleware(OnlyOffice, MessageMiddleware):
    pass


class ContentSecurityPolicyMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.path_info.startswith(OFFICE):
            policy = OFFICE_POLICY
        elif request.path_info.startswith("/docs"):
            policy = DOCS_POLICY
        else:
            policy = STRICT_POLICY
        response.headers.setdefault("Content-Security-Policy", policy)
        return response
