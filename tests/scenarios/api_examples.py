"""Calls of every operation, whose real replies are the examples of the OpenAPI document.

A new operation, or a new code in an operation's `refuses`, needs a call here; `UPDATE_API_EXAMPLES=1` on the test's command line writes
the files anew.
"""

import json
import re
import uuid
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from billing import services as billing
from config.api_routing import dialect_of
from kernel.api import json as exact_json
from kernel.api.problems import Problem
from metering import services as metering
from metering.paying import services as paying
from tests.factories import IssuedKeyFactory
from tests.scenarios.rule_examples import rule_examples
from tests.scenarios.webhook_examples import ENDPOINTS, manage_endpoints

# Errors of every API that no call here provokes, with their facts.
BY_CODE = {
    "body_too_large": {"limit": 1_048_576},
    "unreadable_body": {"reason": "encoding"},
    "throttled": {"wait": 1},
    "busy": {},
    "outcome_unknown": {},
    "internal": {},
}
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_REFERENCE = re.compile(r"\b(evt|we|whd|whr)_([0-9a-f]{32})\b")
_SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]+")
FIXED_SECRET = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
# Of a payment: header, claims and signature.
_TOKEN = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]+")
FIXED_TOKEN = "eyJhbGciOiJIUzI1NiIsImtpZCI6ImxvY2FsIn0.e30.c2lnbmF0dXJl"
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
# A name that the tests' factory gave a tenant.
_TENANT = re.compile(r"tenant-\d+\Z")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_CURSOR = re.compile(r"[\w-]{8,}:[\w-]{30,}|[\w-]{8,}%3A[\w-]{30,}")
# By member: what a reply measures, which is another number in every run.
FIXED_MEASURES = {"millisecondsApart": 11}
FIXED_DAYS = {"2020-01-01", "2099-12-31", "2020-01-31"}


class Recorder:
    """Sends calls as one tenant and keeps what was sent and answered, with ids and times that are the same in every run."""

    def __init__(self, client: Client, app: str) -> None:
        self.client = client
        self.app = app
        self.key = IssuedKeyFactory()
        self.tenant_id = self.key.key.tenant_id
        self.operations: dict[str, dict[str, Any]] = {}
        self.errors: dict[str, Any] = {}
        self._ids: dict[str, str] = {}
        self._templates = [
            (method.upper(), re.compile(re.sub(r"\\\{[^}]+\\\}", "([^/]+)", re.escape(path)) + r"\Z"), call["operationId"])
            for path, calls in SchemaGenerator().get_schema(request=None, public=True)["paths"].items()
            for method, call in calls.items()
        ]

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The reply's body, of a call that succeeds."""
        response = self._send(method, path, body, headers)
        assert response.status_code < 300, (method, path, response.content[:500])
        reply = json.loads(response.content) if response.content else None
        recorded = self.operations.setdefault(self._operation(method, path), {})
        if "response" not in recorded:
            recorded |= ({} if body is None else {"request": self._stable(body)}) | {"response": self._stable(reply)}
        return reply

    def refuse(self, code: str, method: str, path: str, body: Any = None, **headers: Any) -> None:
        """A call that is refused with this code."""
        response = self._send(method, path, body, headers)
        assert response.status_code >= 400, (code, response.content[:500])
        self.errors.setdefault(code, self._stable(json.loads(response.content)))

    def describe(self, code: str, *, dialect: Any = None, **facts: Any) -> None:
        """An error that no call here provokes, as the API's dialect words it."""
        paths = {"billing": "/v1/billing", "metering": "/v1", "credits": "/credit", "kernel/events": "/v1/events"}
        dialect = dialect or dialect_of(paths[self.app])
        self.errors[code] = json.loads(exact_json.to_json(dialect.error_body(Problem(code=code, facts=facts))))

    def recorded(self) -> dict[str, Any]:
        for code, facts in BY_CODE.items():
            self.describe(code, **facts)
        return {"operations": dict(sorted(self.operations.items())), "errors": dict(sorted(self.errors.items()))}

    def _send(self, method: str, path: str, body: Any, headers: dict[str, Any]) -> Any:
        given = {"Authorization": f"Bearer {self.key.token}", "On-Behalf-Of": str(self.tenant_id)} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        raw = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        content_type = given.pop("Content-Type", "application/json")
        given = {name: value for name, value in given.items() if value is not None}
        return self.client.generic(method, path, raw, content_type=content_type, headers=given)

    def _operation(self, method: str, path: str) -> str:
        bare = path.partition("?")[0]
        matches = [(pattern.groups, operation) for verb, pattern, operation in self._templates if verb == method and pattern.match(bare)]
        return min(matches)[1]

    def _stable(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: FIXED_MEASURES.get(name, self._stable(item)) for name, item in value.items()}
        if isinstance(value, list):
            return [self._stable(item) for item in value[:2]]
        return self._stable_text(value) if isinstance(value, str) else value

    def _stable_text(self, text: str) -> str:
        text = _UUID.sub(lambda found: self._stable_id(found[0]), text)
        text = _REFERENCE.sub(lambda found: f"{found[1]}_{self._stable_id(str(uuid.UUID(found[2]))).replace('-', '')}", text)
        text = _SECRET.sub(FIXED_SECRET, text)
        text = _TOKEN.sub(FIXED_TOKEN, text)
        text = _TENANT.sub("tenant-1", text)
        text = _CURSOR.sub("W1siaWQiXQ:c2lnbmF0dXJl", text)
        text = _MOMENT.sub(lambda found: "2026-01-31T12:00:00" + ("." + "0" * (len(found[1]) - 1) if found[1] else "") + "Z", text)
        today = datetime.now(UTC).date().isoformat()
        return _DAY.sub(lambda found: self._stable_day(found[0], today), text)

    def _stable_id(self, text: str) -> str:
        return self._ids.setdefault(text, str(uuid.UUID(int=(0x0190 << 112) + len(self._ids) + 1)))

    def _stable_day(self, day: str, today: str) -> str:
        if day in FIXED_DAYS or day == "2026-01-31":
            return day
        return "2026-01-31" if day == today else "2026-02-28"


