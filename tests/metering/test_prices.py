"""Facts become costs by a price that says how; and again by better prices, and back."""

import json
import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from metering import services
from metering.errors import PriceExists
from metering.integrity import checks
from metering.models import Cost, Fact, Price, Transaction
from metering.pricing import price_facts
from tests.metering.arithmetic import result_of, rounded
from tests.metering.conftest import Caller

URL = "/v1/transactions"
ESTIMATE = {"fiatAmount": "0.05", "fiatAssetSymbol": "USD", "isEstimate": True}
TOKENS = {"inputTokens": 1000, "outputTokens": 500}
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def price(caller: Caller, *units: tuple, valid_from: datetime = LONG_AGO, **names: object):
    context = {"tenant_id": caller.tenant.id, "actor": "staff:1", "request_id": ""}
    terms = [dict(zip(("fact_key", "amount", "per", "is_optional"), unit, strict=False)) for unit in units]
    return services.set_price(
        **context, units=[term | {"amount": Decimal(term["amount"])} for term in terms], valid_from=valid_from, **names
    )


def add_facts(caller: Caller, transaction_id: str, facts: dict, *, phase: str = "response"):
    body = {"source": "s", "version": "1", "factPhase": phase, "facts": facts}
    reply = caller.post(f"{URL}/{transaction_id}/facts", body)
    assert reply.status_code == 201, reply.content
    return reply.json()


def costs_of(caller: Caller, transaction_id: str) -> list[tuple]:
    rows = caller.get(f"{URL}/{transaction_id}/costs").json()["costs"]
    return [(row["fiatAmount"].rstrip("0"), row["isEstimate"], row["isActive"]) for row in rows]


def test_a_known_model_has_its_public_price(caller):
    created = caller.create(resourceName="gpt-4-turbo", costs=[ESTIMATE])
    body = add_facts(caller, created["id"], TOKENS)
    cost = Cost.objects.get(is_active=True)
    assert body == {
        "success": True,
        "factId": str(Fact.objects.get().id),
        "costId": str(cost.id),
        "pricing": {"status": "priced", "note": None, "read": ["inputTokens", "outputTokens"], "ignored": []},
        "superseded": [{"costId": created["costs"][0]["id"], "fiatAmount": "0.050000000000000000"}],
        "occurredAt": body["occurredAt"],
    }
    assert costs_of(caller, created["id"]) == [("0.05", True, False), ("0.025", False, True)]
    assert str(cost.supersedes_id) == created["costs"][0]["id"]
    assert cost.inferred_from_id == Fact.objects.get().id
    assert json.loads(cost.cost_details) == {
        "price": {
            "source": price_facts.PUBLIC,
            "provider": "openai",
            "model": "gpt-4-turbo",
            "unitPrices": "$10/input MTok, $30/output MTok",
        },
        "model": "gpt-4-turbo",
        "quantities": {"input_tokens": "1000", "output_tokens": "500"},
        "arithmetic": "0.01 input + 0.015 output = 0.025",
    }


def test_the_model_of_the_request_facts_counts_more_than_the_resource(caller, example):
    created = caller.post(URL, example).json()
    add_facts(caller, created["id"], {"actualInputTokens": 1250, "actualOutputTokens": 543, "finishReason": "stop"})
    assert costs_of(caller, created["id"]) == [("0.05", True, False), ("0.02879", False, True)]


def test_without_a_price_the_reply_and_the_book_say_what_is_wanting(caller):
    created = caller.create(resourceName="no-such-model")
    assert add_facts(caller, created["id"], TOKENS)["pricing"] == {
        "status": "unknown_model",
        "note": "no-such-model",
        "read": [],
        "ignored": [],
    }
    known = caller.create()
    assert add_facts(caller, known["id"], {"inputTokens": 5})["pricing"] == {
        "status": "missing_quantity",
        "note": "actualOutputTokens",
        "read": [],
        "ignored": [],
    }
    assert add_facts(caller, known["id"], TOKENS | {"inputTokens": "5.0"})["pricing"]["note"] == "inputTokens"
    assert add_facts(caller, known["id"], TOKENS | {"inputTokens": -5})["pricing"]["status"] == "missing_quantity"
    assert add_facts(caller, known["id"], TOKENS | {"inputTokens": 1.5})["pricing"]["status"] == "missing_quantity"
    assert add_facts(caller, known["id"], TOKENS | {"inputTokens": 10**18})["pricing"]["status"] == "missing_quantity"
    assert add_facts(caller, known["id"], TOKENS, phase="request")["pricing"] == {
        "status": "not_asked",
        "note": None,
        "read": [],
        "ignored": [],
    }
    assert not Cost.objects.exists()


