"""Two tenants with keys, and a client that speaks JSON for the first."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.factories import IssuedKeyFactory

EXAMPLE = Path(__file__).resolve().parent.parent.parent / "config" / "local" / "demo" / "published" / "metering.json"


class Caller:
    """A client with one tenant's key."""

    def __init__(self, issued: Any) -> None:
        self.issued = issued
        self.tenant = issued.key.tenant
        self.client = Client(raise_request_exception=False)
        self.headers = {"Authorization": f"Bearer {issued.token}"}

    def post(self, path: str, body: Any = None, **headers: str) -> Any:
        data = body if isinstance(body, bytes | str) else json.dumps(body if body is not None else {})
        return self.client.post(path, data, content_type="application/json", headers=self.headers | headers)

    def patch(self, path: str, body: Any) -> Any:
        return self.client.patch(path, json.dumps(body), content_type="application/json", headers=self.headers)

    def get(self, path: str, **parameters: Any) -> Any:
        return self.client.get(path, parameters, headers=self.headers)

    def read(self, transaction_id: str) -> dict[str, Any]:
        """A transaction as other replies show it: without its rounds of authorization and documents, which only the single GET has."""
        body: dict[str, Any] = self.get(f"/v1/transactions/{transaction_id}").json()
        del body["authorizationRequests"]
        body.pop("requestFacts", None)
        body.pop("paymentData", None)
        return body

    def create(self, **facts: Any) -> dict[str, Any]:
        reply = self.post("/v1/transactions", {"serviceName": "openai", "actionName": "chat", "resourceName": "gpt-4"} | facts)
        assert reply.status_code == 201, reply.content
        return reply.json()


@pytest.fixture
def caller(db):
    return Caller(IssuedKeyFactory())


@pytest.fixture
def outsider(db):
    """Another tenant, with a transaction of its own."""
    return Caller(IssuedKeyFactory())


@pytest.fixture
def example() -> bytes:
    """The published request body, as it stands."""
    return EXAMPLE.read_bytes()