def common(recorder: Recorder, path: str, *, ledger: str) -> None:
    """What every API refuses alike."""
    reader = IssuedKeyFactory(tenant=recorder.key.key.tenant, scopes=[f"{ledger}:read"])
    recorder.refuse("not_authenticated", "POST", path, {}, Authorization=None)
    recorder.refuse("forbidden", "POST", path, {}, Authorization=f"Bearer {reader.token}")
    recorder.refuse("not_authorized", "POST", path, {}, On_Behalf_Of=str(uuid.uuid4()))
    recorder.refuse("not_found", "GET", f"{path}/{uuid.UUID(int=1)}")
    recorder.refuse("empty_body", "POST", path)
    recorder.refuse("malformed_json", "POST", path, b'{"amount": ')
    recorder.refuse("not_an_object", "POST", path, b"[1]")
    recorder.refuse("unknown_host", "GET", path, Host="elsewhere.example.com")


def billing_examples(recorder: Recorder) -> None:
    path = "/v1/billing/transactions"
    topup = {"amount": 100, "type": "topup", "reference_id": "order-1001", "description": "Card payment"}
    usage = {"amount": 9.5, "type": "usage", "reference_id": "run-1", "agent_id": "writer", "metadata": {"model": "gpt-4o"}}
    first = recorder.send("POST", path, topup)
    spent = recorder.send("POST", path, usage)
    recorder.send("GET", f"{path}?type=usage")
    recorder.send("GET", f"{path}/{spent['id']}")
    reversal = {"reason_code": "service_failure", "reason": "Run failed", "amount": 2.5, "reference_id": "run-1-refund"}
    reversed_part = recorder.send("POST", f"{path}/{spent['id']}/reverse", reversal)
    item = {"amount": 1, "type": "usage", "reference_id": "run-2"}
    recorder.send("POST", f"{path}/batch", {"transactions": [item, item | {"amount": "x"}]})
    recorder.send("GET", "/v1/billing/wallet")
    recorder.send("PUT", "/v1/billing/wallet/alert", {"alert_below": 20})
    recorder.send("GET", "/v1/billing/transaction-types")
    recorder.send("GET", "/v1/billing/agents/writer/summary")
    # A statement is streamed, so that the client has no content at hand.
    statement = recorder._send("GET", "/v1/billing/wallet/statement", None, {})
    recorder.operations["billing_wallet_statement"] = {"response": recorder._stable(json.loads(b"".join(statement.streaming_content)))}
    common(recorder, path, ledger="billing")
    recorder.refuse("invalid", "POST", path, {"amount": "ten", "type": "usage"})
    recorder.refuse("not_json_type", "POST", path, b"amount=1", Content_Type="text/plain")
    recorder.refuse("idempotency_conflict", "POST", path, usage | {"amount": 10})
    recorder.refuse("already_reversed", "POST", f"{path}/{_reversed(recorder, path, first)}/reverse", {"reason": "Again"})
    recorder.refuse("not_reversible", "POST", f"{path}/{reversed_part['id']}/reverse", {})
    recorder.refuse("exceeds_original", "POST", f"{path}/{spent['id']}/reverse", reversal | {"amount": 50, "reference_id": "too-much"})
    actor = {"tenant_id": recorder.tenant_id, "actor": "command:test", "request_id": "test"}
    billing.set_floor(**actor, currency="USD", floor=Decimal(0))
    recorder.refuse("insufficient", "POST", path, {"amount": 1000, "type": "usage", "reference_id": "too-large"})
    hold_examples(recorder)
    recorder.describe("withdrawn")
    # A hundred postings of the largest amount there is.
    recorder.describe("out_of_range", balance=Decimal(10**20 - 1), requested=Decimal(10**18 - 1), currency="USD")