def test_later_facts_replace_what_earlier_ones_said(caller):
    created = caller.create(costs=[ESTIMATE])
    add_facts(caller, created["id"], {"inputTokens": 1000, "outputTokens": 0}, phase="partial")
    add_facts(caller, created["id"], TOKENS)
    assert costs_of(caller, created["id"]) == [("0.05", True, False), ("0.03", True, False), ("0.06", False, True)]


def test_facts_make_no_second_actual_cost(caller):
    created = caller.create(costs=[ESTIMATE | {"isEstimate": False}])
    body = add_facts(caller, created["id"], TOKENS)
    assert "costId" not in body
    assert body["pricing"] == {"status": "already_known", "note": None, "read": ["inputTokens", "outputTokens"], "ignored": []}
    assert costs_of(caller, created["id"]) == [("0.05", False, True)]


def test_the_tenants_own_price_comes_first(caller, outsider):
    price_id = price(
        caller, ("pages", "0.10"), ("usage.pixels", "3", 1000), ("extras", "9", 1, True), service_name="scanner", currency="EUR"
    )
    created = caller.create(serviceName="scanner", resourceName="gpt-4")
    add_facts(caller, created["id"], {"pages": 3, "usage": {"pixels": 2.5}})
    cost = Cost.objects.get()
    assert (cost.fiat_amount, cost.fiat_asset_symbol) == (Decimal("0.3075"), "EUR")
    assert json.loads(cost.cost_details) == {
        "price": {"source": "price book", "id": str(price_id), "validFrom": "2020-01-01T00:00:00+00:00"},
        "model": "gpt-4",
        "quantities": {"pages": "3", "usage.pixels": "2.5", "extras": "0"},
        "arithmetic": "3 × 0.1 + 2.5 × 3 / 1000 + 0 × 9 = 0.3075",
    }
    theirs = outsider.create(serviceName="scanner", resourceName="gpt-4")
    assert add_facts(outsider, theirs["id"], {"pages": 3})["pricing"]["status"] == "missing_quantity"


def test_the_more_particular_price_wins(caller):
    for amount, names in {
        "1": {},
        "2": {"service_name": "openai"},
        "3": {"action_name": "chat"},
        "4": {"resource_name": "gpt-4"},
        "5": {"resource_name": "gpt-4", "service_name": "openai"},
        "6": {"resource_name": "other", "service_name": "openai"},
    }.items():
        price(caller, ("n", amount), **names)
    for facts, total in (
        ({}, "5."),
        ({"serviceName": "x"}, "4."),
        ({"resourceName": "x"}, "3."),
        ({"resourceName": "x", "actionName": "x"}, "2."),
        ({"resourceName": "x", "actionName": "x", "serviceName": "x"}, "1."),
        ({"resourceName": "x", "qualifiers": {"model": "other"}}, "6."),
    ):
        created = caller.create(**facts)
        add_facts(caller, created["id"], {"n": 1})
        assert costs_of(caller, created["id"]) == [(total, False, True)]


def test_a_price_ends_where_the_next_begins(caller):
    first = price(caller, ("n", "1"))
    second = price(caller, ("n", "2"), valid_from=timezone.now() - timedelta(hours=1))
    assert Price.objects.get(id=first).valid_to == Price.objects.get(id=second).valid_from
    with pytest.raises(PriceExists):
        price(caller, ("n", "3"))
    call_command("set_price", caller.tenant.slug, "n=5/2", "--from", (timezone.now() + timedelta(days=1)).isoformat(), stdout=StringIO())
    created = caller.create()
    add_facts(caller, created["id"], {"n": 1})
    assert costs_of(caller, created["id"]) == [("2.", False, True)]


