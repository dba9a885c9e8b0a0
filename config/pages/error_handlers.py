"""Errors outside of views: an unrouted path, a refused host, a fault of ours. The path decides which API's form they have."""

from django.http import HttpRequest, HttpResponse

from config.api_routing import dialect_of
from config.pages import views
from kernel.api.problems import Problem
from kernel.api.views import error_response


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(request, code="invalid", status=400)


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(request, code="forbidden", status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(request, code="not_found", status=404)


def server_error(request: HttpRequest) -> HttpResponse:
    return _error(request, code="internal", status=500)


def _error(request: HttpRequest, *, code: str, status: int) -> HttpResponse:
    dialect = dialect_of(request.path_info)
    if dialect is None:
        return views.error_page(request, status)
    return error_response(dialect=dialect, problem=Problem(code=code), request=request)