def hold_examples(recorder: Recorder) -> None:
    path = "/v1/billing/wallet/holds"
    order = {"amount": 20, "expires_at": "2099-12-31T00:00:00Z", "reference_id": "call-1", "reason": "Streamed call"}
    hold = recorder.send("POST", path, order)["id"]
    recorder.send("GET", f"{path}?status=active")
    recorder.send("GET", f"{path}/{hold}")
    part = {"amount": 7.5, "final": False, "reference_id": "call-1-part-1", "agent_id": "writer"}
    recorder.send("POST", f"{path}/{hold}/capture", part)
    recorder.send("POST", f"{path}/{hold}/extend", {"expires_at": "2099-12-31T01:00:00Z", "reference_id": "call-1-later"})
    recorder.refuse("hold_exceeded", "POST", f"{path}/{hold}/capture", {"amount": 13})
    recorder.refuse("hold_conflict", "POST", path, order | {"amount": 21})
    recorder.send("POST", f"{path}/{hold}/release", {"reason": "Run cancelled"})
    recorder.refuse("hold_closed", "POST", f"{path}/{hold}/capture", {})
    recorder.describe("usage_not_a_debit", type="usage", direction="debit")


def _reversed(recorder: Recorder, path: str, first: dict[str, Any]) -> str:
    other = recorder._send("POST", path, {"amount": 1, "type": "topup", "reference_id": "order-1002"}, {}).json()["id"]
    recorder._send("POST", f"{path}/{other}/reverse", {}, {})
    return str(other)