def test_an_amount_is_rounded_once_and_may_be_too_large(caller):
    price(caller, ("n", "1", 3), ("m", "1", 3))
    created = caller.create()
    add_facts(caller, created["id"], {"n": 1, "m": 1})
    assert costs_of(caller, created["id"]) == [("0.666666666666666667", False, True)]
    assert add_facts(caller, created["id"], {"n": 10**17, "m": 3 * 10**18 - 1})["pricing"]["status"] == "missing_quantity"


def test_repricing_shows_applies_and_undoes(caller):
    old = price(caller, ("n", "1"), resource_name="mine")
    rows = [caller.create(resourceName="mine", costs=[ESTIMATE]) for _ in range(3)] + [
        caller.create(resourceName="mine", serviceName="else")
    ]
    for row in rows:
        add_facts(caller, row["id"], {"n": 2})
    context = {"tenant_id": caller.tenant.id, "actor": "staff:1", "request_id": ""}
    services.end_price(**context, price_id=old, valid_to=LONG_AGO + timedelta(days=1))
    price(caller, ("n", "5"), valid_from=LONG_AGO + timedelta(days=2), resource_name="mine")

    asked = {"service": "openai", "tenant": caller.tenant.slug}
    shown = StringIO()
    call_command("reprice_transactions", **asked, stdout=shown)
    today = timezone.now().date()
    assert f"{caller.tenant.id} {today} USD: 3 costs, 6 -> 30 (24)" in shown.getvalue()
    assert "Nothing was changed" in shown.getvalue()
    assert Cost.objects.count() == 7

    shown = StringIO()
    call_command("reprice_transactions", **asked, apply=True, stdout=shown)
    assert "posted 3 costs" in shown.getvalue()
    assert costs_of(caller, rows[0]["id"]) == [("0.05", True, False), ("2.", False, False), ("10.", False, True)]
    assert costs_of(caller, rows[3]["id"]) == [("2.", False, True)]
    call_command("reprice_transactions", **asked, apply=True, stdout=(again := StringIO()))
    assert "posted 0 costs" in again.getvalue()

    run = shown.getvalue().split("Run ")[1].split()[0]
    call_command("reprice_transactions", undo=run, stdout=(shown := StringIO()))
    assert f"{caller.tenant.id} {today} USD: 3 costs, 30 -> 6 (-24)" in shown.getvalue()
    call_command("reprice_transactions", undo=run, apply=True, stdout=StringIO())
    rows_now = costs_of(caller, rows[0]["id"])
    assert rows_now == [("0.05", True, False), ("2.", False, False), ("10.", False, False), ("2.", False, True)]
    assert list(checks.find_violations()) == []


def test_repricing_by_model_and_time(caller):
    for model in ("gpt-4", "gpt-4-turbo"):
        add_facts(caller, caller.create(resourceName=model)["id"], TOKENS)
    price(caller, ("inputTokens", "1"))
    now = timezone.now()
    for asked, seen in (
        ({"model": "gpt-4"}, 1),
        ({}, 2),
        ({"since": now}, 0),
        ({"until": now}, 2),
        ({"service": "other"}, 0),
    ):
        call_command("reprice_transactions", **asked, stdout=(shown := StringIO()))
        assert f"{seen} costs looked at, {seen} differ" in shown.getvalue()


def test_stale_transactions_are_closed_where_the_tenant_wants_it(caller, outsider):
    old, theirs, done = caller.create()["id"], outsider.create()["id"], caller.create()["id"]
    caller.post(f"{URL}/{done}/complete", {"outcome": "success"})
    call_command("close_stale_transactions", stdout=StringIO())
    assert set(Transaction.objects.values_list("status", flat=True)) == {"authorized", "completed"}
    services.set_policy(tenant_id=caller.tenant.id, actor="staff:1", request_id="", stale_after=timedelta(microseconds=1))
    call_command("close_stale_transactions", stdout=(shown := StringIO()))
    assert "1 transactions cancelled." in shown.getvalue()
    assert Transaction.objects.get(id=old).status == "cancelled"
    assert Transaction.objects.get(id=theirs).status == "authorized"
    last = caller.get(f"{URL}/{old}/history").json()["history"][-1]
    assert last["reason"].startswith("Not completed within")
    assert last["actor"].startswith("command:close_stale_transactions:")
    call_command("set_metering_policy", caller.tenant.slug, "--stale-after-hours", "0", stdout=StringIO())
    fresh = caller.create()["id"]
    call_command("close_stale_transactions", stdout=StringIO())
    assert Transaction.objects.get(id=fresh).status == "authorized"


