"""What is remembered of plain usages gives the very cost, details and notes that reading each of them in full gives."""

import json
import random
from typing import Any

import pytest
from msgspec.structs import replace

from metering.pricing import plain_usage_costs, price_facts
from tests.metering.test_usage_bodies import BODIES, changed, chat, numbers_in, priced

NAMES = [
    *("prompt_tokens", "completion_tokens", "total_tokens", "input_tokens", "output_tokens", "inputTokens", "outputTokens", "totalTokens"),
    *("prompt_tokens_details", "completion_tokens_details", "input_tokens_details", "output_tokens_details", "requests", "cached_tokens"),
    *("cache_read_input_tokens", "cache_creation_input_tokens", "search_units", "reasoning_tokens", "prompt_tokens_details.cached_tokens"),
]
PARTS = ["cached_tokens", "reasoning_tokens", "audio_tokens", "accepted_prediction_tokens", "text_tokens", "image_tokens"]
MODELS = [
    *(("openai", "gpt-4o"), ("openai", "gpt-4o-audio-preview"), ("openai", "gpt-4o-search-preview"), ("openai", "text-embedding-3-small")),
    *(("anthropic", "claude-sonnet-4-20250514"), ("google", "gemini-2.5-pro"), ("x-ai", "grok-3-mini"), ("perplexity", "sonar")),
    *(("ollama", "gpt-4o"), ("azure", "gpt-4o"), ("service 7", "gpt-4o"), ("mistral", "mistral-large-latest")),
]
BESIDE: list[dict[str, Any]] = [
    *({}, {}, {}, {"id": "chatcmpl-1", "object": "chat.completion", "created": 1_764_000_000, "choices": [{"message": {"content": "ok"}}]}),
    *({"service_tier": "default"}, {"service_tier": "flex"}, {"id": "batch_req_1"}, {"custom_id": "a"}, {"cache_hit": True}),
    *({"output": [{"type": "web_search_call", "status": "completed"}]}, {"response": {"usage": {"prompt_tokens": 9}}}, {"tokens": 7}),
    *(
        {"object": "batch"},
        {"prompt_eval_count": 3},
        {"usage.cost": 1},
        {"id": 7, "object": None},
        {"choices": ["\u2028 traffic_type"]},
        {"num_turns": 2},
    ),
]
QUANTITIES = [0, 1, 7, 7, 300, 1000, 250_000, 10**17, 10**18, 10**30, -1, True, None, "7", 1.5, [], {}]


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch):
    monkeypatch.setattr(plain_usage_costs, "_shapes", {})


def both_ways(monkeypatch: pytest.MonkeyPatch, service: str, body: dict[str, Any], resource: str, **policy: Any) -> Any:
    """The cost by what is remembered, which must be the one that is found by reading in full."""
    remembered = priced(service, body, resource, **policy)
    with monkeypatch.context() as full:
        full.setattr(price_facts, "plain_usage", lambda reported, *, facts: None)
        expected = priced(service, body, resource, **policy)
    assert replace(remembered, ignored=[*remembered.ignored]) == replace(expected, ignored=[*expected.ignored]), (service, json.dumps(body))
    return remembered


def test_bodies_of_providers_cost_the_same_with_other_quantities(monkeypatch):
    choose = random.Random(3)
    for _, service, body, resource, _ in BODIES:
        both_ways(monkeypatch, service, body, resource)
        for _ in range(3):
            another = body
            for path, value in list(numbers_in(body)):
                another = changed(another, path, choose.choice([0, value, value + 1, value * 2, choose.choice(QUANTITIES)]))
            both_ways(monkeypatch, service, another, resource)
    assert len(plain_usage_costs._shapes) > 10


def test_usages_of_any_names_cost_the_same(monkeypatch):
    choose = random.Random(5)

    def quantity() -> Any:
        return choose.choice(QUANTITIES) if choose.random() < 0.05 else choose.randrange(2_000)

    followed, calculate = [], price_facts.plain_usage_cost
    monkeypatch.setattr(price_facts, "plain_usage_cost", lambda usage, shape: followed.append(shape) or calculate(usage, shape))
    for _ in range(250):
        service, model = choose.choice(MODELS)
        names = choose.choice([*[NAMES[:3]] * 3, [*NAMES[:3], NAMES[8]], [*NAMES[3:5], NAMES[2]], [*NAMES[:3], *NAMES[8:10]], NAMES])
        chosen = choose.sample(names, choose.randrange(1, len(names) + 1)) if choose.random() < 0.3 or names is NAMES else names
        beside, policy = choose.choice(BESIDE) if choose.random() < 0.5 else {}, {"prices_self_hosted": choose.choice([None, True])}
        for _ in range(5):
            usage = {
                name: {part: quantity() for part in choose.sample(PARTS, 2)} if name.endswith("_details") else quantity() for name in chosen
            }
            whole = [value for name, value in usage.items() if name in NAMES[:8] and not name.startswith("total") and type(value) is int]
            if choose.random() < 0.8:
                usage |= {name: sum(whole) for name in usage if name.startswith("total")}
            both_ways(monkeypatch, service, {"model": model, "usage": usage} | beside, "r", **policy)
    assert len(plain_usage_costs._shapes) > 15
    assert len(followed) > 150


def test_a_thousand_of_one_kind_are_read_in_full_once(monkeypatch):
    read, reading = [], price_facts._complete_reading
    monkeypatch.setattr(price_facts, "_complete_reading", lambda *args, **its: read.append(1) or reading(*args, **its))
    for number in range(1_000):
        cost = priced("openai", chat(1_000 + number, 300, model="gpt-4o"), "")
        assert (cost.pricing, cost.read) == ("priced", ["usage.prompt_tokens", "usage.completion_tokens"])
    assert len(read) == 1
    # One that doesn't add up has no shape.
    assert priced("openai", chat(1_000, 300, model="gpt-4o", total_tokens=2_000), "").pricing == "partly_read"
