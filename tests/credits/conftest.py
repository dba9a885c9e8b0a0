"""Two tenants with API keys, `api` and `outsider`, and the ledger of the first."""

import base64
from typing import Any

import msgspec
import pytest
from django.test import Client

from tests.credits.book import Book
from tests.factories import IssuedKeyFactory, TenantFactory


class Api:
    """Calls the API with one tenant's key."""

    def __init__(self, tenant: Any) -> None:
        self.tenant = tenant
        self.key = IssuedKeyFactory(tenant=tenant)
        self.client = Client()

    @property
    def headers(self) -> dict[str, str]:
        basic = base64.b64encode(self.key.basic.encode()).decode()
        return {"Authorization": f"Basic {basic}", "On-Behalf-Of": str(self.tenant.id)}

    def get(self, path: str, **parameters: Any) -> Any:
        return self.client.get(path, parameters or None, headers=self.headers)

    def post(self, path: str, body: Any = None, *, key: str | None = None, headers: dict[str, str] | None = None) -> Any:
        sent = self.headers | (headers or {}) | ({"Idempotency-Key": key} if key else {})
        raw = body if isinstance(body, bytes) else b"" if body is None else msgspec.json.encode(body)
        return self.client.post(path, raw, content_type="application/json", headers=sent)

    def put(self, path: str, body: Any) -> Any:
        return self.client.put(path, msgspec.json.encode(body), content_type="application/json", headers=self.headers)

    def delete(self, path: str) -> Any:
        return self.client.delete(path, headers=self.headers)


@pytest.fixture
def company(db):
    return TenantFactory()


@pytest.fixture
def api(company):
    return Api(company)


@pytest.fixture
def outsider(db):
    return Api(TenantFactory())


@pytest.fixture
def book(company):
    return Book(company.id)