def test_commands_refuse_what_they_do_not_know(caller):
    for command in ("reprice_transactions", "close_stale_transactions", "rebuild_rollups"):
        with pytest.raises(CommandError):
            call_command(command, tenant="nobody", stdout=StringIO())
    for units in (["n"], ["n=x"], ["n=1/0"], ["n=1e5"]):
        with pytest.raises(CommandError):
            call_command("set_price", caller.tenant.slug, *units, stdout=StringIO())


# ---- the API of prices, and the forms that a price can take

FORMS = [
    ({"flatAmount": "0.02", "units": [{"factKey": "pages", "amount": "0.1"}]}, {"pages": 3}, "0.32", "0.02 per call + 3 × 0.1 = 0.32"),
    ({"flatAmount": "0.02"}, {}, "0.02", "0.02 per call = 0.02"),
    ({"minimum": "0.5", "units": [{"factKey": "pages", "amount": "0.1"}]}, {"pages": 3}, "0.5", "3 × 0.1, at least 0.5 = 0.5"),
    ({"minimum": "0.5", "units": [{"factKey": "pages", "amount": "0.1"}]}, {"pages": 5}, "0.5", "5 × 0.1 = 0.5"),
    ({"units": [{"factKey": "pages", "amount": "2", "per": 1000, "isPackage": True}]}, {"pages": 1000}, "2", "1 packages × 2 = 2"),
    ({"units": [{"factKey": "pages", "amount": "2", "per": 1000, "isPackage": True}]}, {"pages": 1001}, "4", "2 packages × 2 = 4"),
    ({"units": [{"factKey": "pages", "amount": "2", "per": 1000, "isPackage": True}]}, {"pages": 0}, "0", "0 packages × 2 = 0"),
]
TIERS = [{"upTo": "1000", "amount": "0.1"}, {"upTo": "2000", "amount": "0.05"}, {"amount": "0.01"}]
TIERED = [
    ("graduated", 0, "0", "0 × 0.1 = 0"),
    ("graduated", 1000, "100", "1000 × 0.1 = 100"),
    ("graduated", 1001, "100.05", "1000 × 0.1 + 1 × 0.05 = 100.05"),
    ("graduated", 2500, "155", "1000 × 0.1 + 1000 × 0.05 + 500 × 0.01 = 155"),
    ("volume", 1000, "100", "1000 × 0.1 = 100"),
    ("volume", 1001, "50.05", "1001 × 0.05 = 50.05"),
    ("volume", 2500, "25", "2500 × 0.01 = 25"),
]
FORMS += [
    ({"units": [{"factKey": "pages", "tierMode": mode, "tiers": TIERS}]}, {"pages": quantity}, amount, arithmetic)
    for mode, quantity, amount, arithmetic in TIERED
]
PRICES = "/v1/prices"


@pytest.mark.parametrize(("form", "facts", "amount", "arithmetic"), FORMS)
def test_each_form_of_a_price_is_quoted_recorded_and_proved(caller, form, facts, amount, arithmetic):
    begun = caller.post(PRICES, {"serviceName": "scanner", "validFrom": "2020-01-01T00:00:00Z", **form})
    assert begun.status_code == 201, begun.content
    quote = caller.post(f"{PRICES}/quote", {"serviceName": "scanner", "facts": facts}).json()
    assert (Decimal(quote["amount"]), quote["currency"], quote["pricing"]["status"]) == (Decimal(amount), "USD", "priced")
    assert quote["costDetails"]["arithmetic"] == arithmetic
    assert [price["id"] for price in quote["prices"]] == [begun.json()["id"]]
    assert not Transaction.objects.exists()
    created = caller.create(serviceName="scanner", resourceName="a4")
    add_facts(caller, created["id"], facts)
    assert Cost.objects.get(is_active=True).fiat_amount == Decimal(amount)
    assert list(checks.find_violations()) == []