def metering_examples(recorder: Recorder) -> None:
    path = "/v1/transactions"
    create = {
        "serviceName": "openai",
        "actionName": "completion",
        "resourceName": "gpt-4o",
        "agentName": "invoice-reader",
        "costs": [{"fiatAmount": "0.05", "fiatAssetSymbol": "USD", "isEstimate": True}],
    }
    facts = {"source": "openai", "version": "v1", "facts": {"model": "gpt-4o", "inputTokens": 1200, "outputTokens": 300}}
    made = recorder.send("POST", path, create, Idempotency_Key="run-1")
    one = f"{path}/{made['id']}"
    recorder.refuse("idempotency_conflict", "POST", path, create | {"agentName": "other"}, Idempotency_Key="run-1")
    recorder.send("GET", f"{path}?filter[service]=openai")
    recorder.send("GET", one)
    cost = {"fiatAmount": "0.031", "fiatAssetSymbol": "USD", "isEstimate": False, "supersedesCostId": made["costs"][0]["id"]}
    recorder.send("POST", f"{one}/costs", cost)
    recorder.refuse("already_superseded", "POST", f"{one}/costs", cost)
    recorder.send("POST", f"{one}/facts", facts | {"factPhase": "partial"})
    recorder.send("POST", f"{one}/complete", {"outcome": "success", "responseFacts": facts})
    for part in ("costs", "facts", "history"):
        recorder.send("GET", f"{one}/{part}")
    cancelled = recorder.send("POST", path, create)
    recorder.refuse("cost_of_another", "POST", f"{path}/{cancelled['id']}/costs", cost)
    recorder.send("POST", f"{path}/{cancelled['id']}/cancel", {"reason": "No answer in time"})
    recorder.refuse("must_be_authorized", "POST", f"{path}/{cancelled['id']}/reauthorize", {"x402": _challenge("0.01")})
    recorder.refuse("wrong_status", "POST", f"{path}/{cancelled['id']}/complete", {"outcome": "success"})
    recorder.refuse("not_open", "POST", f"{path}/{cancelled['id']}/costs", {key: cost[key] for key in list(cost)[:3]})
    whole = create | {"outcome": "success", "responseFacts": facts, "idempotencyKey": "run-3"}
    recorder.send("POST", f"{path}/batch", [whole, {"serviceName": ""}])
    opened = recorder.send("POST", path, create)["id"]
    unknown_id = str(uuid.UUID(int=7))
    report = facts | {"factPhase": "response", "callId": "call-1"}
    recorder.send("POST", f"{path}/facts/batch", [{"transactionId": opened} | report, {"transactionId": unknown_id} | report])
    spent = {"fiatAmount": "0.002", "fiatAssetSymbol": "USD", "isEstimate": False}
    recorder.send("POST", f"{path}/costs/batch", [{"transactionId": opened} | spent, {"transactionId": unknown_id} | spent])
    recorder.send("POST", f"{path}/complete/batch", [{"transactionId": one, "outcome": "success"} for one in (opened, unknown_id)])
    recorder.send("POST", "/v1/agents", {"label": "Invoice reader", "name": "invoice-reader-2"})
    recorder.refuse("agent_exists", "POST", "/v1/agents", {"label": "Invoice reader", "name": "invoice-reader-2"})
    recorder.send("GET", "/v1/agents")
    agent = f"/v1/agents/{recorder.send('GET', '/v1/agents')['data'][0]['id']}"
    recorder.send("GET", agent)
    recorder.send("PATCH", agent, {"status": "inactive"})
    recorder.refuse("not_found", "PATCH", f"/v1/agents/{uuid.UUID(int=7)}", {"status": "inactive"})
    recorder.send("GET", "/v1/services")
    recorder.send("GET", "/v1/traces")
    unit = {"factKey": "pages", "tierMode": "graduated", "tiers": [{"upTo": "1000", "amount": "0.10"}, {"amount": "0.05"}]}
    price = {"serviceName": "scanner", "flatAmount": "0.01", "validFrom": "2020-01-01T00:00:00Z", "units": [unit]}
    begun = recorder.send("POST", "/v1/prices", price)
    recorder.refuse("price_exists", "POST", "/v1/prices", price)
    recorder.send("GET", "/v1/prices?filter[service]=scanner")
    recorder.send("GET", f"/v1/prices/{begun['id']}")
    recorder.refuse("not_found", "GET", f"/v1/prices/{uuid.UUID(int=7)}")
    recorder.refuse("not_found", "POST", f"/v1/prices/{uuid.UUID(int=7)}/end", {})
    recorder.send("POST", "/v1/prices/quote", {"serviceName": "scanner", "facts": {"pages": 1500}})
    recorder.send("POST", f"/v1/prices/{begun['id']}/end", {"validTo": "2099-12-31T00:00:00Z"})
    recorder.send("GET", f"/v1/traces/{made['traceId']}")
    _prepaid_example(recorder, path, create)
    _challenge_examples(recorder, path, create)
    for report in ("summary", "chart", "leaderboards"):
        recorder.send("GET", f"/v1/analytics/{report}?filter[time_period]=7d")
    usage_examples(recorder)
    recorder.send("GET", "/v1/accounts/spend")
    rule_examples(recorder)
    common(recorder, path, ledger="metering")
    recorder.refuse("invalid", "POST", path, {"serviceName": 7, "costs": [{"fiatAmount": 0.05}]})
    recorder.refuse("invalid_value", "POST", path, create | {"agentId": str(uuid.UUID(int=7)), "agentName": None})


