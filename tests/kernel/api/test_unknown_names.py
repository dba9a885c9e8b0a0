"""Names that a call doesn't have: refused with the nearest known one, or ignored by contract and named in the reply."""

import json

import pytest
from django.http import QueryDict

from kernel.api.problems import Invalid
from kernel.api.unknown_names import header_value, nearest, parameter_problems
from tests.factories import IssuedKeyFactory
from tests.kernel.api.example_api import SALE, BuyerQuery, NudgeRequest, SaleRequest, SalesRequest

NAMES = ["customerId", "invoiceId", "page[limit]", "amount"]
at_the_shop = [pytest.mark.django_db, pytest.mark.urls("tests.kernel.api.example_api")]


def problems(read, raw):
    with pytest.raises(Invalid) as caught:
        read(raw)
    return [(problem.path, problem.code, problem.facts.get("nearest")) for problem in caught.value.fields]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("customer_id", "customerId"),
        ("customerID", "customerId"),
        ("invoceId", "invoiceId"),
        ("page[size]", "page[limit]"),
        ("Amount", "amount"),
        ("zzz", None),
        ("", None),
        ("a" * 100_000, None),
    ],
)
def test_the_nearest_known_name_is_found_whatever_its_case_and_hyphens(name, expected):
    assert nearest(name, NAMES) == expected


def test_an_unknown_member_is_refused_after_all_other_problems():
    assert problems(NudgeRequest.read, b'{"whi": 1, "why": 2, "zzz": 3}') == [
        (("why",), "not_text", None),
        (("whi",), "unknown_name", "why"),
        (("zzz",), "unknown_name", None),
    ]


def test_an_unknown_member_of_a_nested_object_is_refused_by_its_path():
    body = b'{"items": [{"totalAmount": 1, "saleKind": "x", "lines": [{"unitPrice": "1", "isEstimate": true, "unit_price": "2"}]}]}'
    [item] = SalesRequest.read(body)["items"]
    assert [(problem.path, problem.code, problem.value) for problem in item.fields] == [(("lines", 0, "unit_price"), "unknown_name", "2")]


def test_members_of_a_customers_own_object_are_no_names_of_ours():
    assert SaleRequest.read(b'{"totalAmount": 1, "saleKind": "x", "details": {"zzz": {"a": 1}}}')["details"] == '{"zzz": {"a": 1}}'


def test_of_very_many_unknown_members_the_first_twenty_are_named():
    body = json.dumps({f"n{number}": number for number in range(50_000)}).encode()
    assert len(problems(NudgeRequest.read, body)) == 20
    ignored = []
    sale = json.dumps({"totalAmount": 1, "saleKind": "x"} | {f"n{number}": number for number in range(50_000)}).encode()
    SaleRequest.read(sale, ignored=ignored)
    assert ignored[:2] == ["n0", "n1"]
    assert header_value(ignored).split(", ")[19:] == ["n19", "*"]


def test_names_in_a_header_are_plain_ascii_whatever_was_sent():
    assert header_value(["a.0.b", "x\r\nSet-Cookie: y", "é", "a,b", "\ud800"]) == "a.0.b, x%0D%0ASet-Cookie%3A%20y, %C3%A9, a%2Cb, %3F"


def test_parameters_that_are_unknown_or_sent_twice_are_refused():
    found = parameter_problems(BuyerQuery.declared_fields, QueryDict("page[limit]=1&page[limit]=2&page[after]=x&fromdy=2024-01-01&zzz="))
    assert [(problem.path, problem.code, problem.facts.get("nearest")) for problem in found] == [
        (("page[limit]",), "repeated_name", None),
        (("fromdy",), "unknown_name", "fromDay"),
        (("zzz",), "unknown_name", None),
    ]


class TestCalls:
    pytestmark = at_the_shop

    @pytest.fixture
    def headers(self):
        return {"Authorization": f"Bearer {IssuedKeyFactory().token}"}

    def test_ignored_members_are_named_in_the_reply(self, client, headers):
        body = {"totalAmount": 1, "saleKind": "x", "zzz": 1, "lines": [{"unitPrice": "1", "isEstimate": True, "more": 1}]}
        reply = client.post("/v1/sales", body, content_type="application/json", headers=headers)
        assert (reply.status_code, reply["Ignored-Fields"]) == (201, "zzz, lines.0.more")

    def test_a_reply_to_a_body_without_unknown_members_has_no_such_header(self, client, headers):
        reply = client.post("/v1/sales", {"totalAmount": 1, "saleKind": "x"}, content_type="application/json", headers=headers)
        assert reply.status_code == 201
        assert "Ignored-Fields" not in reply

    @pytest.mark.parametrize(
        ("method", "path"),
        [("get", f"/v1/sales/{SALE}"), ("get", "/v1/sales"), ("post", "/v1/sales"), ("head", "/v1/sales"), ("post", "/v1/sales/batch")],
    )
    def test_an_unknown_parameter_is_refused_by_every_call(self, client, headers, method, path):
        reply = getattr(client, method)(f"{path}?zzz=1", headers=headers)
        assert reply.status_code == 400
        if method != "head":
            [field] = reply.json()["fields"]
            assert (reply.json()["place"], field["path"], field["code"]) == ("query", ["zzz"], "unknown_name")

    def test_too_many_parameters_are_refused(self, client, headers):
        reply = client.get("/v1/sales?" + "&".join(f"a{number}=1" for number in range(1500)), headers=headers)
        assert (reply.status_code, reply.json()["code"]) == (400, "invalid")