def test_the_check_of_inferred_costs_finds_a_wrong_tier(caller):
    caller.post(PRICES, {"validFrom": "2020-01-01T00:00:00Z", "units": [{"factKey": "pages", "tierMode": "graduated", "tiers": TIERS}]})
    add_facts(caller, caller.create(resourceName="a4")["id"], {"pages": 1500})
    assert list(checks.find_violations()) == []
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE metering_unitprice DISABLE TRIGGER USER")
        cursor.execute('UPDATE metering_unitprice SET tiers = \'[{"upTo":"1000","amount":"0.2"},{"amount":"0.05"}]\'')
        cursor.execute("ALTER TABLE metering_unitprice ENABLE TRIGGER USER")
    assert [found.check.name for found in checks.find_violations()] == ["metering_inferred_cost"]


def test_a_markup_is_added_to_the_public_price(caller):
    price = {"resourceName": "gpt-4-turbo", "markup": "0.2", "flatAmount": "0.001", "validFrom": "2020-01-01T00:00:00Z"}
    begun = caller.post(PRICES, price).json()
    quote = caller.post(f"{PRICES}/quote", {"serviceName": "openai", "resourceName": "gpt-4-turbo", "facts": TOKENS}).json()
    assert Decimal(quote["amount"]) == Decimal("0.031")
    assert quote["costDetails"]["arithmetic"] == "0.001 per call + (0.01 input + 0.015 output) × 1.2 = 0.031"
    assert quote["costDetails"]["price"] == {
        "source": "price book",
        "id": begun["id"],
        "validFrom": "2020-01-01T00:00:00+00:00",
        "markup": "0.2",
        "public": {
            "source": price_facts.PUBLIC,
            "provider": "openai",
            "model": "gpt-4-turbo",
            "unitPrices": "$10/input MTok, $30/output MTok",
        },
    }
    unknown = caller.post(f"{PRICES}/quote", {"serviceName": "x", "resourceName": "in-house", "facts": TOKENS}).json()
    assert (unknown["amount"], unknown["currency"], unknown["pricing"]["status"], unknown["prices"]) == (None, None, "unknown_model", [])
    add_facts(caller, caller.create(serviceName="openai", resourceName="gpt-4-turbo")["id"], TOKENS)
    assert Cost.objects.get().fiat_amount == Decimal("0.031")
    assert list(checks.find_violations()) == []