def _prepaid_example(recorder: Recorder, path: str, create: dict[str, Any]) -> None:
    """A call of a tenant that prepays."""
    who = {"tenant_id": recorder.tenant_id, "actor": "command:test", "request_id": "example"}
    billing.record_transaction(**who, amount=Decimal(20), type="topup", reference_id="order-1")
    metering.set_policy(**who, holds_estimates=True)
    paid = recorder.send("POST", path, create)
    recorder.send("POST", f"{path}/{paid['id']}/complete", {"outcome": "success"})
    recorder.send("GET", f"{path}/{paid['id']}/payments")
    _parts_example(recorder, path, create)
    metering.set_policy(**who, holds_estimates=False)


def _parts_example(recorder: Recorder, path: str, create: dict[str, Any]) -> None:
    """A payment is captured in parts, held for longer, and released."""
    streamed = recorder._send("POST", path, create, {}).json()
    one = f"{path}/{streamed['id']}/payments/{streamed['payment']['id']}"
    recorder.send("POST", f"{one}/capture", {"amount": "0.02", "final": False}, Idempotency_Key="part-1")
    recorder.refuse("payment_exceeded", "POST", f"{one}/capture", {"amount": "0.04"})
    refused = {"expiresAt": streamed["createdAt"]}
    recorder.refuse("invalid_value", "POST", f"{one}/extend", refused, Idempotency_Key="later-1")
    recorder.send("POST", f"{one}/extend", {"expiresAt": "2199-01-01T00:00:00Z"}, Idempotency_Key="later-2")
    recorder.send("POST", f"{one}/release", {"reason": "The stream ended early"})
    recorder.refuse("payment_closed", "POST", f"{one}/capture", {})
    recorder.refuse("payment_closed", "POST", f"{one}/extend", {"expiresAt": "2199-01-02T00:00:00Z"}, Idempotency_Key="later-3")
    ended = recorder._send("POST", path, create, {}).json()
    other = f"{path}/{ended['id']}/payments/{ended['payment']['id']}"
    recorder._send("POST", f"{other}/capture", {}, {})
    recorder.refuse("payment_closed", "POST", f"{other}/release", {})
    recorder.describe("payment_hold_ended", id=str(uuid.UUID(int=9)))


def _challenge(amount: str, **more: str) -> dict[str, Any]:
    option = {"scheme": "upto", "network": "countinghouse:main", "asset": "USD", "amount": amount, "payTo": "shop.example"}
    resource = {"url": "https://api.shop.example/search", "mimeType": "application/json"}
    return {"x402Version": 2, "resource": resource, "accepts": [option | {"maxTimeoutSeconds": 300} | more]}


def _challenge_examples(recorder: Recorder, path: str, create: dict[str, Any]) -> None:
    """A resource answers 402, and collects what was used. The shop is the tenant itself."""
    paying.set_payee(tenant_id=recorder.tenant_id, actor="command:test", request_id="example", pay_to="shop.example")
    made = recorder.send("POST", path, create)
    one, x402 = f"{path}/{made['id']}", _challenge("0.002403")
    recorder.refuse("no_payable_option", "POST", f"{one}/reauthorize", {"x402": _challenge("0.002403", network="eip155:1")})
    headers = {"originalRequest": {"url": "https://api.shop.example/search", "method": "GET"}, "responseHeaders": {}, "httpStatusCode": 402}
    payment = recorder.send("POST", f"{one}/reauthorize", {"x402": x402, "metadata": headers})["payment"]
    [hold] = [cost for cost in recorder.send("GET", f"{one}/costs")["costs"] if cost["isActive"]]
    stated = {"fiatAmount": "0", "fiatAssetSymbol": "USD", "isEstimate": False, "supersedesCostId": hold["id"]}
    recorder.refuse("cost_of_payment", "POST", f"{one}/costs", stated)
    [option] = x402["accepts"]
    body = {"x402Version": 2, "paymentPayload": payment["authorizationPayload"], "paymentRequirements": option}
    recorder.send("GET", "/v1/x402/supported")
    recorder.send("POST", "/v1/x402/verify", body)
    recorder.refuse("payment_presented", "POST", f"{one}/cancel")
    its = f"{one}/payments/{payment['id']}"
    recorder.refuse("payment_presented", "POST", f"{its}/release", {})
    recorder.refuse("payment_collected", "POST", f"{its}/capture", {})
    recorder.refuse("payment_in_progress", "POST", f"{one}/reauthorize", {"x402": _challenge("0.01")})
    recorder.send("POST", "/v1/x402/settle", body | {"paymentRequirements": option | {"amount": "0.0001"}})
    recorder.send("GET", "/v1/x402/collections")


