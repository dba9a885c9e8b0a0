"""The public schema says what the code does."""

import io
import re

import pytest
import yaml
from django.core.management import call_command
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.settings import patched_settings
from drf_spectacular.validation import validate_schema

from tests.kernel.api import example_api


@pytest.fixture(scope="module")
def document():
    GENERATOR_STATS.reset()
    # The hooks that the whole project sets are its own affair; this is what kernel.api draws.
    with patched_settings({"POSTPROCESSING_HOOKS": []}):
        return SchemaGenerator(urlconf="tests.kernel.api.example_api").get_schema(request=None, public=True)


def test_the_schema_is_valid_and_without_a_warning(document):
    validate_schema(document)
    assert not GENERATOR_STATS
    assert document["openapi"].startswith("3.1")


def test_the_command_that_checks_it_agrees():
    out = io.StringIO()
    call_command("spectacular", urlconf="tests.kernel.api.example_api", validate=True, fail_on_warn=True, stdout=out)
    assert yaml.safe_load(out.getvalue())["paths"]


def test_a_body_is_described_in_spoken_names(document):
    sale = document["components"]["schemas"]["ShopSaleRequest"]
    assert list(sale["properties"]) == [member.wire_name for member in example_api.SaleRequest.declared_fields]
    assert sale["required"] == ["totalAmount", "saleKind"]
    assert sale["properties"]["state"] == {"type": ["string", "null"], "enum": ["open", "closed", None]}
    assert sale["properties"]["currency"]["default"] == "USD"
    assert sale["properties"]["lines"] == {
        "type": ["array", "null"],
        "items": {"$ref": "#/components/schemas/ShopLineRequest"},
        "maxItems": 3,
    }
    assert "description" not in sale


def test_a_reply_that_is_null_when_absent_says_so(document):
    reply = document["components"]["schemas"]["ShopSaleReply"]
    assert reply["required"] == ["id", "totalAmount", "saleKind"]
    assert reply["properties"]["saleKind"] == {"type": ["string", "null"]}


def test_an_operation_describes_its_statuses_headers_and_parameters(document):
    create = document["paths"]["/v1/sales"]["post"]
    assert create["operationId"] == "billing_sales_create"
    assert (create["summary"], create["description"], create["tags"]) == ("Record a sale", "What this call does.", ["Shop"])
    assert set(create["responses"]) == {"201", "400", "401", "402", "403", "409", "413", "429", "500", "503"}
    assert create["responses"]["402"]["content"] == {"application/json": {"schema": {"$ref": "#/components/schemas/ShopError"}}}
    assert set(create["responses"]["201"]["headers"]) == {"Shop-Version", "Idempotent-Replayed", "Ignored-Fields"}
    assert set(create["responses"]["401"]["headers"]) == {"Shop-Version", "WWW-Authenticate"}
    assert create["security"] == [{"bearer": []}, {"apiKey": []}, {"basic": []}]
    assert [(parameter["name"], parameter["in"]) for parameter in create["parameters"]] == [
        ("Idempotency-Key", "header"),
        ("On-Behalf-Of", "header"),
        ("Shop-Version", "header"),
    ]
    assert create["requestBody"]["required"] is True


def test_a_list_describes_its_parameters_and_page(document):
    listing = document["paths"]["/v1/sales"]["get"]
    assert [parameter["name"] for parameter in listing["parameters"] if parameter["in"] == "query"] == sorted(
        member.wire_name for member in example_api.BuyerQuery.declared_fields
    )
    schema = listing["responses"]["200"]["content"]["application/json"]["schema"]
    assert schema["properties"]["items"]["items"] == {"$ref": "#/components/schemas/ShopBuyerReply"}


def test_a_path_id_is_a_uuid_and_may_be_unknown(document):
    nudge = document["paths"]["/v1/sales/{id}/nudge"]["post"]
    assert [parameter["schema"] for parameter in nudge["parameters"] if parameter["in"] == "path"] == [{"type": "string", "format": "uuid"}]
    assert "404" in nudge["responses"]
    assert nudge["requestBody"]["required"] is False
    assert [parameter["required"] for parameter in nudge["parameters"] if parameter["name"] == "On-Behalf-Of"] == [True]


def test_the_pattern_of_a_positive_amount_takes_amounts_above_zero_and_nothing_else(document):
    pattern = document["components"]["schemas"]["ShopLineRequest"]["properties"]["unitPrice"]["pattern"]
    for amount in ("1", "10", "0.5", "007", "10.500", "0.000000000000000001", "9" * 18 + "." + "9" * 18):
        assert re.search(pattern, amount), amount
    for text in ("", "0", "0.0", "-1", "+1", "1e5", ".5", "1.", "1,5", "NaN", "0." + "0" * 18 + "1"):
        assert not re.search(pattern, text), text


def test_a_view_without_an_operation_is_named():
    class Silent(example_api.SaleViewSet):
        def list(self, request):
            raise NotImplementedError

    view = Silent()
    view.action = "list"
    view.schema.view = view
    with pytest.raises(TypeError, match=r"Silent\.list"):
        view.schema.get_summary()
