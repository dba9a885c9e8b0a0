"""A tenant with a key and a grant, an outsider with another, and `send`. Everything here runs with the rights of the service's role."""

import json

import pytest
from django.core.management import call_command
from django.db import connection

from config.local.postgres import OWNER_ROLE, SERVICE_ROLE
from tests.factories import IssuedKeyFactory, TenantFactory
from tests.scenarios.three_calls import GRANT


@pytest.fixture(scope="session")
def granted_roles(django_db_setup, django_db_blocker):
    """The test database with the grants of production. Not on a foreign server, which has other roles."""
    if connection.settings_dict["USER"] != OWNER_ROLE:
        return None
    with django_db_blocker.unblock():
        call_command("grant_roles", owner=OWNER_ROLE, service=SERVICE_ROLE, verbosity=0)
    return SERVICE_ROLE


@pytest.fixture(autouse=True)
def service_rights(granted_roles, db):
    """The test's transaction may do what the service's role may: a missing grant fails the call that needs it."""
    if granted_roles:
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL ROLE {granted_roles}")


@pytest.fixture
def key(service_rights, db):
    return IssuedKeyFactory()


@pytest.fixture
def outsider(db):
    return IssuedKeyFactory(tenant=TenantFactory(slug="outsider"))


@pytest.fixture
def send(client, key):
    """Sends a request as the tenant does; a header set to None is left out."""

    def send(method, path, body=b"", *, key=key, content_type="application/json", headers=None):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"Authorization": f"Bearer {key.token}", "On-Behalf-Of": str(key.key.tenant_id)} | (headers or {})
        sent = {name: value for name, value in sent.items() if value is not None}
        return client.generic(method, path, raw, content_type=content_type, headers=sent)

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
    """Counts the rows of every ledger table: a refused call must leave them as they were."""

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
