"""A customer's JSON comes back key for key and digit for digit, whatever it is."""

import json
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

URL = "/v1/transactions"
TEXT = st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), max_size=20)
NUMBERS = st.one_of(
    st.integers(-(10**40), 10**40).map(str),
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12).map(lambda number: f"{number:f}"),
    st.tuples(st.integers(-99, 99), st.integers(-300, 300)).map(lambda pair: f"{pair[0]}.50e{pair[1]}"),
)


def members(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Objects and arrays as text, with odd spaces and keys that may repeat."""
    pair = st.tuples(TEXT, children).map(lambda member: f"{json.dumps(member[0], ensure_ascii=len(member[0]) % 2 == 0)} : {member[1]}")
    return st.one_of(
        st.lists(pair, max_size=4).map(lambda pairs: "{" + " ,".join(pairs) + "}"),
        st.lists(children, max_size=4).map(lambda items: "[" + ", ".join(items) + "]"),
    )


VALUES = st.recursive(st.one_of(NUMBERS, TEXT.map(json.dumps), st.sampled_from(["null", "true", "false"])), members, max_leaves=20)
OBJECTS = st.lists(st.tuples(TEXT.map(json.dumps), VALUES), max_size=5).map(
    lambda pairs: "{" + ",".join(f"{key}:{value}" for key, value in pairs) + "}"
)


def exactly(text: str) -> Any:
    return json.loads(text, parse_float=Decimal, object_pairs_hook=list)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(qualifiers=OBJECTS, metadata=OBJECTS, details=OBJECTS, facts=OBJECTS)
def test_documents_are_kept_as_their_text(caller, qualifiers, metadata, details, facts):
    cost = f'{{"fiatAmount": "1", "fiatAssetSymbol": "USD", "isEstimate": true, "costDetails": {details}}}'
    body = f'{{"serviceName": "s", "qualifiers": {qualifiers}, "metadata": {metadata}, "costs": [{cost}]}}'
    reply = caller.post(URL, body)
    assert reply.status_code == 201, reply.content
    read = caller.get(f"{URL}/{reply.json()['id']}")
    for content in (reply.content.decode(), read.content.decode()):
        assert f'"qualifiers":{qualifiers},' in content
        assert f'"metadata":{metadata},' in content
        assert f'"costDetails":{details},' in content
    path = f"{URL}/{reply.json()['id']}/facts"
    assert caller.post(path, f'{{"source": "s", "version": "1", "factPhase": "response", "facts": {facts}}}').status_code == 201
    shown = dict(exactly(caller.get(path).content.decode()))["facts"][0]
    assert dict(shown)["facts"] == exactly(facts)


def test_request_facts_and_payment_data_are_read_back_as_they_were_sent(caller, outsider):
    sent = '{"serviceName": "s", "requestFacts": {"source": "x", "version": "1", "request": {"n": 1.50}, "more": [1e2]}, "paymentData": %s}'
    payment = '{"protocol": "x402", "n": 0.10}'
    created = caller.post("/v1/transactions", sent % payment).json()
    assert not {"requestFacts", "paymentData"} & created.keys()
    raw = caller.get(f"/v1/transactions/{created['id']}").content.decode()
    assert '"requestFacts":{"source": "x", "version": "1", "request": {"n": 1.50}, "more": [1e2]}' in raw
    assert f'"paymentData":{payment}' in raw
    plain = caller.create()
    assert not {"requestFacts", "paymentData"} & caller.get(f"/v1/transactions/{plain['id']}").json().keys()
    assert outsider.get(f"/v1/transactions/{created['id']}").status_code == 404