def usage_examples(recorder: Recorder) -> None:
    recorder.send("GET", "/v1/analytics/query?group_by=service,model&interval=day&timezone=Asia/Kolkata&measures=count,cost,inputTokens")
    recorder.send("GET", "/v1/analytics/transactions?filter[model]=gpt-4o")
    call = {"serviceName": "openai", "actionName": "chat", "resourceName": "gpt-4o", "outcome": "success", "customerId": "ada"}
    for key in ("attempt-1", "attempt-2"):
        recorder._send("POST", "/v1/transactions", call, {"Idempotency-Key": key})
    recorder.send("GET", "/v1/transactions/near-duplicates?filter[customer]=ada&within_seconds=60&page[limit]=1")
    key = {"place": "qualifiers", "name": "env"}
    declared = recorder.send("POST", "/v1/analytics/keys", key)
    recorder.refuse("key_exists", "POST", "/v1/analytics/keys", key)
    recorder.send("GET", "/v1/analytics/keys")
    recorder.refuse("key_not_counted", "GET", "/v1/analytics/query?group_by=qualifiers.env")
    recorder.send("POST", f"/v1/analytics/keys/{declared['id']}/withdraw")
    recorder.refuse("not_found", "POST", f"/v1/analytics/keys/{declared['id']}/withdraw")
    for number in range(8):
        recorder._send("POST", "/v1/analytics/keys", {"place": "metadata", "name": f"key_{number}"}, {})
    recorder.refuse("too_many_keys", "POST", "/v1/analytics/keys", key)


