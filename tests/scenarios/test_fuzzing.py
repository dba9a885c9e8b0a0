"""A fuzzer reads the API's own description and tries every call: no fault of ours, and no reply that the description doesn't have."""

import json

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from config.wsgi import application
from kernel.events.services.fan_out import fan_out
from tests.scenarios.three_calls import BILLING, CALLS, CREDITS, fresh_body

pytestmark = pytest.mark.django_db


@schemathesis.serializer("application/x-ndjson")
def as_lines(context, value):
    """A list as one document for each line."""
    return b"\n".join(json.dumps(item).encode() for item in (value if isinstance(value, list) else [value]))


api = schemathesis.openapi.from_wsgi("/schema/", application)
CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
)


@pytest.fixture
def ids_by_name(send, grant_of, key):
    """Rows for the paths that want an id: the fuzzer can't guess one."""
    grant = grant_of()
    ids = {call.ledger: send("POST", call.path, fresh_body(call, grant_id=grant)).json()["id"] for call in CALLS}
    # Without a URL, so that no test is sent to anybody.
    endpoint = send("POST", "/v1/webhook-endpoints", {"enabledEvents": ["*"]}).json()["id"]
    send("POST", "/v1/billing/transactions", fresh_body(BILLING, grant_id=grant))
    fan_out()
    event = send("GET", "/v1/events").json()["data"][0]["id"]
    return ids | {"grant": grant, "endpoint": endpoint, "event": event}


@pytest.fixture
def one_connection():
    """Served in this thread, a request would close the connection that the test's transaction is on."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


def fits(path, ids):
    """The id that a path's parameter may well be about."""
    if path.startswith("/v1/billing"):
        return ids["billing"]
    if path.startswith("/v1/webhook-endpoints"):
        return ids["endpoint"]
    if path.startswith("/v1/events"):
        return ids["event"]
    if path.startswith(CREDITS.path):
        return ids["credits"]
    return ids["grant"] if path.startswith("/credits") else ids["metering"]


@api.parametrize()
@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[
        HealthCheck.function_scoped_fixture,
        HealthCheck.too_slow,
        HealthCheck.filter_too_much,
        HealthCheck.data_too_large,
    ],
)
def test_no_call_breaks_and_none_answers_what_is_not_described(case, ids_by_name, one_connection, key):
    for name, value in (case.path_parameters or {}).items():
        # Every second time an id that exists, so that what stands behind it is tried too.
        if name.endswith("id") and len(str(value)) % 2 == 0:
            case.path_parameters[name] = fits(case.operation.path, ids_by_name)
    headers = {"Authorization": f"Bearer {key.token}", "On-Behalf-Of": str(key.key.tenant_id)}
    response = case.call(headers=headers)
    case.validate_response(response, checks=CHECKS)
    if response.status_code >= 400:
        json.loads(response.content, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
