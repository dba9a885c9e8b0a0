"""An error outside of views has the form of the API whose path was called."""

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.urls import path

from config import api_routing
from config.pages import error_handlers
from kernel.api.dialect import Dialect
from kernel.api.problems import Problem

APIS = ("billing", "metering", "credits")


class Plain(Dialect):
    """An API that says no more than the code."""

    name = "plain"

    def error_body(self, problem: Problem) -> dict[str, Any]:
        return {"code": problem.code}

    def reply_headers(self, request) -> dict[str, str]:
        return {"Plain-Version": "1"}


def raising(exception: Exception):
    def view(request):
        raise exception

    return view


class Addresses:
    """Views under an API's path that fail in ways no API view would."""

    urlpatterns = [
        path("v1/billing/fault", raising(ZeroDivisionError("a secret"))),
        path("v1/billing/forbidden", raising(PermissionDenied("a secret"))),
        path("v1/billing/suspicious", raising(SuspiciousOperation("a secret"))),
    ]
    handler400 = error_handlers.bad_request
    handler403 = error_handlers.forbidden
    handler404 = error_handlers.not_found
    handler500 = error_handlers.server_error


@pytest.mark.parametrize(
    ("address", "app"),
    [
        ("/v1/billing", "billing"),
        ("/v1/billing/transactions", "billing"),
        ("/v1/billing/transactions/", "billing"),
        ("/v1/transactions", "metering"),
        ("/v1/agents/1/nope", "metering"),
        ("/v1", "metering"),
        ("/credits", "credits"),
        ("/credits/1/grants", "credits"),
        ("/credit-transactions/batch", "credits"),
        ("/", None),
        ("/v2/transactions", None),
        ("/docs/v1", None),
    ],
)
def test_the_path_decides_the_dialect_of_errors(monkeypatch, address, app):
    monkeypatch.setattr(api_routing, "_dialect", lambda name: name)
    assert api_routing.dialect_of(address) == app


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [
        ("/v1/billing/fault", 500, "internal"),
        ("/v1/billing/forbidden", 403, "forbidden"),
        ("/v1/billing/suspicious", 400, "invalid"),
        ("/v1/billing/unknown", 404, "not_found"),
    ],
)
def test_every_kind_of_error_has_the_dialects_form_and_hides_its_cause(client, monkeypatch, settings, address, status, code):
    settings.ROOT_URLCONF = Addresses
    monkeypatch.setattr(api_routing, "_dialect", lambda name: Plain())
    client.raise_request_exception = False
    response = client.get(address)
    assert (response.status_code, response.json()) == (status, {"code": code})
    assert response["Content-Type"] == "application/json"
    assert response["Plain-Version"] == "1"
    assert response["X-Request-ID"]


UNROUTED = {
    "billing": ["/v1/billing/nope", "/v1/billing/transactions/", "/v1/billing/transactions/1/2/3"],
    "metering": ["/v1/nope", "/v1/transactions/", "/v1/transactions//costs", "/v1/agents/"],
    "credits": ["/credits/", "/credit-transactions/", "/credit-nope"],
}


@pytest.mark.parametrize("method", ["get", "post", "put", "delete"])
@pytest.mark.parametrize(("app", "address"), [(app, address) for app in APIS for address in UNROUTED[app]])
def test_an_unrouted_path_is_not_found_in_that_apis_words_and_never_redirected(client, app, address, method):
    dialect = api_routing.dialect_of(address)
    assert dialect is not None, f"{app}/api/dialect.py must name its one instance `dialect`"
    response = getattr(client, method)(address)
    problem = Problem(code="not_found")
    assert (response.status_code, response.json()) == (dialect.status(problem), dialect.error_body(problem))
    assert response.status_code == 404
    assert "Location" not in response


@pytest.mark.parametrize("path", ["/v1/billing/nowhere", "/v1/nowhere", "/credits/a/b/c"])
def test_an_error_before_any_view_may_not_be_kept_by_a_cache(client, path):
    response = client.get(path)
    assert (response.status_code, response["Cache-Control"]) == (404, "no-store")
