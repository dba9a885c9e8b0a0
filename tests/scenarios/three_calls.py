"""The three published calls, side by side: what each is sent, and the form in which each refuses."""

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PUBLISHED = Path(__file__).resolve().parent.parent.parent / "config" / "local" / "demo" / "published"


def is_billing_error(body: Any, status: int) -> bool:
    """{"detail": text}, or for 422 {"detail": [{type, loc, msg, ...}]}."""
    if status == 422:
        return set(body) == {"detail"} and all({"type", "loc", "msg", "input"} <= set(item) for item in body["detail"])
    return "detail" in body and isinstance(body["detail"], str)


def is_metering_error(body: Any, status: int) -> bool:
    """{"message": text or texts, "error": name, "statusCode": status}."""
    return set(body) == {"message", "error", "statusCode"} and body["statusCode"] == status and bool(body["message"])


def is_credits_error(body: Any, status: int) -> bool:
    """{"error": {"type", "message"[, "details"]}}."""
    return set(body) == {"error"} and {"type", "message"} <= set(body["error"]) <= {"type", "message", "details"}


@dataclass(frozen=True)
class PublishedCall:
    """One of the three calls: its path, a good body, the success it documents and the shape of its errors."""

    ledger: str
    path: str
    status: int
    is_error: Callable[[Any, int], bool]
    invalid: int
    headers: dict[str, str] = field(default_factory=dict)

    def body(self, **facts: Any) -> dict[str, Any]:
        return json.loads((PUBLISHED / f"{self.ledger}.json").read_bytes()) | facts


BILLING = PublishedCall("billing", "/v1/billing/transactions", 200, is_billing_error, 422)
METERING = PublishedCall("metering", "/v1/transactions", 201, is_metering_error, 400)
CREDITS = PublishedCall("credits", "/credit-transactions", 201, is_credits_error, 400)
CALLS = (BILLING, METERING, CREDITS)

GRANT = {
    "sequenceAccountId": "",
    "customerId": "9f0c1d5e-1111-4222-8333-444455556666",
    "name": "Prepaid",
    "creditUnitType": "CURRENCY",
    "currency": "USD",
    "amount": 100,
    "effectiveDate": "2020-01-01",
}


def fresh_body(call: PublishedCall, *, grant_id: str) -> dict[str, Any]:
    """A good body that no other call has sent."""
    if call.ledger == "billing":
        return call.body(reference_id=str(uuid.uuid4()))
    return call.body(grantId=grant_id) if call.ledger == "credits" else call.body()