def credits_examples(recorder: Recorder) -> None:
    path = "/credit-transactions"
    account = str(recorder.tenant_id)
    order = {
        "sequenceAccountId": account,
        "customerId": "customer-1",
        "name": "Prepaid",
        "creditUnitType": "CURRENCY",
        "currency": "USD",
        "amount": 100,
        "costOfCredit": 80,
        "effectiveDate": "2020-01-01",
    }
    grant = recorder.send("POST", "/credits", order, Idempotency_Key="grant-1")["id"]
    recorder.refuse("idempotency_conflict", "POST", "/credits", order | {"amount": 7}, Idempotency_Key="grant-1")
    debit = {"grantId": grant, "type": "DEBIT", "amount": "10", "invoiceId": "inv-7", "reason": "March usage"}
    first = recorder.send("POST", path, debit, Idempotency_Key="debit-1")
    recorder.send("GET", f"{path}?customerId=customer-1")
    recorder.send("GET", f"{path}/{first['id']}")
    recorder.send("POST", f"{path}/batch", {"items": [{**debit, "idempotencyKey": "debit-2"}, {**debit, "amount": "5000"}]})
    other = recorder._send("POST", path, {"grantId": grant, "type": "DEBIT", "amount": "3"}, {}).json()["id"]
    too_much = {"reason": "Half of it", "amount": "50"}
    recorder.refuse("exceeds_original", "POST", f"{path}/{other}/reverse", too_much, Idempotency_Key="part-1")
    reversal = recorder.send("POST", f"{path}/{other}/reverse", {"reason": "Wrong grant"})["id"]
    recorder.refuse("not_reversible", "POST", f"{path}/{reversal}/reverse", {"reason": "x"})
    recorder.refuse("already_reversed", "POST", f"{path}/{other}/reverse", {"reason": "Again"})
    recorder.send("GET", "/credits?customerId=customer-1")
    recorder.send("GET", f"/credits/{grant}")
    recorder.send("GET", "/credits/balances")
    recorder.send("GET", f"/credits/{grant}/explain")
    customer = "/credits/customer-1"
    recorder.send("GET", f"{customer}/grants")
    recorder.send("GET", f"{customer}/balances")
    recorder.send("PUT", f"{customer}/balance-alerts", {"currency": "USD", "alertBelow": "20"})
    recorder.send("GET", f"{customer}/balance-alerts")
    recorder.send("GET", f"{customer}/consume/preview?amount=5&currency=USD")
    drawn = recorder.send("POST", f"{customer}/consume", {"amount": "5", "currency": "USD", "invoiceId": "inv-8"})
    assert drawn["taken"] == "5"
    recorder.send("POST", f"{customer}/reinstate", {"invoiceId": "inv-8", "reason": "Invoice voided"})
    recorder.refuse("nothing_to_reinstate", "POST", f"{customer}/reinstate", {"invoiceId": "inv-0"})
    hold = recorder.send("POST", f"{customer}/holds", {"amount": "20", "currency": "USD", "expiresAt": "2099-12-31T00:00:00Z"})["id"]
    recorder.send("GET", f"{customer}/holds")
    recorder.send("GET", f"{customer}/holds/{hold}")
    recorder.refuse("grant_held", "POST", f"/credits/{grant}/void", {"reason": "x"})
    recorder.refuse("hold_exceeded", "POST", f"{customer}/holds/{hold}/capture", {"amount": "21"})
    recorder.send("POST", f"{customer}/holds/{hold}/extend", {"expiresAt": "2100-12-31T00:00:00Z"}, Idempotency_Key="hold-later")
    recorder.send("POST", f"{customer}/holds/{hold}/capture", {"amount": "12"})
    recorder.refuse("hold_closed", "POST", f"{customer}/holds/{hold}/release", {})
    second = recorder._send(
        "POST", f"{customer}/holds", {"amount": "1", "currency": "USD", "expiresAt": "2099-12-31T00:00:00Z"}, {}
    ).json()["id"]
    recorder.send("POST", f"{customer}/holds/{second}/release", {"reason": "Run cancelled"})
    recorder.refuse("grant_drawn_on", "DELETE", f"/credits/{grant}")
    recorder.refuse("insufficient_credit", "POST", path, debit | {"amount": "5000"})
    recorder.refuse("more_than_taken", "POST", path, debit | {"type": "CREDIT", "amount": "50"})
    recorder.refuse("grant_not_found", "POST", path, debit | {"grantId": str(uuid.UUID(int=9))})
    unused = recorder._send("POST", "/credits", order | {"name": "Unused"}, {}).json()["id"]
    recorder.send("DELETE", f"/credits/{unused}")
    later = recorder._send("POST", "/credits", order | {"effectiveDate": "2099-12-31"}, {}).json()["id"]
    recorder.refuse("grant_not_yet_effective", "POST", path, debit | {"grantId": later})
    past = recorder._send("POST", "/credits", order | {"expiryDate": "2020-01-31"}, {}).json()["id"]
    recorder.refuse("grant_expired", "POST", path, debit | {"grantId": past})
    recorder.send("POST", f"/credits/{later}/void", {"reason": "Contract ended"})
    recorder.refuse("grant_voided", "POST", path, debit | {"grantId": later})
    monthly = {name: value for name, value in order.items() if name not in {"sequenceAccountId", "effectiveDate"}}
    recurring_grant = recorder.send("POST", "/credit-schedules", monthly | {"name": "Monthly"})["id"]
    recorder.send("GET", "/credit-schedules")
    recorder.send("GET", f"/credit-schedules/{recurring_grant}")
    recorder.send("DELETE", f"/credit-schedules/{recurring_grant}")
    common(recorder, path, ledger="credits")
    recorder.refuse("missing_header", "POST", path, debit, On_Behalf_Of=None)
    recorder.refuse("invalid", "POST", path, {"grantId": grant, "type": "DEBIT", "amount": 10})
    recorder.refuse("invalid_value", "POST", "/credit-schedules", monthly | {"startsOn": "1990-01-01"})
    recorder.refuse("unknown_version", "GET", path, Sequence_Version="1999-01-01")
    recorder.errors["batch_aborted"] = _aborted(recorder, path, debit)


def _aborted(recorder: Recorder, path: str, debit: dict[str, Any]) -> Any:
    body = {"items": [debit | {"amount": "1"}, debit | {"amount": "5000"}], "atomic": True}
    items = recorder._send("POST", f"{path}/batch", body, {}).json()["items"]
    return {"error": recorder._stable(items[0]["error"])}


def webhooks_examples(recorder: Recorder) -> None:
    manage_endpoints(recorder)
    common(recorder, ENDPOINTS, ledger="webhooks")


EXAMPLES = {"billing": billing_examples, "metering": metering_examples, "credits": credits_examples, "kernel/events": webhooks_examples}