def test_prices_are_begun_listed_and_ended_over_the_api(caller, outsider):
    unit = {"factKey": "usage.cached", "amount": "1", "per": 1000, "isOptional": True, "partOf": ""}
    body = {"serviceName": "s", "currency": "EUR", "validFrom": "2026-01-01T00:00:00Z", "units": [unit]}
    first = caller.post(PRICES, body).json()
    assert first == {
        "id": first["id"],
        "serviceName": "s",
        "actionName": None,
        "resourceName": None,
        "currency": "EUR",
        "flatAmount": "0",
        "minimum": "0",
        "markup": None,
        "validFrom": "2026-01-01T00:00:00.000Z",
        "validTo": None,
        "units": [{**unit, "isPackage": False, "tierMode": None, "tiers": []}],
        "createdAt": first["createdAt"],
    }
    second = caller.post(PRICES, body | {"validFrom": "2026-02-01T00:00:00Z"}).json()
    assert caller.get(f"{PRICES}/{first['id']}").json()["validTo"] == "2026-02-01T00:00:00.000Z"
    assert [row["id"] for row in caller.get(f"{PRICES}?filter[service]=s").json()["data"]] == [second["id"], first["id"]]
    assert [row["id"] for row in caller.get(f"{PRICES}?filter[active_at]=2026-01-15T00:00:00Z").json()["data"]] == [first["id"]]
    assert caller.get(f"{PRICES}?filter[service]=other").json()["data"] == []
    ended = caller.post(f"{PRICES}/{second['id']}/end", {"validTo": "2026-03-01T00:00:00Z"})
    assert (ended.status_code, ended.json()["validTo"]) == (200, "2026-03-01T00:00:00.000Z")
    assert caller.post(PRICES, body).status_code == 409
    too_early = caller.post(f"{PRICES}/{second['id']}/end", {"validTo": "2025-03-01T00:00:00Z"})
    assert (too_early.status_code, too_early.json()["message"]) == (400, ["validTo must be later than the beginning"])
    assert outsider.get(f"{PRICES}/{first['id']}").status_code == 404
    assert outsider.post(f"{PRICES}/{first['id']}/end", {}).status_code == 404
    assert outsider.get(PRICES).json()["data"] == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "units should not be empty, unless flatAmount or markup is set"),
        ({"units": [{"factKey": "a"}]}, "amount should not be empty"),
        ({"units": [{"factKey": "a", "amount": 1}]}, "units.0.amount must be a decimal string, not a number"),
        ({"units": [{"factKey": "a", "amount": "1"}, {"factKey": "a", "amount": "2"}]}, "factKey must not be there twice"),
        ({"units": [{"factKey": "a", "amount": "1", "partOf": "b"}]}, "partOf must be the factKey of another unit of the price"),
        (
            {"units": [{"factKey": "a", "amount": "1", "tiers": TIERS, "tierMode": "volume"}]},
            "amount should not be set where there are tiers",
        ),
        ({"units": [{"factKey": "a", "tiers": TIERS}]}, "tiers need tierMode, graduated or volume"),
        ({"units": [{"factKey": "a", "amount": "1", "tierMode": "volume"}]}, "tiers should not be empty"),
        ({"units": [{"factKey": "a", "tierMode": "volume", "tiers": TIERS[:2]}]}, "tiers must have ascending upTo values"),
        ({"units": [{"factKey": "a", "tierMode": "volume", "tiers": [TIERS[1], TIERS[0], TIERS[2]]}]}, "tiers must have ascending"),
        ({"markup": "0.1", "units": [{"factKey": "a", "amount": "1"}]}, "units must be empty where markup is set"),
        ({"markup": "-1.1"}, "markup must not be less than -1"),
        ({"markup": "0.1", "currency": "EUR"}, "currency must be one of the following values: USD"),
        ({"flatAmount": "-1"}, "flatAmount must be a decimal string"),
        ({"flatAmount": "1", "unit": []}, "unit should not exist; did you mean units?"),
        ({"flatAmount": "1", "validFrom": "2026-02-01T00:00:00Z", "validTo": "2026-01-01T00:00:00Z"}, "validTo must be later"),
    ],
)
def test_a_price_that_says_nothing_clear_is_refused_and_nothing_is_written(caller, body, message):
    refused = caller.post(PRICES, body)
    assert refused.status_code == 400, refused.content
    assert message in str(refused.json()["message"])
    assert not Price.objects.exists()


def test_a_price_is_written_as_text_with_tiers_and_packages(caller):
    call_command("set_price", caller.tenant.slug, "pages=0.1@1000,0.05!?", "--flat", "0.5", "--minimum", "1", "--service", "s")
    call_command("set_price", caller.tenant.slug, "--markup", "0.25", "--service", "t")
    first, second = Price.objects.order_by("id")
    unit = first.unit_prices.get()
    assert (first.flat_amount, first.minimum, second.markup) == (Decimal("0.5"), 1, Decimal("0.25"))
    assert (unit.is_package, unit.is_optional, unit.tier_mode) == (True, True, "graduated")
    assert json.loads(unit.tiers) == [{"upTo": "1000", "amount": "0.1"}, {"upTo": None, "amount": "0.05"}]


# ---- what any price comes to, by fractions

AMOUNTS = st.decimals(min_value=0, max_value=1000, places=18)
KEYS = ("inputTokens", "cachedTokens", "outputTokens", "audioTokens", "pages")
TIER_LISTS = st.lists(st.tuples(st.integers(1, 10**6), AMOUNTS), min_size=1, max_size=4, unique_by=lambda tier: tier[0]).map(sorted)


def unit_of(key: str) -> st.SearchStrategy[dict]:
    part_of = {"cachedTokens": st.sampled_from(["", "inputTokens"]), "audioTokens": st.sampled_from(["", "outputTokens"])}
    return st.fixed_dictionaries(
        {
            "fact_key": st.just(key),
            "amount": AMOUNTS,
            "per": st.sampled_from([1, 3, 7, 1000, 1_000_000]),
            "is_package": st.booleans(),
            "is_optional": st.just(True),
            "tier_mode": st.sampled_from(["", "graduated", "volume"]),
            "bounds": TIER_LISTS,
            "last": AMOUNTS,
            "part_of": part_of.get(key, st.just("")),
        }
    )


