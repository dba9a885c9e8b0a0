"""A customer with money, and a shop whose resources answer 402, each with an API key."""

import json
from decimal import Decimal
from typing import Any

from metering.paying import services
from metering.paying.models import Payment
from tests.factories import IssuedKeyFactory
from tests.metering.conftest import Caller
from tests.paying.book import PayingBook

URL = "/v1/transactions"
PAY_TO = "shop.example"
RESOURCE = "https://shop.example/search"
OPTION = {"scheme": "upto", "network": "countinghouse:main", "asset": "USD", "amount": "10", "payTo": PAY_TO, "maxTimeoutSeconds": 300}


def option(amount: str = "10", **more: Any) -> dict[str, Any]:
    return OPTION | {"amount": amount} | more


def challenge(amount: str = "10", **more: Any) -> dict[str, Any]:
    return {"x402Version": 2, "resource": {"url": RESOURCE}, "accepts": [option(amount, **more)]}


def first_version(amount: str = "10", **more: Any) -> dict[str, Any]:
    entry = option(**more) | {"maxAmountRequired": amount, "resource": RESOURCE, "description": "A search — of all"}
    del entry["amount"]
    return {"x402Version": 1, "error": "payment required", "accepts": [entry]}


class Market(PayingBook):
    """The customer is a PayingBook: 6 USD of credits and 20 in the wallet, unless said otherwise; it doesn't prepay."""

    def __init__(self, *, credit: Any = 6, wallet: Any = 20, holds_estimates: bool = False, pay_to: str = PAY_TO, **policy: Any) -> None:
        super().__init__(credit=credit, wallet=wallet, holds_estimates=holds_estimates, **policy)
        self.caller = Caller(IssuedKeyFactory(tenant=self.tenant))
        self.shop = Caller(IssuedKeyFactory(scopes=["payments:collect", "billing:read"]))
        services.set_payee(tenant_id=self.shop.tenant.id, actor="command:test", request_id="test", pay_to=pay_to)

    def create(self, estimate: str | None = None) -> str:
        costs = [{"fiatAmount": estimate, "fiatAssetSymbol": "USD", "isEstimate": True}] if estimate else []
        return self.caller.create(costs=costs)["id"]

    def ask(self, transaction: str, body: Any = None, **headers: str) -> Any:
        return self.caller.post(f"{URL}/{transaction}/reauthorize", {"x402": body or challenge()}, **headers)

    def pay(self, body: Any = None, *, estimate: str | None = None) -> dict[str, Any]:
        """The payment of a new transaction."""
        reply = self.ask(self.create(estimate), body)
        assert (reply.status_code, reply.json()["status"]) == (200, "authorized"), reply.content
        return reply.json()["payment"]

    def verify(self, payment: Any, requirements: Any = None, *, by: Any = None) -> dict[str, Any]:
        return self._facilitate("verify", payment, requirements, by=by)

    def settle(self, payment: Any, amount: str | None = None, requirements: Any = None, *, by: Any = None) -> dict[str, Any]:
        wanted = requirements or self.requirements(payment)
        named = "maxAmountRequired" if "maxAmountRequired" in wanted else "amount"
        return self._facilitate("settle", payment, wanted | ({} if amount is None else {named: amount}), by=by)

    def requirements(self, payment: Any) -> dict[str, Any]:
        """The option of the challenge, as the shop has it."""
        payload = payment["authorizationPayload"]
        if payload["x402Version"] == 2:
            return payload["accepted"]
        return {name: OPTION[name] for name in OPTION if name != "amount"} | {"maxAmountRequired": payment["amount"]}

    def _facilitate(self, call: str, payment: Any, requirements: Any, *, by: Any) -> dict[str, Any]:
        payload = payment["authorizationPayload"]
        body = {
            "x402Version": payload["x402Version"],
            "paymentPayload": payload,
            "paymentRequirements": requirements or self.requirements(payment),
        }
        reply = (by or self.shop).post(f"/v1/x402/{call}", body)
        assert reply.status_code == 200, reply.content
        return reply.json()

    def status(self, payment: Any) -> str:
        return Payment.objects.get(tenant_id=self.tenant_id, id=payment["id"]).status

    def costs(self, transaction: str) -> list[tuple[str, Any]]:
        """The active costs of a transaction: amount, and the source that their details name."""
        found = [cost for cost in self.caller.get(f"{URL}/{transaction}/costs").json()["costs"] if cost["isActive"]]
        return [(str(Decimal(cost["fiatAmount"]).normalize()), (cost["costDetails"] or {}).get("source")) for cost in found]

    def total(self, transaction: str) -> Decimal:
        return Decimal(self.caller.get(f"{URL}/{transaction}/costs").json()["totalActiveCostUsd"])


def claims_of(payment: Any) -> dict[str, Any]:
    """The claims of a payment's token, unverified."""
    import jwt

    return jwt.decode(payment["authorizationPayload"]["payload"]["token"], options={"verify_signature": False})


def is_ascii(value: Any) -> bool:
    return json.dumps(value, ensure_ascii=False).isascii()
