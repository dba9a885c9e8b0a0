import json

import pytest

from tests.factories import IssuedKeyFactory, TenantFactory

TRANSACTIONS = "/v1/billing/transactions"


@pytest.fixture
def key(db):
    return IssuedKeyFactory()


@pytest.fixture
def tenant(key):
    return key.key.tenant


@pytest.fixture
def outsider(db):
    """A key of another tenant, which must never see a trace of the first one."""
    return IssuedKeyFactory(tenant=TenantFactory(slug="outsider", name="Outsider"))


@pytest.fixture
def context(tenant):
    """What every service wants to know first."""
    return {"tenant_id": tenant.id, "actor": "command:test", "request_id": "test"}


@pytest.fixture
def send(client, key):
    """Sends a request with a good key; `body` is bytes or goes as JSON; None for a header takes it away."""

    def send(method, path, body=b"", *, key=key, content_type="application/json", headers=None):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"Authorization": f"Bearer {key.token}"} | (headers or {})
        given = {name: value for name, value in given.items() if value is not None}
        return client.generic(method, path, raw, content_type=content_type, headers=given)

    return send


@pytest.fixture
def record(send):
    """Records a transaction over HTTP and returns its reply's body."""

    def record(**facts):
        response = send("POST", TRANSACTIONS, {"amount": 1, "type": "usage", "reference_id": "ref"} | facts)
        assert response.status_code == 200, response.content
        return response.json()

    return record
