"""The published x402 resource server (PyPI), unchanged, sells with this service as its facilitator, given a small class for our scheme."""

import json
from decimal import Decimal

import httpx
import pytest
from x402 import ResourceConfig, x402ResourceServerSync
from x402.http import FacilitatorConfig, HTTPFacilitatorClientSync
from x402.http.facilitator_client_base import CreateHeadersAuthProvider
from x402.schemas import AssetAmount, PaymentPayload, ResourceInfo

from tests.paying.shop import PAY_TO, RESOURCE, Market
from tests.paying.test_prepaid import money

pytestmark = pytest.mark.django_db


class LedgerScheme:
    """Prices in a currency, as this service has them."""

    scheme = "upto"
    default_asset_transfer_method = "default"
    payment_flows = {"default": {"supported": ("authorization",), "default": "authorization"}}

    def parse_price(self, price, network):
        return price if isinstance(price, AssetAmount) else AssetAmount(amount=str(price).lstrip("$"), asset="USD", extra={})

    def enhance_payment_requirements(self, requirements, kind, extensions):
        return requirements


@pytest.fixture
def server_of():
    def server_of(caller):
        """A resource server with the key of this caller."""

        def answer(request):
            sent = {"content_type": "application/json", "headers": {"Authorization": request.headers["Authorization"]}}
            reply = caller.client.generic(request.method, request.url.path, request.content, **sent)
            return httpx.Response(reply.status_code, content=reply.content, headers={"Content-Type": reply["Content-Type"]})

        headers = dict.fromkeys(("verify", "settle", "supported"), caller.headers)
        config = FacilitatorConfig(
            url="http://testserver/v1/x402",
            http_client=httpx.Client(transport=httpx.MockTransport(answer)),
            auth_provider=CreateHeadersAuthProvider(lambda: headers),
        )
        server = x402ResourceServerSync(HTTPFacilitatorClientSync(config))
        server.register("countinghouse:*", LedgerScheme())
        server.initialize()
        return server

    return server_of


def test_the_published_resource_server_sells_and_is_told_why_where_it_can_not(server_of):
    market = Market()
    server = server_of(market.shop)
    config = ResourceConfig(scheme="upto", network="countinghouse:main", pay_to=PAY_TO, price="$0.75", max_timeout_seconds=300)
    offered = server.build_payment_requirements(config)
    required = server.create_payment_required_response(offered, ResourceInfo(url=RESOURCE))
    body = json.loads(required.model_dump_json(by_alias=True, exclude_none=True))
    payment = market.pay(body)
    payload = PaymentPayload.model_validate(payment["authorizationPayload"])
    matched = server.find_matching_requirements(offered, payload)
    verified = server.verify_payment(payload, matched)
    assert (verified.is_valid, verified.payer) == (True, payment["authorizationPayload"]["payload"]["accountId"])
    used = matched.model_copy(update={"amount": "0.25"})
    settled = server.settle_payment(payload, used)
    assert (settled.success, settled.network, settled.amount) == (True, "countinghouse:main", "0.25")
    assert market.money() == money("5.75", 0, 20, 0)
    assert market.total(payment["transactionId"]) == Decimal("0.25")
    again = server.settle_payment(payload, used)
    assert again.transaction == settled.transaction
    other = server_of(Market(pay_to="other").shop)
    refused = other.verify_payment(payload, matched)
    assert (refused.is_valid, refused.invalid_reason) == (False, "unauthorized_server")
    market.is_sound()
