"""A tenant with a key and a grant, an outsider with another, and a hand that sends."""

import json

import pytest
from django.db import connection

from tests.factories import IssuedKeyFactory, TenantFactory
from tests.scenarios.three_calls import GRANT


@pytest.fixture
def key(db):
    return IssuedKeyFactory()


@pytest.fixture
def outsider(db):
    return IssuedKeyFactory(tenant=TenantFactory(slug="outsider"))


@pytest.fixture
def send(client, key):
    """Sends a request as the tenant does; a header set to None is taken away."""

    def send(method, path, body=b"", *, key=key, content_type="application/json", headers=None):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"Authorization": f"Bearer {key.token}", "On-Behalf-Of": str(key.key.tenant_id)} | (headers or {})
        given = {name: value for name, value in given.items() if value is not None}
        return client.generic(method, path, raw, content_type=content_type, headers=given)

    return send


@pytest.fixture
def grant_of(send, key):
    """Makes a grant of 100 for a key's tenant and returns its id."""

    def grant_of(owner=key):
        response = send("POST", "/credits", GRANT | {"sequenceAccountId": str(owner.key.tenant_id)}, key=owner)
        assert response.status_code == 201, response.content
        return response.json()["id"]

    return grant_of


@pytest.fixture
def book(db):
    """The rows of every ledger table, counted: what a refused call must leave as it was."""

    def book():
        with connection.cursor() as cursor:
            cursor.execute("SELECT relname FROM pg_class WHERE relkind = 'r' AND relname ~ '^(billing|credits|metering)_' ORDER BY 1")
            tables = [name for (name,) in cursor.fetchall()]
            counts = {}
            for table in tables:
                cursor.execute(f'SELECT count(*) FROM "{table}"')
                counts[table] = cursor.fetchone()[0]
        return counts

    return book