PRICE_ROWS = st.fixed_dictionaries(
    {
        "units": st.lists(st.sampled_from(KEYS), unique=True).flatmap(lambda keys: st.tuples(*map(unit_of, keys))),
        "flat_amount": st.one_of(st.just(Decimal(0)), AMOUNTS),
        "minimum": st.one_of(st.just(Decimal(0)), AMOUNTS),
    }
).filter(lambda price: price["units"] or price["flat_amount"])
QUANTITIES = st.one_of(st.integers(0, 10**7), st.integers(0, 50).map(str), st.decimals(min_value=0, max_value=1000, places=3))


def fraction_of(unit: dict, quantity: Fraction) -> Fraction:
    """What a quantity costs by a unit of a price."""
    steps = [(Fraction(bound), Fraction(amount)) for bound, amount in unit["bounds"]] + [(None, Fraction(unit["last"]))]
    if unit["tier_mode"] == "":
        parts = [(quantity, Fraction(unit["amount"]))]
    elif unit["tier_mode"] == "volume":
        parts = [next((quantity, amount) for bound, amount in steps if bound is None or quantity <= bound)]
    else:
        below = [Fraction(0), *(bound for bound, _ in steps[:-1])]
        parts = [
            ((quantity if bound is None else min(quantity, bound)) - start, amount)
            for start, (bound, amount) in zip(below, steps, strict=True)
            if quantity > start
        ]
    return sum((math.ceil(part / unit["per"]) if unit["is_package"] else part / unit["per"]) * amount for part, amount in parts)


@hypothesis_settings(max_examples=300, deadline=None)
@given(price=PRICE_ROWS, facts=st.fixed_dictionaries({}, optional=dict.fromkeys((*KEYS, "videoTokens"), QUANTITIES)))
def test_any_price_of_ones_own_comes_to_what_fractions_say_and_so_does_its_arithmetic(price, facts):
    keys = [unit["fact_key"] for unit in price["units"]]
    units = [
        unit
        | {"part_of": unit["part_of"] if unit["part_of"] in keys else ""}
        | {
            "tiers": json.dumps(
                [{"upTo": str(bound), "amount": f"{each:f}"} for bound, each in unit["bounds"]] + [{"amount": f"{unit['last']:f}"}]
            )
        }
        for unit in price["units"]
    ]
    row = price | {"id": 1, "valid_from": LONG_AGO, "currency": "EUR", "units": units}
    billed = {key: Fraction(facts.get(key, 0)) for key in keys}
    for unit in units:
        if unit["part_of"]:
            billed[unit["part_of"]] -= Fraction(facts.get(unit["fact_key"], 0))
    if min(billed.values(), default=0) < 0:
        with pytest.raises(price_facts.MissingQuantity):
            price_facts.by_own_price(row, parsed=facts, text=json.dumps(facts, default=str), model="m")
        return
    exact = Fraction(price["flat_amount"]) + sum(fraction_of(unit, billed[unit["fact_key"]]) for unit in units)
    result = price_facts.by_own_price(row, parsed=facts, text=json.dumps(facts, default=str), model="m")
    assert result.amount == rounded(max(exact, Fraction(price["minimum"])))
    computed, stated = result_of(json.loads(result.details)["arithmetic"])
    assert (rounded(computed), stated) == (result.amount, Fraction(result.amount))
    # A price of tokens says nothing of pages; of tokens that it leaves out the cost is an estimate, unless they are a part of what it has.
    parts = {"cachedTokens": "inputTokens"}
    left_out = [
        key for key, value in facts.items() if key not in keys and key != "pages" and Fraction(value) and parts.get(key) not in keys
    ]
    is_of_tokens = any(key != "pages" for key in keys)
    assert sorted(result.ignored) == (sorted(left_out) if is_of_tokens else [])
    assert (result.pricing == "priced") == (not result.ignored)
