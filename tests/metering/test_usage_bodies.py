"""Bodies as providers and SDKs send them, with their costs worked out by hand from the unit prices."""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from genai_prices import data_snapshot

from metering import services
from metering.pricing import public_price_costs
from metering.pricing.price_facts import MissingQuantity, by_own_price, price_facts
from metering.usage_reading.counter_extraction import UsageReading
from metering.usage_reading.counter_parts import whole_counter_of
from tests.metering.arithmetic import result_of

# What the tokens of a call cost: how many at how many dollars a million.
Parts = list[tuple[int, str]]

NO_DETAILS: dict[str, Any] = {"prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0}}
OPENAI_ZEROS = {"reasoning_tokens": 0, "audio_tokens": 0, "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}


def chat(prompt: int, completion: int, *, model: str, **more: Any) -> dict[str, Any]:
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}
    return {"object": "chat.completion", "model": model, "usage": usage | more}


def anthropic(**usage: Any) -> dict[str, Any]:
    return {"type": "message", "model": "claude-sonnet-4-20250514", "usage": usage | {"service_tier": "standard"}}


def gemini(model: str = "gemini-2.5-flash", **usage: Any) -> dict[str, Any]:
    return {"candidates": [], "usageMetadata": usage, "modelVersion": model}


def responses(model: str, *output: dict[str, Any], **more: Any) -> dict[str, Any]:
    usage = {"input_tokens": 1000, "output_tokens": 200, "total_tokens": 1200, "input_tokens_details": {"cached_tokens": 0}}
    return {"object": "response", "model": model, "output": list(output), "usage": usage} | more


def web_search(number: int, *, action: str = "search") -> dict[str, Any]:
    return {"id": f"ws_{number}", "type": "web_search_call", "status": "completed", "action": {"type": action, "query": "weather"}}


def grounded(model: str, **metadata: Any) -> dict[str, Any]:
    usage = {"promptTokenCount": 100, "candidatesTokenCount": 50, "totalTokenCount": 150}
    return gemini(model, **usage) | {"candidates": [{"groundingMetadata": metadata}]}


def perplexity_agent(**more: Any) -> dict[str, Any]:
    usage = {"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100} | more
    return {"object": "response", "model": "openai/gpt-5.2", "output": [], "usage": usage}


CITING = {"type": "message", "content": [{"type": "output_text", "text": "x", "annotations": [{"type": "url_citation", "url": "u"}]}]}
CACHED = {"cached_tokens": 1024, "audio_tokens": 0}
SONNET_3_5 = "anthropic.claude-3-5-sonnet-20241022-v2:0"
BODIES: list[tuple[str, str, dict[str, Any], str, Parts]] = [
    ("openai chat", "openai", chat(1200, 300, model="gpt-4o-2024-08-06"), "", [(1200, "2.5"), (300, "10")]),
    ("openai chat, no caches", "openai", chat(1200, 300, model="gpt-4o", **NO_DETAILS), "", [(1200, "2.5"), (300, "10")]),
    (
        "openai chat, cached",
        "openai",
        chat(1200, 300, model="gpt-4o", prompt_tokens_details=CACHED, completion_tokens_details=OPENAI_ZEROS),
        "",
        [(176, "2.5"), (1024, "1.25"), (300, "10")],
    ),
    (
        "openai chat, reasoning is part of the completion",
        "openai",
        chat(75, 1186, model="o3", completion_tokens_details=OPENAI_ZEROS | {"reasoning_tokens": 1024}),
        "",
        [(75, "2"), (1186, "8")],
    ),
    (
        "openai responses",
        "openai",
        {
            "object": "response",
            "model": "o3-2025-04-16",
            "usage": {
                "input_tokens": 1000,
                "input_tokens_details": {"cached_tokens": 200},
                "output_tokens": 500,
                "output_tokens_details": {"reasoning_tokens": 400},
                "total_tokens": 1500,
            },
        },
        "",
        [(800, "2"), (200, "0.5"), (500, "8")],
    ),
    (
        "openai responses under response",
        "openai",
        {"response": {"model": "o3", "usage": {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}}},
        "",
        [(10, "2"), (5, "8")],
    ),
    (
        "openai embeddings",
        "openai",
        {"object": "list", "model": "text-embedding-3-small", "usage": {"prompt_tokens": 1000, "total_tokens": 1000}},
        "",
        [(1000, "0.02")],
    ),
    (
        "openai transcription",
        "openai",
        {
            "usage": {
                "type": "tokens",
                "input_tokens": 14,
                "input_token_details": {"text_tokens": 4, "audio_tokens": 10},
                "output_tokens": 45,
                "total_tokens": 59,
            }
        },
        "gpt-4o-transcribe",
        [(4, "2.5"), (10, "6"), (45, "10")],
    ),
    (
        "openai images",
        "openai",
        {
            "usage": {
                "total_tokens": 100,
                "input_tokens": 50,
                "output_tokens": 50,
                "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
            }
        },
        "gpt-image-1",
        [(10, "5"), (40, "10"), (50, "40")],
    ),
    ("openai by its address", "api.openai.com", chat(100, 50, model="gpt-4o"), "", [(100, "2.5"), (50, "10")]),
    ("openai, standard tier", "openai", chat(100, 50, model="gpt-4o") | {"service_tier": "default"}, "", [(100, "2.5"), (50, "10")]),
    (
        "openai, numbers as texts",
        "openai",
        {
            "model": "gpt-4o",
            "usage": {"prompt_tokens": "1200", "completion_tokens": "300", "prompt_tokens_details": {"cached_tokens": "200"}},
        },
        "",
        [(1000, "2.5"), (200, "1.25"), (300, "10")],
    ),
    (
        "perplexity's agent passes on at the maker's price",
        "perplexity",
        perplexity_agent(),
        "",
        [(1000, "1.75"), (100, "14")],
    ),
    (
        "perplexity's agent counts the searches of its own model",
        "perplexity",
        perplexity_agent(tool_calls_details={"search_web": {"invocation": 2}}, input_tokens_details={"cache_read_input_tokens": 200})
        | {"model": "perplexity/sonar", "output": [{"type": "search_results", "results": []}]},
        "",
        [(800, "0.25"), (200, "0.0625"), (100, "2.5"), (2, "2500")],
    ),
    ("openai, usage alone", "openai", {"prompt_tokens": 100, "completion_tokens": 50}, "gpt-4o", [(100, "2.5"), (50, "10")]),
    ("anthropic", "anthropic", anthropic(input_tokens=2095, output_tokens=503), "", [(2095, "3"), (503, "15")]),
    (
        "anthropic, cache counters are no part of the input",
        "anthropic",
        anthropic(input_tokens=10, cache_creation_input_tokens=2000, cache_read_input_tokens=10000, output_tokens=100),
        "",
        [(10, "3"), (2000, "3.75"), (10000, "0.3"), (100, "15")],
    ),
    (
        "anthropic, five minutes and an hour",
        "anthropic",
        anthropic(
            input_tokens=10,
            cache_creation_input_tokens=2000,
            cache_read_input_tokens=10000,
            cache_creation={"ephemeral_5m_input_tokens": 1500, "ephemeral_1h_input_tokens": 500},
            output_tokens=100,
        ),
        "",
        [(10, "3"), (1500, "3.75"), (500, "6"), (10000, "0.3"), (100, "15")],
    ),
    (
        "anthropic through a proxy of another name",
        "my-proxy",
        anthropic(input_tokens=10, cache_creation_input_tokens=0, cache_read_input_tokens=10000, output_tokens=100),
        "",
        [(10, "3"), (10000, "0.3"), (100, "15")],
    ),
    (
        "anthropic, start of a stream",
        "anthropic",
        {"type": "message_start", "message": anthropic(input_tokens=25, output_tokens=1)},
        "",
        [(25, "3"), (1, "15")],
    ),
    (
        "gemini",
        "google",
        gemini(promptTokenCount=1000, candidatesTokenCount=200, totalTokenCount=1200),
        "",
        [(1000, "0.3"), (200, "2.5")],
    ),
    (
        "gemini, thoughts and cache",
        "google",
        gemini(
            promptTokenCount=1000,
            candidatesTokenCount=200,
            thoughtsTokenCount=300,
            cachedContentTokenCount=400,
            totalTokenCount=1500,
            promptTokensDetails=[{"modality": "TEXT", "tokenCount": 1000}],
        ),
        "",
        [(600, "0.3"), (400, "0.03"), (500, "2.5")],
    ),
    (
        "gemini, audio in",
        "google",
        gemini(
            promptTokenCount=300,
            candidatesTokenCount=20,
            promptTokensDetails=[{"modality": "TEXT", "tokenCount": 100}, {"modality": "AUDIO", "tokenCount": 200}],
        ),
        "",
        [(100, "0.3"), (200, "1"), (20, "2.5")],
    ),
    (
        "gemini's Python SDK",
        "google",
        {"usage_metadata": {"prompt_token_count": 1000, "candidates_token_count": 200, "total_token_count": 1200}},
        "models/gemini-2.5-pro",
        [(1000, "1.25"), (200, "10")],
    ),
    (
        "gemini's Python SDK, thoughts",
        "google",
        {"usage_metadata": {"prompt_token_count": 1000, "candidates_token_count": 200, "thoughts_token_count": 50}},
        "gemini-2.5-pro",
        [(1000, "1.25"), (250, "10")],
    ),
    (
        "bedrock converse",
        "aws",
        {"usage": {"inputTokens": 100, "outputTokens": 50, "totalTokens": 150}},
        SONNET_3_5,
        [(100, "3"), (50, "15")],
    ),
    (
        "bedrock converse, cache counters are no part of the input",
        "aws",
        {"usage": {"inputTokens": 100, "outputTokens": 50, "cacheReadInputTokens": 1000, "cacheWriteInputTokens": 0}},
        SONNET_3_5,
        [(100, "3"), (1000, "0.3"), (50, "15")],
    ),
    ("mistral", "mistral", chat(100, 50, model="mistral-large-latest"), "", [(100, "2"), (50, "6")]),
    (
        "cohere bills its own units",
        "cohere",
        {"usage": {"billed_units": {"input_tokens": 100, "output_tokens": 50}, "tokens": {"input_tokens": 300, "output_tokens": 50}}},
        "command-r-plus",
        [(100, "2.5"), (50, "10")],
    ),
    (
        "deepseek says the cached tokens twice",
        "deepseek",
        chat(
            1000,
            50,
            model="deepseek-chat",
            prompt_tokens_details={"cached_tokens": 600},
            prompt_cache_hit_tokens=600,
            prompt_cache_miss_tokens=400,
        ),
        "",
        [(400, "0.135"), (600, "0.035"), (50, "0.55")],
    ),
    (
        "xai adds reasoning to the completion",
        "xai",
        chat(
            100,
            50,
            model="grok-3",
            prompt_tokens_details={"text_tokens": 100, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 0},
            completion_tokens_details={"reasoning_tokens": 30, "audio_tokens": 0},
            num_sources_used=0,
            total_tokens=180,
        ),
        "",
        [(100, "3"), (80, "15")],
    ),
    (
        "groq with its times",
        "groq",
        chat(100, 50, model="llama-3.3-70b-versatile", queue_time=0.05, prompt_time=0.01, completion_time=0.2, total_time=0.21),
        "",
        [(100, "0.59"), (50, "0.79")],
    ),
    (
        "together",
        "together",
        chat(100, 50, model="meta-llama/Llama-3.3-70B-Instruct-Turbo"),
        "",
        [(100, "0.88"), (50, "0.88")],
    ),
    (
        "openrouter with its own cost beside",
        "openrouter",
        chat(
            100,
            50,
            model="anthropic/claude-3.5-sonnet",
            cost=0.00105,
            prompt_tokens_details={"cached_tokens": 0, "audio_tokens": 0, "video_tokens": 0},
            cost_details={"upstream_inference_cost": None},
            completion_tokens_details={"reasoning_tokens": 0, "image_tokens": 0},
        ),
        "",
        [(100, "3"), (50, "15")],
    ),
    (
        "litellm counts Anthropic's caches in the prompt",
        "litellm",
        chat(
            12010,
            100,
            model="claude-sonnet-4-20250514",
            prompt_tokens_details={"cached_tokens": 10000, "cache_creation_tokens": 2000},
            cache_creation_input_tokens=2000,
            cache_read_input_tokens=10000,
        ),
        "",
        [(10, "3"), (2000, "3.75"), (10000, "0.3"), (100, "15")],
    ),
    ("litellm, prefixed model", "litellm", chat(100, 50, model="openai/gpt-4o"), "", [(100, "2.5"), (50, "10")]),
    (
        "vercel ai sdk 5",
        "app",
        {"usage": {"inputTokens": 1000, "outputTokens": 100, "totalTokens": 1100, "reasoningTokens": 20, "cachedInputTokens": 400}},
        "gpt-4o",
        [(600, "2.5"), (400, "1.25"), (100, "10")],
    ),
    (
        "vercel ai sdk 6",
        "app",
        {
            "usage": {
                "inputTokens": 1000,
                "inputTokenDetails": {"noCacheTokens": 600, "cacheReadTokens": 400, "cacheWriteTokens": 0},
                "outputTokens": 100,
                "outputTokenDetails": {"textTokens": 80, "reasoningTokens": 20},
                "totalTokens": 1100,
                "reasoningTokens": 20,
                "cachedInputTokens": 400,
            }
        },
        "openai/gpt-4o",
        [(600, "2.5"), (400, "1.25"), (100, "10")],
    ),
    ("vercel ai sdk 4", "app", {"usage": {"promptTokens": 10, "completionTokens": 5}}, "gpt-4o", [(10, "2.5"), (5, "10")]),
    (
        "langchain usage metadata",
        "app",
        {
            "usage_metadata": {
                "input_tokens": 1000,
                "output_tokens": 100,
                "total_tokens": 1100,
                "input_token_details": {"cache_read": 400, "audio": 0},
                "output_token_details": {"reasoning": 20},
            },
            "response_metadata": {"model_name": "gpt-4o"},
        },
        "",
        [(600, "2.5"), (400, "1.25"), (100, "10")],
    ),
    (
        "langchain token usage",
        "app",
        {
            "response_metadata": {
                "model_name": "gpt-4o",
                "token_usage": {"prompt_tokens": 1000, "completion_tokens": 100, "prompt_tokens_details": {"cached_tokens": 400}},
            }
        },
        "",
        [(600, "2.5"), (400, "1.25"), (100, "10")],
    ),
    (
        "opentelemetry, numbers as texts",
        "app",
        {"gen_ai.response.model": "gpt-4o", "gen_ai.usage.input_tokens": "1000", "gen_ai.usage.output_tokens": "100"},
        "",
        [(1000, "2.5"), (100, "10")],
    ),
    (
        "opentelemetry, a cache by the name that Anthropic has for one beside the input",
        "app",
        {
            "gen_ai.response.model": "gpt-4o",
            "gen_ai.usage.input_tokens": 1000,
            "gen_ai.usage.cache_read_input_tokens": 400,
            "gen_ai.usage.output_tokens": 100,
        },
        "",
        [(600, "2.5"), (400, "1.25"), (100, "10")],
    ),
    (
        "opentelemetry with a cache",
        "app",
        {
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.usage.input_tokens": 1000,
            "gen_ai.usage.cache_read.input_tokens": 400,
            "gen_ai.usage.output_tokens": 100,
        },
        "",
        [(600, "2.5"), (400, "1.25"), (100, "10")],
    ),
    ("plain counters", "app", {"inputTokens": 1000, "outputTokens": 100}, "gpt-4o", [(1000, "2.5"), (100, "10")]),
    (
        "plain counters with a cache",
        "app",
        {"actualInputTokens": 1000, "actualOutputTokens": 100, "cacheReadTokens": 400, "estimatedInputTokens": 7},
        "gpt-4o",
        [(600, "2.5"), (400, "1.25"), (100, "10")],
    ),
    ("body of an HTTP reply", "api.openai.com", {"body": chat(10, 5, model="gpt-4o")}, "/v1/chat", [(10, "2.5"), (5, "10")]),
    (
        "openai realtime counts text, audio and cached text",
        "openai",
        {
            "type": "response.done",
            "response": {
                "usage": {
                    "total_tokens": 253,
                    "input_tokens": 132,
                    "output_tokens": 121,
                    "input_token_details": {
                        "text_tokens": 119,
                        "audio_tokens": 13,
                        "image_tokens": 0,
                        "cached_tokens": 64,
                        "cached_tokens_details": {"text_tokens": 64, "audio_tokens": 0, "image_tokens": 0},
                    },
                    "output_token_details": {"text_tokens": 30, "audio_tokens": 91},
                }
            },
        },
        "gpt-4o-realtime-preview",
        [(55, "5"), (64, "2.5"), (13, "40"), (30, "20"), (91, "80")],
    ),
    ("openai transcription by the second", "openai", {"usage": {"type": "duration", "seconds": 30}}, "whisper-1", [(30, "100")]),
    ("azure", "azure", chat(100, 50, model="gpt-4o"), "", [(100, "2.5"), (50, "10")]),
    (
        "anthropic, a web search",
        "anthropic",
        {
            "type": "message",
            "model": "claude-sonnet-4-5-20250929",
            "usage": {
                "input_tokens": 105,
                "output_tokens": 6039,
                "cache_read_input_tokens": 7123,
                "cache_creation_input_tokens": 7345,
                "server_tool_use": {"web_search_requests": 1},
            },
        },
        "",
        [(105, "3"), (7345, "3.75"), (7123, "0.3"), (6039, "15"), (1, "10000")],
    ),
    (
        "anthropic, end of a stream",
        "anthropic",
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"input_tokens": 20, "output_tokens": 15}},
        "claude-opus-4-1",
        [(20, "15"), (15, "75")],
    ),
    (
        "gemini, a long context has another price",
        "google",
        gemini("gemini-2.5-pro", promptTokenCount=250_000, candidatesTokenCount=1000, totalTokenCount=251_000),
        "",
        [(250_000, "2.5"), (1000, "15")],
    ),
    (
        "gemini, images out",
        "google",
        gemini(
            "gemini-2.5-flash-image",
            promptTokenCount=100,
            candidatesTokenCount=1290,
            totalTokenCount=1390,
            candidatesTokensDetails=[{"modality": "IMAGE", "tokenCount": 1290}],
        ),
        "",
        [(100, "0.3"), (1290, "30")],
    ),
    (
        "gemini, tokens of tools are input",
        "google",
        gemini(promptTokenCount=100, candidatesTokenCount=10, toolUsePromptTokenCount=50, totalTokenCount=160),
        "",
        [(150, "0.3"), (10, "2.5")],
    ),
    (
        "gemini under response",
        "google",
        {"response": gemini("gemini-2.0-flash", promptTokenCount=100, candidatesTokenCount=10, totalTokenCount=110)},
        "",
        [(100, "0.1"), (10, "0.4")],
    ),
    (
        "bedrock with its latency",
        "aws",
        {"output": {}, "usage": {"inputTokens": 100, "outputTokens": 50, "totalTokens": 150}, "metrics": {"latencyMs": 1200}},
        "amazon.nova-pro-v1:0",
        [(100, "0.8"), (50, "3.2")],
    ),
    (
        "bedrock, a model of a region",
        "aws",
        {"usage": {"inputTokens": 100, "outputTokens": 50, "totalTokens": 150}},
        "us.anthropic.claude-3-5-haiku-20241022-v1:0",
        [(100, "0.8"), (50, "4")],
    ),
    (
        "mistral embeddings",
        "mistral",
        {"object": "list", "model": "mistral-embed", "usage": {"prompt_tokens": 100, "total_tokens": 100, "completion_tokens": 0}},
        "",
        [(100, "0.1")],
    ),
    (
        "cohere's older API has its units under meta",
        "cohere",
        {"meta": {"billed_units": {"input_tokens": 100, "output_tokens": 50}, "tokens": {"input_tokens": 300, "output_tokens": 50}}},
        "command-r",
        [(100, "0.15"), (50, "0.6")],
    ),
    (
        "deepseek, reasoning is part of the completion",
        "deepseek",
        chat(
            1000,
            200,
            model="deepseek-reasoner",
            prompt_cache_hit_tokens=0,
            prompt_cache_miss_tokens=1000,
            completion_tokens_details={"reasoning_tokens": 150},
        ),
        "",
        [(1000, "0.135"), (200, "0.55")],
    ),
    (
        "xai with a cache",
        "xai",
        chat(
            100,
            50,
            model="grok-4-0709",
            prompt_tokens_details={"text_tokens": 100, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 60},
            completion_tokens_details={"reasoning_tokens": 30, "audio_tokens": 0},
            total_tokens=180,
        ),
        "",
        [(40, "3"), (60, "0.75"), (80, "15")],
    ),
    (
        "xai through a proxy that counts reasoning within the completion, as its total says",
        "openrouter",
        chat(100, 80, model="x-ai/grok-4", completion_tokens_details={"reasoning_tokens": 30}),
        "",
        [(100, "3"), (80, "15")],
    ),
    (
        "groq with a cache",
        "groq",
        chat(100, 50, model="openai/gpt-oss-120b", prompt_tokens_details={"cached_tokens": 40}),
        "",
        [(60, "0.15"), (40, "0.075"), (50, "0.6")],
    ),
    (
        "groq's stream says the usage twice",
        "groq",
        chat(10, 5, model="llama-3.1-8b-instant")
        | {"x_groq": {"id": "req_1", "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}}},
        "",
        [(10, "0.05"), (5, "0.08")],
    ),
    (
        "fireworks by the model's whole path",
        "fireworks",
        chat(100, 50, model="accounts/fireworks/models/deepseek-v3p2", prompt_tokens_details={"cached_tokens": 40}),
        "",
        [(60, "0.56"), (40, "0.28"), (50, "1.68")],
    ),
    (
        "perplexity, the largest search",
        "perplexity",
        chat(100, 50, model="sonar-pro", search_context_size="high"),
        "",
        [(100, "3"), (50, "15"), (1, "14000")],
    ),
    (
        "perplexity's deep research counts reasoning, citations and searches beside the completion",
        "perplexity",
        chat(100, 50, model="sonar-deep-research", citation_tokens=1000, num_search_queries=10, reasoning_tokens=2000),
        "",
        [(100, "2"), (50, "8"), (2000, "3"), (1000, "2"), (10, "5000")],
    ),
    (
        "opentelemetry of anthropic, as texts",
        "app",
        {
            "gen_ai.system": "anthropic",
            "gen_ai.request.model": "claude-sonnet-4-20250514",
            "gen_ai.usage.input_tokens": "1000",
            "gen_ai.usage.output_tokens": "10",
            "gen_ai.usage.cache_read.input_tokens": "400",
            "gen_ai.usage.cache_creation.input_tokens": "100",
        },
        "",
        [(500, "3"), (400, "0.3"), (100, "3.75"), (10, "15")],
    ),
    (
        "opentelemetry, a span's attributes",
        "app",
        {
            "name": "chat",
            "attributes": {"gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5},
        },
        "",
        [(10, "2.5"), (5, "10")],
    ),
    (
        "openai responses, the last event of a stream",
        "openai",
        {
            "type": "response.completed",
            "response": {
                "model": "gpt-4.1",
                "service_tier": "default",
                "usage": {"input_tokens": 1000, "input_tokens_details": {"cached_tokens": 400}, "output_tokens": 100, "total_tokens": 1100},
            },
        },
        "",
        [(600, "2"), (400, "0.5"), (100, "8")],
    ),
    (
        "gemini's Python SDK under response, with the model there",
        "google",
        {
            "response": {
                "usage_metadata": {"prompt_token_count": 100, "candidates_token_count": 50, "thoughts_token_count": 10},
                "model_version": "gemini-2.5-pro",
            }
        },
        "",
        [(100, "1.25"), (60, "10")],
    ),
    (
        "bedrock converse, the last event of a stream",
        "aws",
        {"metadata": {"usage": {"inputTokens": 100, "outputTokens": 50, "totalTokens": 150}, "metrics": {"latencyMs": 3}}},
        "anthropic.claude-sonnet-4-20250514-v1:0",
        [(100, "3"), (50, "15")],
    ),
    (
        "bedrock's metrics of an invocation",
        "aws",
        {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 100, "outputTokenCount": 50, "invocationLatency": 10}},
        "anthropic.claude-3-haiku-20240307-v1:0",
        [(100, "0.25"), (50, "1.25")],
    ),
    (
        "cohere, the end of a stream",
        "cohere",
        {"type": "message-end", "delta": {"usage": {"billed_units": {"input_tokens": 100, "output_tokens": 50}}}},
        "command-r-plus",
        [(100, "2.5"), (50, "10")],
    ),
    (
        "vercel ai sdk, all steps of a call beside the last one",
        "app",
        {
            "usage": {"inputTokens": 100, "outputTokens": 10, "totalTokens": 110},
            "totalUsage": {"inputTokens": 1000, "outputTokens": 100, "totalTokens": 1100},
            "response": {"modelId": "gpt-4o"},
        },
        "",
        [(1000, "2.5"), (100, "10")],
    ),
    (
        "langchain of anthropic, which says the usage twice",
        "app",
        {
            "usage_metadata": {
                "input_tokens": 12010,
                "output_tokens": 100,
                "input_token_details": {"cache_read": 10000, "cache_creation": 2000, "ephemeral_5m_input_tokens": 2000},
            },
            "response_metadata": {
                "model": "claude-sonnet-4-20250514",
                "usage": {
                    "input_tokens": 10,
                    "cache_creation_input_tokens": 2000,
                    "cache_read_input_tokens": 10000,
                    "output_tokens": 100,
                },
            },
        },
        "",
        [(10, "3"), (2000, "3.75"), (10000, "0.3"), (100, "15")],
    ),
    (
        "langchain's chain result",
        "app",
        {"llm_output": {"token_usage": {"prompt_tokens": 100, "completion_tokens": 50}, "model_name": "gpt-4o"}},
        "",
        [(100, "2.5"), (50, "10")],
    ),
    (
        "langchain in JavaScript",
        "app",
        {"llmOutput": {"tokenUsage": {"promptTokens": 100, "completionTokens": 50, "totalTokens": 150}}},
        "gpt-4o",
        [(100, "2.5"), (50, "10")],
    ),
    (
        "litellm's log object says the usage twice",
        "litellm",
        {
            "model": "gpt-4o",
            "usage_object": {"prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150},
            "prompt_tokens": 100,
            "completion_tokens": 50,
            "total_tokens": 150,
            "cache_hit": False,
        },
        "",
        [(100, "2.5"), (50, "10")],
    ),
    (
        "opentelemetry as objects",
        "app",
        {"gen_ai": {"request": {"model": "gpt-4o"}, "usage": {"input_tokens": "10", "output_tokens": 5}}},
        "",
        [(10, "2.5"), (5, "10")],
    ),
    (
        "anthropic, fetches from the web are free",
        "anthropic",
        anthropic(input_tokens=10, output_tokens=10, server_tool_use={"web_search_requests": 0, "web_fetch_requests": 3}),
        "",
        [(10, "3"), (10, "15")],
    ),
    (
        "anthropic, a long context that is read from the cache",
        "anthropic",
        {"model": "claude-sonnet-4-5", "usage": {"input_tokens": 100, "cache_read_input_tokens": 250_000, "output_tokens": 1000}},
        "",
        [(100, "6"), (250_000, "0.6"), (1000, "22.5")],
    ),
    (
        "litellm's log line",
        "litellm",
        {"model": "gpt-4o", "response_cost": 0.00075, "prompt_tokens": 100, "completion_tokens": 50, "total_tokens": 150},
        "",
        [(100, "2.5"), (50, "10")],
    ),
    (
        "anthropic, the parts of what was written to the cache without their sum",
        "anthropic",
        anthropic(input_tokens=10, cache_creation={"ephemeral_5m_input_tokens": 1500, "ephemeral_1h_input_tokens": 500}, output_tokens=100),
        "",
        [(10, "3"), (1500, "3.75"), (500, "6"), (100, "15")],
    ),
    (
        "bedrock converse, the parts of what was written to the cache without their sum",
        "bedrock",
        {"usage": {"inputTokens": 10, "outputTokens": 20, "cacheDetails": [{"ttl": "5m", "inputTokens": 100}]}},
        "anthropic.claude-sonnet-4-20250514-v1:0",
        [(10, "3"), (100, "3.75"), (20, "15")],
    ),
    (
        "langchain of anthropic, where the sum is 0 beside its parts",
        "app",
        {
            "usage_metadata": {
                "input_tokens": 2110,
                "output_tokens": 100,
                "total_tokens": 2210,
                "input_token_details": {
                    "cache_read": 100,
                    "cache_creation": 0,
                    "ephemeral_5m_input_tokens": 1500,
                    "ephemeral_1h_input_tokens": 500,
                },
            },
            "response_metadata": {"model_name": "claude-sonnet-4-20250514"},
        },
        "",
        [(10, "3"), (100, "0.3"), (1500, "3.75"), (500, "6"), (100, "15")],
    ),
    (
        "openai responses, two web searches and a page that was opened",
        "openai",
        responses("gpt-5", web_search(1), web_search(2), web_search(3, action="open_page"), CITING),
        "",
        [(1000, "1.25"), (200, "10"), (2, "10000")],
    ),
    (
        "openai responses, searches counted beside the usage",
        "openai",
        responses("gpt-5", web_search(1), tool_usage={"web_search": {"num_requests": 3}, "image_gen": {"input_tokens": 0}}),
        "",
        [(1000, "1.25"), (200, "10"), (3, "10000")],
    ),
    (
        "openai responses, a search of files",
        "openai",
        responses("gpt-4.1", {"id": "fs_1", "type": "file_search_call", "queries": ["x"]}, {"type": "function_call", "arguments": "{}"}),
        "",
        [(1000, "2"), (200, "8"), (1, "2500")],
    ),
    (
        "gemini 2 bills a grounded prompt once",
        "google",
        grounded("gemini-2.5-flash", webSearchQueries=["a", "b"], groundingChunks=[{"web": {"uri": "u"}}]),
        "",
        [(100, "0.3"), (50, "2.5"), (1, "35000")],
    ),
    (
        "gemini 3 bills each query",
        "google",
        grounded("gemini-3-pro-preview", webSearchQueries=["a", "b"]),
        "",
        [(100, "2"), (50, "12"), (2, "14000")],
    ),
    (
        "vercel ai sdk, a search that the provider ran, shown twice",
        "app",
        {
            "usage": {"inputTokens": 100, "outputTokens": 50, "totalTokens": 150},
            "content": [{"type": "tool-call", "toolCallId": "a", "toolName": "web_search", "providerExecuted": True}],
            "toolCalls": [{"type": "tool-call", "toolCallId": "a", "toolName": "web_search", "providerExecuted": True}],
            "response": {"modelId": "gpt-5-mini"},
        },
        "",
        [(100, "0.25"), (50, "2"), (1, "10000")],
    ),
    (
        "langchain, a search among the outputs of tools",
        "app",
        {
            "usage_metadata": {"input_tokens": 100, "output_tokens": 50, "total_tokens": 150},
            "additional_kwargs": {"tool_outputs": [web_search(1)]},
            "response_metadata": {"model_name": "gpt-4o"},
        },
        "",
        [(100, "2.5"), (50, "10"), (1, "10000")],
    ),
    (
        "anthropic, a search of its content that its usage counts",
        "anthropic",
        anthropic(input_tokens=10, output_tokens=10, server_tool_use={"web_search_requests": 1})
        | {"model": "claude-sonnet-4-5", "content": [{"type": "server_tool_use", "id": "s", "name": "web_search"}]},
        "",
        [(10, "3"), (10, "15"), (1, "10000")],
    ),
    (
        "litellm of anthropic, a web search",
        "litellm",
        chat(100, 50, model="anthropic/claude-sonnet-4-5", server_tool_use={"web_search_requests": 1}),
        "",
        [(100, "3"), (50, "15"), (1, "10000")],
    ),
    (
        "litellm, fireworks by its prefix",
        "litellm",
        chat(100, 50, model="fireworks_ai/accounts/fireworks/models/deepseek-v3p2"),
        "",
        [(100, "0.56"), (50, "1.68")],
    ),
    (
        "vercel ai sdk 5 of anthropic, whose caches stand in the provider's own usage",
        "app",
        {
            "usage": {"inputTokens": 10, "outputTokens": 12, "totalTokens": 22, "cachedInputTokens": 500},
            "providerMetadata": {
                "anthropic": {
                    "usage": {"input_tokens": 10, "cache_creation_input_tokens": 2000, "cache_read_input_tokens": 500, "output_tokens": 12},
                    "cacheCreationInputTokens": 2000,
                }
            },
            "response": {"modelId": "claude-haiku-4-5"},
        },
        "",
        [(10, "1"), (500, "0.1"), (2000, "1.25"), (12, "5")],
    ),
    (
        "vercel ai sdk 5 of gemini, whose thoughts the total alone has in it",
        "app",
        {
            "usage": {"inputTokens": 100, "outputTokens": 50, "reasoningTokens": 30, "totalTokens": 180},
            "response": {"modelId": "gemini-2.5-flash"},
        },
        "",
        [(100, "0.3"), (80, "2.5")],
    ),
    (
        "vercel ai sdk 6 of anthropic",
        "app",
        {
            "usage": {
                "inputTokens": 2510,
                "inputTokenDetails": {"noCacheTokens": 10, "cacheReadTokens": 500, "cacheWriteTokens": 2000},
                "outputTokens": 12,
                "totalTokens": 2522,
                "raw": {"input_tokens": 10, "cache_creation_input_tokens": 2000, "cache_read_input_tokens": 500, "output_tokens": 12},
            },
            "response": {"modelId": "claude-haiku-4-5"},
        },
        "",
        [(10, "1"), (500, "0.1"), (2000, "1.25"), (12, "5")],
    ),
    (
        "gemini's live API",
        "google",
        {
            "usageMetadata": {
                "promptTokenCount": 300,
                "responseTokenCount": 40,
                "totalTokenCount": 340,
                "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 100}, {"modality": "AUDIO", "tokenCount": 200}],
                "responseTokensDetails": [{"modality": "TEXT", "tokenCount": 40}],
            }
        },
        "gemini-2.5-flash",
        [(100, "0.3"), (200, "1"), (40, "2.5")],
    ),
    (
        "gemini's interactions",
        "google",
        {
            "object": "interaction",
            "model": "gemini-2.5-flash",
            "usage": {
                "total_input_tokens": 7,
                "total_output_tokens": 20,
                "total_thought_tokens": 22,
                "total_cached_tokens": 0,
                "total_tool_use_tokens": 0,
                "total_tokens": 49,
                "input_tokens_by_modality": [{"modality": "text", "tokens": 7}],
            },
        },
        "",
        [(7, "0.3"), (42, "2.5")],
    ),
    (
        "gemini embeddings",
        "google",
        {"usageMetadata": {"promptTokenCount": 12, "promptTokenDetails": [{"modality": "TEXT", "tokenCount": 12}]}},
        "gemini-embedding-001",
        [(12, "0.15")],
    ),
    (
        "gemini embeddings of text and images",
        "google",
        {
            "usageMetadata": {
                "promptTokenCount": 300,
                "promptTokenDetails": [{"modality": "TEXT", "tokenCount": 42}, {"modality": "IMAGE", "tokenCount": 258}],
            }
        },
        "gemini-embedding-2",
        [(42, "0.2"), (258, "0.45")],
    ),
    (
        "bedrock invokes llama",
        "bedrock",
        {"generation": "x", "prompt_token_count": 25, "generation_token_count": 262},
        "meta.llama3-1-70b-instruct-v1:0",
        [(25, "0.72"), (262, "0.72")],
    ),
    ("bedrock invokes titan", "bedrock", {"embedding": [], "inputTextTokenCount": 8}, "amazon.titan-embed-text-v2:0", [(8, "0.02")]),
    (
        "groq, the last chunk of a stream",
        "groq",
        {
            "model": "llama-3.1-8b-instant",
            "choices": [],
            "x_groq": {"usage": {"prompt_tokens": 10, "completion_tokens": 5, "queue_time": 1}},
        },
        "",
        [(10, "0.05"), (5, "0.08")],
    ),
    (
        "langchain of bedrock",
        "app",
        {
            "response_metadata": {
                "usage": {"prompt_tokens": 30, "completion_tokens": 6},
                "model_id": "anthropic.claude-3-haiku-20240307-v1:0",
            }
        },
        "",
        [(30, "0.25"), (6, "1.25")],
    ),
    (
        "llamaindex, the raw reply",
        "app",
        {"raw": chat(30, 6, model="gpt-4o"), "additional_kwargs": {"prompt_tokens": 30, "completion_tokens": 6, "total_tokens": 36}},
        "",
        [(30, "2.5"), (6, "10")],
    ),
    (
        "llamaindex, its own form",
        "app",
        {"additional_kwargs": {"prompt_tokens": 30, "completion_tokens": 6}},
        "gpt-4o",
        [(30, "2.5"), (6, "10")],
    ),
    (
        "mistral's ocr with annotations",
        "mistral",
        {"pages": [{}], "model": "mistral-ocr-2512", "document_annotation": '{"a":1}', "usage_info": {"pages_processed": 29}},
        "",
        [(29, "3000")],
    ),
    (
        "mistral's ocr with annotations of images",
        "mistral",
        {
            "pages": [{"images": [{"image_annotation": None}, {"image_annotation": "x"}]}],
            "model": "mistral-ocr-2512",
            "document_annotation": None,
            "usage_info": {"pages_processed": 29, "doc_size_bytes": 3000},
        },
        "",
        [(29, "3000")],
    ),
    (
        "mistral's ocr",
        "mistral",
        {"pages": [{"images": []}], "model": "mistral-ocr-2512", "document_annotation": None, "usage_info": {"pages_processed": 29}},
        "",
        [(29, "2000")],
    ),
    (
        "bedrock invokes anthropic, which names itself without the region",
        "bedrock",
        {"model": "claude-haiku-4-5-20251001", "usage": {"input_tokens": 100, "output_tokens": 50}},
        "us.anthropic.claude-haiku-4-5-20251001-v1:0",
        [(100, "1.1"), (50, "5.5")],
    ),
    (
        "two places, of which the second knows of the cache",
        "app",
        {
            "usage": {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050},
            "usage_metadata": {"input_tokens": 1000, "output_tokens": 50, "input_token_details": {"cache_read": 800}},
        },
        "gpt-4o",
        [(200, "2.5"), (800, "1.25"), (50, "10")],
    ),
    (
        "openinference, flat",
        "app",
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "gpt-4.1",
            "llm.token_count.prompt": 1000,
            "llm.token_count.completion": 100,
            "llm.token_count.total": 1100,
            "llm.token_count.prompt_details.cache_read": 400,
            "llm.token_count.completion_details.reasoning": 20,
        },
        "",
        [(600, "2"), (400, "0.5"), (100, "8")],
    ),
    (
        "openinference, a span's attributes as texts",
        "app",
        {
            "attributes": {
                "llm.model_name": "claude-haiku-4-5",
                "llm.token_count.prompt": "12010",
                "llm.token_count.completion": "100",
                "llm.token_count.prompt_details.cache_read": "10000",
                "llm.token_count.prompt_details.cache_write": "2000",
            }
        },
        "",
        [(10, "1"), (2000, "1.25"), (10000, "0.1"), (100, "5")],
    ),
    (
        "openinference as objects",
        "app",
        {
            "attributes": {
                "llm": {
                    "model_name": "gpt-audio",
                    "token_count": {"prompt": 100, "completion": 150, "total": 250, "prompt_details": {"audio": 80}}
                    | {"completion_details": {"audio": 120}},
                }
            }
        },
        "",
        [(20, "2.5"), (80, "32"), (30, "10"), (120, "64")],
    ),
    (
        "openinference, an embedding",
        "app",
        {"embedding.model_name": "text-embedding-3-small", "llm.token_count.prompt": 1000, "llm.token_count.total": 1000},
        "",
        [(1000, "0.02")],
    ),
    ("voyage states the total alone", "voyageai", {"model": "voyage-3-large", "usage": {"total_tokens": 1000}}, "", [(1000, "0.18")]),
    ("vercel ai sdk, an embedding", "app", {"usage": {"tokens": 8}}, "text-embedding-3-small", [(8, "0.02")]),
    ("speech by the character", "openai", {"characters": 1000}, "tts-1", [(1000, "15")]),
    (
        "gemini's speech",
        "google",
        gemini(
            "gemini-2.5-flash-preview-tts",
            promptTokenCount=20,
            candidatesTokenCount=500,
            totalTokenCount=520,
            candidatesTokensDetails=[{"modality": "AUDIO", "tokenCount": 500}],
        ),
        "",
        [(20, "0.5"), (500, "10")],
    ),
    (
        "mistral's transcription",
        "mistral",
        {
            "model": "voxtral-mini-2602",
            "usage": {"prompt_audio_seconds": 203, "prompt_tokens": 4, "completion_tokens": 635, "total_tokens": 3264},
        },
        "",
        [(203, "50")],
    ),
    (
        "bedrock's headers, whose caches are no part of the input",
        "bedrock",
        {
            "ResponseMetadata": {
                "HTTPHeaders": {
                    "x-amzn-bedrock-input-token-count": "100",
                    "x-amzn-bedrock-output-token-count": "50",
                    "x-amzn-bedrock-cache-read-input-token-count": "1000",
                    "x-amzn-bedrock-invocation-latency": "800",
                }
            }
        },
        SONNET_3_5,
        [(100, "3"), (1000, "0.3"), (50, "15")],
    ),
    (
        "bedrock's metrics at the end of a stream, with a cache",
        "bedrock",
        {"amazon-bedrock-invocationMetrics": {"inputTokenCount": 100, "outputTokenCount": 50, "cacheReadInputTokenCount": 1000}},
        SONNET_3_5,
        [(100, "3"), (1000, "0.3"), (50, "15")],
    ),
    (
        "xai responses with their context and tools",
        "x-ai",
        {
            "object": "response",
            "model": "grok-4-1-fast-reasoning",
            "usage": {
                "input_tokens": 1000,
                "input_tokens_details": {"cached_tokens": 400},
                "output_tokens": 200,
                "output_tokens_details": {"reasoning_tokens": 150},
                "total_tokens": 1200,
                "num_server_side_tools_used": 0,
                "context_details": {"input_tokens": 900, "output_tokens": 150},
            },
        },
        "",
        [(600, "0.2"), (400, "0.05"), (200, "0.5")],
    ),
    (
        "litellm, caches of five minutes and an hour",
        "litellm",
        chat(
            12010,
            100,
            model="claude-sonnet-4-20250514",
            prompt_tokens_details={
                "cached_tokens": 10000,
                "cache_creation_tokens": 2000,
                "cache_creation_token_details": {"ephemeral_5m_input_tokens": 500, "ephemeral_1h_input_tokens": 1500},
            },
        ),
        "",
        [(10, "3"), (500, "3.75"), (1500, "6"), (10000, "0.3"), (100, "15")],
    ),
    (
        "vercel ai sdk 6, a model's own usage",
        "app",
        {
            "usage": {
                "inputTokens": {"total": 1000, "noCache": 600, "cacheRead": 400, "cacheWrite": 0},
                "outputTokens": {"total": 100, "text": 80, "reasoning": 20},
            }
        },
        "gpt-4.1-mini",
        [(600, "0.4"), (400, "0.1"), (100, "1.6")],
    ),
    (
        "pydantic ai",
        "app",
        {
            "model_name": "claude-haiku-4-5",
            "usage": {
                "requests": 1,
                "tool_calls": 1,
                "input_tokens": 12010,
                "cache_write_tokens": 2000,
                "cache_read_tokens": 10000,
                "output_tokens": 100,
                "input_audio_tokens": 0,
                "details": {"input_tokens": 10, "output_tokens": 100, "cache_read_input_tokens": 10000, "reasoning_tokens": 7},
            },
        },
        "",
        [(10, "1"), (2000, "1.25"), (10000, "0.1"), (100, "5")],
    ),
    (
        "openai's agents list their requests",
        "app",
        {
            "usage": {
                "requests": 2,
                "input_tokens": 1000,
                "input_tokens_details": {"cached_tokens": 400},
                "output_tokens": 100,
                "request_usage_entries": [
                    {"input_tokens": 500, "output_tokens": 50, "input_tokens_details": {"cached_tokens": 200}},
                    {"input_tokens": 500, "output_tokens": 50, "input_tokens_details": {"cached_tokens": 200}},
                ],
            }
        },
        "gpt-4.1",
        [(600, "2"), (400, "0.5"), (100, "8")],
    ),
    (
        "anthropic, the parts of one request",
        "anthropic",
        anthropic(
            input_tokens=30,
            output_tokens=15,
            iterations=[{"type": "message", "input_tokens": part, "output_tokens": 5} for part in (5, 10, 15)],
        ),
        "",
        [(30, "3"), (15, "15")],
    ),
    (
        "openrouter's account of a call",
        "openrouter",
        {
            "data": {
                "model": "openai/gpt-4.1",
                "total_cost": 0.0006,
                "usage": 0.0006,
                "tokens_prompt": 90,
                "tokens_completion": 45,
                "native_tokens_prompt": 100,
                "native_tokens_completion": 50,
                "native_tokens_cached": 40,
            }
        },
        "",
        [(60, "2"), (40, "0.5"), (50, "8")],
    ),
    (
        "langfuse",
        "app",
        {"model": "gpt-4.1", "usage": {"input": 100, "output": 50, "total": 150, "unit": "TOKENS"}, "input": "hi", "output": "ho"},
        "",
        [(100, "2"), (50, "8")],
    ),
    (
        "microsoft's extensions of .NET",
        "app",
        {
            "modelId": "gpt-4.1",
            "usage": {"inputTokenCount": 100, "outputTokenCount": 50, "totalTokenCount": 150, "cachedInputTokenCount": 40},
        },
        "",
        [(60, "2"), (40, "0.5"), (50, "8")],
    ),
    (
        "spring ai, which shows the provider's own",
        "app",
        {
            "metadata": {
                "model": "gpt-4.1",
                "usage": {
                    "promptTokens": 100,
                    "completionTokens": 50,
                    "nativeUsage": {"prompt_tokens": 100, "completion_tokens": 50, "prompt_tokens_details": {"cached_tokens": 40}},
                },
            }
        },
        "gpt-4.1",
        [(60, "2"), (40, "0.5"), (50, "8")],
    ),
    (
        "an assistant's run",
        "openai",
        chat(123, 456, model="gpt-4o", prompt_token_details={"cached_tokens": 100}),
        "",
        [(23, "2.5"), (100, "1.25"), (456, "10")],
    ),
    (
        "litellm of gemini 2, which bills a prompt once for its searches",
        "litellm",
        chat(100, 50, model="gemini/gemini-2.5-flash", prompt_tokens_details={"web_search_requests": 2}),
        "",
        [(100, "0.3"), (50, "2.5"), (1, "35000")],
    ),
    (
        "a log's access token and a model's output are no counters",
        "app",
        {"model": "gpt-4.1", "prompt_tokens": 10, "completion_tokens": 5, "access_token": "123"}
        | {"choices": [{"logprobs": {"content": [{"token": "7"}]}, "finish_reason": "stop"}]},
        "",
        [(10, "2"), (5, "8")],
    ),
    (
        "langchain, a message as it is stored",
        "app",
        {"lc": 1, "kwargs": {"usage_metadata": {"input_tokens": 10, "output_tokens": 5}, "response_metadata": {"model_name": "gpt-4.1"}}},
        "",
        [(10, "2"), (5, "8")],
    ),
    (
        "haystack",
        "app",
        {"meta": {"model": "gpt-4.1", "usage": {"prompt_tokens": 100, "completion_tokens": 50}}},
        "",
        [(100, "2"), (50, "8")],
    ),
    (
        "agents that count their requests",
        "app",
        {"model_name": "gpt-4o", "usage": {"requests": 2, "input_tokens": 100, "cache_read_tokens": 40, "output_tokens": 20}},
        "",
        [(60, "2.5"), (40, "1.25"), (20, "10")],
    ),
]


# Further ones, one a line: with `parts` as above, and `at` where the price of another day counts; or with `pricing`, where the counters
# don't say what the call cost.
FURTHER = [json.loads(line) for line in (Path(__file__).parent / "usage_bodies.jsonl").read_text().splitlines()]


def priced(service: str, body: dict[str, Any], resource: str, **policy: Any) -> Any:
    terms = {
        "reported_costs": None,
        "prices_self_hosted": None,
        "service__name": service,
        "action_name": "chat",
        "resource_name": resource or "unspecified",
        "qualifiers": "{}",
        "request_facts": None,
        "occurred_at": datetime(2026, 1, 15, tzinfo=UTC),
    } | policy
    return price_facts(terms=terms, facts=json.dumps(body), book=[])


@pytest.mark.parametrize(("service", "body", "resource", "parts"), [case[1:] for case in BODIES], ids=[case[0] for case in BODIES])
def test_a_body_costs_what_its_tokens_cost(service, body, resource, parts):
    result = priced(service, body, resource)
    expected = sum((quantity * Decimal(price) for quantity, price in parts), Decimal(0)) / 1_000_000
    assert (result.pricing, result.note, result.amount) == ("priced", "", expected)
    details = json.loads(result.details)
    assert result_of(details["arithmetic"]) == (Fraction(expected), Fraction(expected))
    assert result.read


def expected_cost(case: dict[str, Any]) -> Decimal:
    return sum((quantity * Decimal(price) for quantity, price in case["parts"]), Decimal(0)) / 1_000_000


def day_of(case: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(case.get("at", "2026-01-15")).replace(tzinfo=UTC)


@pytest.mark.parametrize("case", FURTHER, ids=[case["name"] for case in FURTHER])
def test_a_further_body_costs_what_its_tokens_cost_or_is_not_priced(case):
    result = priced(case["service"], case["body"], case.get("resource", ""), occurred_at=day_of(case))
    if "pricing" in case:
        assert result.pricing == case["pricing"]
        assert result.note
    else:
        expected = expected_cost(case)
        assert (result.pricing, result.note, result.amount) == ("priced", "", expected)
        assert result_of(json.loads(result.details)["arithmetic"]) == (Fraction(expected), Fraction(expected))


def test_the_api_prices_each_body_alike(caller):
    services.set_policy(tenant_id=caller.tenant.id, actor="staff:1", request_id="", backdating_limit=timedelta(days=3650))
    known = [{"service": case[1], "body": case[2], "resource": case[3], "parts": case[4]} for case in BODIES]
    cases = [*known, *FURTHER]
    items = [
        {"serviceName": case["service"], "actionName": "chat", "resourceName": case.get("resource") or "unspecified", "outcome": "success"}
        | {"occurredAt": day_of(case).isoformat(), "responseFacts": {"source": "s", "version": "1", "facts": case["body"]}}
        for case in cases
    ]
    data = caller.post("/v1/transactions/batch", items).json()["data"]
    for case, item in zip(cases, data, strict=True):
        costs = [(Decimal(cost["fiatAmount"]), cost["isEstimate"]) for cost in item["transaction"]["costs"]]
        pricing = item["pricing"]["status"]
        if "parts" in case:
            assert (pricing, costs) == ("priced", [(expected_cost(case), False)]), case
        else:
            assert pricing == case["pricing"], case
            assert all(is_estimate for _, is_estimate in costs), case


UNREAD = [
    ("anthropic", anthropic(input_tokens=1, output_tokens=1, cache_creation={"ephemeral_5m_input_tokens": "1.5e3"}), "ephemeral_5m"),
    ("openai", chat(1000, 50, model="gpt-4o", prompt_tokens_details={"cached_tokens": "4e2"}), "cached_tokens"),
    ("openai", chat(1000, 50, model="gpt-4o", prompt_tokens_details={"cached_tokens": True}), "cached_tokens"),
    ("openai", chat(1000, 50, model="gpt-4o", search_units="7.5"), "search_units"),
    ("google", gemini(promptTokenCount=10, candidatesTokenCount=5, serviceTier="flex"), "usageMetadata.serviceTier"),
    ("zhipuai", chat(10, 5, model="glm-4.7") | {"web_search": [{"link": "u"}]}, "web_search"),
    (
        "aws",
        chat(10, 5, model="amazon.nova-pro-v1:0")
        | {"trace": {"guardrail": {"inputAssessment": {"g": {"invocationMetrics": {"usage": {"topicPolicyUnits": 1}}}}}}},
        "g.invocationMetrics.usage",
    ),
    ("agent-sdk", anthropic(input_tokens=10, output_tokens=5) | {"modelUsage": {"a": {}, "b": {}}}, "modelUsage"),
    ("app", {"llm.model_name": "gpt-4o", "llm.token_count.prompt": 9, "llm.token_count.completion": 3, "llm.token_count.x": 4}, "count.x"),
    (
        "anthropic",
        anthropic(input_tokens=20, output_tokens=5, iterations=[{"type": "compaction", "input_tokens": 1000}, {"input_tokens": 20}]),
        "usage.iterations.0.input_tokens",
    ),
    ("anthropic", anthropic(input_tokens=20, output_tokens=5, iterations=[{"input_tokens": 10}, {"input_tokens": "10"}]), "iterations.0"),
    ("app", {"model": "gpt-4o", "usageDetails": {"input": 60, "input_cached_tokens": 40, "output": 50}}, "input_cached_tokens"),
    ("openrouter", {"data": chat(10, 5, model="openai/gpt-4.1")["usage"] | {"model": "gpt-4.1", "num_search_results": 5}}, "num_search"),
    ("google", {"key": "a", "response": gemini(promptTokenCount=100, candidatesTokenCount=50, totalTokenCount=150)}, "key"),
    (
        "google",
        chat(10, 5, model="gemini-2.5-pro", extra_properties={"google": {"traffic_type": "PROVISIONED_THROUGHPUT"}}),
        "usage.extra_properties.google.traffic_type",
    ),
    (
        "google",
        gemini(promptTokenCount=10, candidatesTokenCount=5, promptTokensDetails=[{"modality": "HOLOGRAM", "tokenCount": 9}]),
        "usageMetadata.promptTokensDetails.0",
    ),
    ("openai", chat(100, 50, model="gpt-4o") | {"audio_tokens": "500"}, "audio_tokens"),
    (
        "moonshotai",
        chat(10, 5, model="kimi-k2.5") | {"choices": [{"message": {"tool_calls": [{"type": "builtin_function"}]}}]},
        "tool_calls.0.type",
    ),
    # Of tiers genai-prices knows only what the model's own provider asks.
    ("azure", chat(10, 5, model="gpt-5-mini") | {"service_tier": "priority"}, "service_tier"),
    ("azure", {"custom_id": "a", "response": {"status_code": 200, "body": chat(10, 5, model="gpt-4o-mini")}}, "custom_id"),
    ("bedrock", anthropic(input_tokens=10, output_tokens=5) | {"model": "claude-haiku-4-5-20251001"}, "region"),
    (
        "bedrock",
        {"model": "amazon.nova-lite-v1:0"}
        | {
            "headers": {
                "X-Amzn-Bedrock-Input-Token-Count": "10",
                "X-Amzn-Bedrock-Output-Token-Count": "5",
                "X-Amzn-Bedrock-Service-Tier": "flex",
            }
        },
        "headers.X-Amzn-Bedrock-Service-Tier",
    ),
    ("openai", chat(10, 5, model="gpt-5-mini") | {"service_tier": ["flex"]}, "service_tier"),
    ("azure-openai", responses("gpt-4.1", web_search(1)), "web_searches"),
    ("app", chat(10, 5, model="gpt-oss-120b"), "price of openai"),
    ("app", chat(10, 5, model="glm-4.7"), "price of zhipuai"),
    ("app", {"model": "gpt-4.1", "inputTokens": 10, "outputTokens": 5, "audioTokens": "500"}, "audioTokens"),
    ("app", {"model": "gpt-4.1", "inputTokens": 10, "outputTokens": 5, "cacheWriteTokens": "many"}, "cacheWriteTokens"),
    # Requests of less than a long context, whose sum is more.
    ("app", {"model": "gpt-5.4", "usage": {"requests": 3, "input_tokens": 300_000, "output_tokens": 9}}, "usage.requests"),
    (
        "app",
        {
            "usage": {"inputTokens": 90_000, "outputTokens": 9},
            "totalUsage": {"inputTokens": 300_000, "outputTokens": 99},
            "response": {"modelId": "gemini-2.5-pro"},
        },
        "totalUsage",
    ),
    (
        "app",
        {"usage": {"inputTokens": 1000, "outputTokens": 9, "cachedInputTokens": 500}, "response": {"modelId": "claude-haiku-4-5"}},
        "usage.cachedInputTokens",
    ),
    # Perplexity passes calls on at the makers' prices, and has prices of its own for searches.
    ("perplexity", perplexity_agent(tool_calls_details={"search_web": {"invocation": 1}}), "web_searches"),
    ("api.perplexity.ai", perplexity_agent(tool_calls_details={"search_web": {"invocation": 1}}), "web_searches"),
    ("perplexity", perplexity_agent() | {"output": [{"type": "search_results", "results": [{"url": "u"}]}]}, "output.0.type"),
    ("azure", responses("gpt-4.1", web_search(1)), "web_searches"),
    # Models that others run at prices of their own.
    ("sambanova", chat(10, 5, model="deepseek-v3.2"), "price of deepseek"),
    ("together", chat(10, 5, model="deepseek-ai/deepseek-v3.2-exp"), "price of deepseek"),
    ("litellm", chat(10, 5, model="deepinfra/deepseek-v3.2"), "price of deepseek"),
    ("openai", responses("gpt-5", {"id": "ci", "type": "code_interpreter_call", "container_id": "c"}), "output.0.type"),
    ("openai", responses("gpt-5", {"id": "ig", "type": "image_generation_call", "result": "…"}), "output.0.type"),
    ("openai", responses("gpt-5", tool_usage={"image_gen": {"output_tokens": 5}}), "tool_usage.image_gen.output_tokens"),
    ("openai", responses("gpt-4.1", web_search(1), tools=[{"type": "web_search_preview"}]), "tools"),
    ("openai", chat(10, 5, model="gpt-4o-search-preview"), "web search of each request"),
    ("xai", responses("grok-4", web_search(1)), "web_searches"),
    ("openrouter", chat(10, 5, model="openai/gpt-4o") | {"choices": [{"message": CITING}]}, "annotations.0.type"),
    ("groq", chat(10, 5, model="llama-3.1-8b-instant") | {"choices": [{"message": {"executed_tools": [{}]}}]}, "message.executed_tools"),
    (
        "anthropic",
        anthropic(input_tokens=1, output_tokens=1) | {"content": [{"type": "server_tool_use", "name": "bash_code_execution"}]},
        "content.0",
    ),
    ("google", grounded("gemini-2.5-flash", groundingChunks=[{"maps": {"uri": "u"}}]), "groundingMetadata.groundingChunks"),
    ("mistral", chat(10, 5, model="mistral-large-latest", connectors={"web_search": 1}), "usage.connectors.web_search"),
    (
        "google",
        chat(10, 5, model="gemini-2.5-flash") | {"usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 40}},
        "total_tokens",
    ),
    (
        "app",
        {
            "usage": {"promptTokens": 3, "completionTokens": 12, "totalTokens": 15},
            "response": {"modelId": "claude-haiku-4-5"},
            "providerMetadata": {"anthropic": {"cacheCreationInputTokens": 2000}},
        },
        "providerMetadata.anthropic.cacheCreationInputTokens",
    ),
    ("anthropic", anthropic(input_tokens=10, output_tokens=5, inference_geo="us") | {"service_tier": "batch"}, "usage.inference_geo"),
    ("openai", chat(10, 5, model="gpt-4o", mystery_cache_tokens=4), "usage.mystery_cache_tokens"),
    ("openai", chat(10, 5, model="gpt-4o", prompt_tokens_details={"cached_tokens": 0, "image_tokens": 3}), "image_tokens"),
    ("cerebras", chat(10, 5, model="llama3.1-8b", prompt_tokens_details={"some_cached_tokens": 4}), "some_cached_tokens"),
    ("anthropic", anthropic(input_tokens=10, output_tokens=5, thought_signature_tokens=3), "thought_signature_tokens"),
    ("openai", chat(1000, 500, model="gpt-3.5-turbo") | {"service_tier": "flex"}, "service_tier"),
    ("perplexity", chat(100, 50, model="sonar-pro", search_context_size="low"), "usage.search_context_size"),
    ("perplexity", chat(100, 50, model="sonar"), "search_context_size"),
    ("openai", chat(100, 50, model="gpt-4o") | {"service_tier": "batch"}, "service_tier"),
    (
        "anthropic",
        {"model": "claude-3-5-haiku-20241022", "usage": {"input_tokens": 10, "output_tokens": 5, "service_tier": "batch"}},
        "service_tier",
    ),
    ("openai", chat(100, 50, model="gpt-4o") | {"service_tier": "scale"}, "service_tier"),
    ("openai", chat(100, 50, model="gpt-4o", num_web_searches=2), "usage.num_web_searches"),
    ("openai", chat(100, 50, model="gpt-4o") | {"audio_tokens": 500}, "audio_tokens"),
    ("app", chat(100, 50, model="gpt-4o") | {"response": {"usage": {"prompt_tokens": 900, "completion_tokens": 500}}}, "response.usage"),
    ("litellm", chat(100, 50, model="gpt-4o") | {"cache_hit": True}, "cache_hit"),
    ("xai", chat(100, 50, model="grok-4-0709", num_sources_used=5), "usage.num_sources_used"),
    ("anthropic", anthropic(input_tokens=10, output_tokens=5, server_tool_use={"code_execution_requests": 3}), "code_execution_requests"),
    ("anthropic", anthropic(input_tokens=10, output_tokens=5, speed="fast"), "usage.speed"),
    ("anthropic", anthropic(input_tokens=10, output_tokens=5, inference_geo="us"), "usage.inference_geo"),
    ("google", gemini(promptTokenCount=10, candidatesTokenCount=5, trafficType="PROVISIONED_THROUGHPUT"), "usageMetadata.trafficType"),
    ("aws", chat(100, 50, model="amazon.nova-pro-v1:0") | {"serviceTier": {"type": "flex"}}, "serviceTier.type"),
    ("aws", chat(100, 50, model="amazon.nova-pro-v1:0") | {"performanceConfig": {"latency": "optimized"}}, "performanceConfig.latency"),
    (
        "aws",
        {
            "model": "us.anthropic.claude-sonnet-4-20250514-v1:0",
            "usage": {
                "inputTokens": 100,
                "outputTokens": 50,
                "cacheWriteInputTokens": 1000,
                "cacheDetails": [{"ttl": "1h", "inputTokens": 1000}],
            },
        },
        "cache_write_1h_tokens",
    ),
    (
        "openai",
        chat(100, 50, model="gpt-4o-audio-preview", prompt_tokens_details={"audio_tokens": 80}),
        "input_audio_tokens",
    ),
]


@pytest.mark.parametrize(("service", "body", "ignored"), UNREAD)
def test_a_counter_that_was_not_understood_makes_the_cost_an_estimate(service, body, ignored):
    result = priced(service, body, "")
    assert result.pricing == "partly_read"
    assert result.amount > 0
    assert ignored in result.note
    assert any(ignored in name for name in result.ignored)


def test_an_unknown_counter_of_zero_is_ignored_and_says_so():
    result = priced("openai", chat(10, 5, model="gpt-4o", new_cache_tokens=0), "")
    assert (result.pricing, result.ignored) == ("priced", ["usage.new_cache_tokens"])


LLAMA_CPP = chat(10, 5, model="gpt-4o") | {"timings": {"prompt_n": 10, "predicted_n": 5, "predicted_ms": 100.2}}
OLLAMA = {"model": "deepseek-chat", "prompt_eval_count": 26, "eval_count": 298, "total_duration": 5_191_566_416}


@pytest.mark.parametrize(
    ("service", "body"),
    [
        *((service, chat(10, 5, model="gpt-4o")) for service in ("ollama", "vllm", "LM-Studio")),
        ("litellm", chat(10, 5, model="ollama/deepseek-chat")),
        ("app", OLLAMA),
        ("app", {"response": OLLAMA}),
        ("app", LLAMA_CPP),
    ],
)
def test_a_model_that_the_tenant_runs_has_its_makers_price_only_where_the_policy_says_so(service, body):
    assert priced(service, body, "").pricing == "unknown_model"
    assert priced(service, body, "", prices_self_hosted=True).pricing == "priced"


REPORTED = [
    ("openrouter", chat(100, 50, model="anthropic/claude-3.5-sonnet", cost=0.0011), "usage.cost", "0.0011", "0.00105"),
    (
        "litellm",
        {"model": "gpt-4o", "response_cost": 3.45e-05, "prompt_tokens": 10, "completion_tokens": 0},
        "response_cost",
        "0.0000345",
        "0.000025",
    ),
    ("xai", chat(100, 50, model="grok-3", cost_in_usd_ticks=37_756_000), "usage.cost_in_usd_ticks", "0.0037756", "0.00105"),
    (
        "perplexity",
        chat(100, 50, model="sonar-pro", search_context_size="low", cost={"request_cost": 0.006, "total_cost": 0.00705}),
        "usage.cost.total_cost",
        "0.00705",
        "0.01505",
    ),
]


@pytest.mark.parametrize(("service", "body", "path", "stated", "computed"), REPORTED)
def test_a_cost_that_the_reply_states_is_compared_with_the_computed_one_or_is_the_actual_cost(service, body, path, stated, computed):
    beside = priced(service, body, "")
    difference = f"{(Decimal(computed) - Decimal(stated)).normalize():f}"
    assert (beside.amount, beside.reported) == (Decimal(computed), (path, Decimal(stated)))
    assert json.loads(beside.details)["reported"] == {"path": path, "amount": stated, "difference": difference}
    taken = priced(service, body, "", reported_costs="actual")
    assert (taken.pricing, taken.amount, taken.read) == ("priced", Decimal(stated), [path])
    assert json.loads(taken.details)["computed"] == computed


def test_what_a_run_of_an_agent_states_is_taken_whatever_its_models_were():
    run = {"type": "result", "total_cost_usd": 0.1234, "usage": {"input_tokens": 10, "output_tokens": 5}, "modelUsage": {"a": {}, "b": {}}}
    assert priced("agent-sdk", run, "", reported_costs="actual").amount == Decimal("0.1234")


def test_a_stated_cost_prices_a_model_that_is_unknown_only_where_the_policy_takes_it():
    body = chat(10, 5, model="in-house-9", cost=0.02)
    assert (priced("app", body, "").pricing, priced("app", body, "").amount) == ("unknown_model", None)
    taken = priced("app", body, "", reported_costs="actual")
    assert (taken.pricing, taken.amount) == ("priced", Decimal("0.02"))


@pytest.mark.parametrize("usage", [{"cost": 0.001, "is_byok": True}, {"cost": -1}, {"cost": "0.02"}, {"cost": True}])
def test_a_fee_for_a_key_of_ones_own_and_what_is_no_amount_are_no_stated_cost(usage):
    assert priced("openrouter", chat(10, 5, model="openai/gpt-4o", **usage), "", reported_costs="actual").reported is None


# A tier stands where SDKs put it.
FLEX = [
    {"usage": {"inputTokens": 100, "outputTokens": 50}, "providerMetadata": {"openai": {"serviceTier": "flex"}}},
    {
        "usage_metadata": {"input_tokens": 100, "output_tokens": 50},
        "response_metadata": {"service_tier": "flex", "model_name": "gpt-5-mini"},
    },
    {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 50, "openai.response.service_tier": "flex"},
    {
        "attributes": {"gen_ai.usage.input_tokens": 100, "gen_ai.usage.output_tokens": 50, "openai.response.service_tier": "flex"}
        | {"openai.request.service_tier": "priority"}
    },
]


@pytest.mark.parametrize("body", FLEX)
def test_a_tier_is_found_wherever_the_reply_says_it(body):
    result = priced("openai", body, "gpt-5-mini", occurred_at=datetime(2026, 11, 15, tzinfo=UTC))
    assert (result.pricing, result.amount) == ("priced", (100 * Decimal("0.125") + 50) / 1_000_000)


def test_a_tier_that_was_asked_for_or_is_an_argument_of_a_tool_is_none_of_the_reply():
    asked = {"request": {"service_tier": "flex"}, "output": [{"type": "tool", "args": {"serviceTier": "priority"}}], "service_tier": None}
    result = priced("openai", chat(100, 50, model="gpt-5-mini") | asked, "")
    assert (result.pricing, result.amount) == ("priced", (100 * Decimal("0.25") + 100) / 1_000_000)


BATCHES = [
    (
        "openai",
        {"id": "batch_req_1", "custom_id": "a", "response": {"status_code": 200, "body": chat(100, 50, model="gpt-4o-mini")}},
        [(100, "0.075"), (50, "0.3")],
    ),
    (
        "anthropic",
        {"custom_id": "a", "result": {"message": anthropic(input_tokens=100, output_tokens=50) | {"model": "claude-haiku-4-5"}}},
        [(100, "0.5"), (50, "2.5")],
    ),
    (
        "google",
        {"processed_time": "2026-01-01", "request": {}, "response": gemini(promptTokenCount=100, candidatesTokenCount=50)},
        [(100, "0.15"), (50, "1.25")],
    ),
]


@pytest.mark.parametrize(("service", "line", "parts"), BATCHES)
def test_a_line_of_a_batch_has_the_price_of_batches(service, line, parts):
    result = priced(service, line, "", occurred_at=datetime(2026, 11, 15, tzinfo=UTC))
    assert (result.pricing, result.amount) == ("priced", sum(quantity * Decimal(price) for quantity, price in parts) / 1_000_000)


def test_parts_that_are_more_than_their_sum_have_no_cost():
    usage = {"cache_creation_input_tokens": 5, "cache_creation": {"ephemeral_5m_input_tokens": 50}}
    assert priced("anthropic", anthropic(input_tokens=1, output_tokens=1, **usage), "").pricing == "missing_quantity"


def numbers_in(body: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    items = body.items() if isinstance(body, dict) else enumerate(body) if isinstance(body, list) else ()
    for name, value in items:
        if isinstance(value, int | float) and not isinstance(value, bool) and value:
            yield (*path, name), value
        yield from numbers_in(value, (*path, name))


def changed(body: Any, path: tuple[str | int, ...], value: Any) -> Any:
    if not path:
        return value
    copy = dict(body) if isinstance(body, dict) else list(body)
    copy[path[0]] = changed(body[path[0]], path[1:], value)
    return copy


def test_a_counter_that_is_read_and_becomes_no_number_never_leaves_another_cost_exact():
    choose = random.Random(11)
    for name, service, body, resource, _ in BODIES:
        exact = priced(service, body, resource)
        counters = [(path, value) for path, value in numbers_in(body) if ".".join(map(str, path)) in exact.read]
        for path, value in counters:
            assert priced(service, changed(body, path, str(value)), resource).amount in (exact.amount, None), (name, path)
            odd = choose.choice([True, "many", [value], -value, f"-{value}", f"{value}.5", {"of": value}])
            result = priced(service, changed(body, path, odd), resource)
            # Whole seconds may become a fraction.
            is_exact = result.pricing == "priced" and not str(path[-1]).endswith("seconds")
            assert not is_exact or result.amount == exact.amount, (name, path, odd)


def damaged(body: Any, choose: random.Random) -> Any:
    """The body with something else somewhere in it."""
    if isinstance(body, dict | list) and body and choose.random() < 0.85:
        keys = list(body) if isinstance(body, dict) else range(len(body))
        chosen = choose.choice(keys)
        changed = dict(body) if isinstance(body, dict) else list(body)
        changed[chosen] = damaged(body[chosen], choose)
        return changed
    return choose.choice([None, [], {}, [None], {"type": None}, "x", "7", 7, -7, 0, True, 1.5, 10**40, [[1]], {"a": [1, {"b": 2}]}])


def test_no_body_is_too_odd():
    odd = gemini(promptTokenCount=1, candidatesTokenCount=1, promptTokensDetails=[{"modality": 7, "tokenCount": 1}])
    assert priced("google", odd, "").pricing == "partly_read"
    action = {"type": "web_search_call", "action": {"type": {}}}
    assert priced("openai", responses("gpt-5", action), "").pricing == "priced"
    choose = random.Random(7)
    for _ in range(3):
        for _, service, body, resource, _ in BODIES:
            result = priced(service, damaged(damaged(body, choose), choose), resource)
            assert result.amount is None or result.amount >= 0


def test_a_reply_without_usage_has_no_cost():
    result = priced("groq", {"text": "hello", "x_groq": {"id": "req_1"}}, "whisper-large-v3")
    assert (result.pricing, result.note, result.amount) == ("missing_quantity", "usage", None)


def test_what_a_search_costs_stands_in_the_arithmetic():
    details = json.loads(priced("openai", responses("gpt-5", web_search(1)), "").details)
    assert details["arithmetic"] == "0.00125 input + 0.002 output + 0.01 for tools = 0.01325"
    assert details["quantities"]["web_searches"] == "1"


def test_what_was_asked_is_no_search_of_the_reply():
    asked = {"request": {"input": [web_search(1)]}, "input": [web_search(2)]}
    assert priced("openai", responses("gpt-5") | asked, "").amount == Decimal("0.00325")


def test_a_model_without_its_output_is_missing_a_quantity():
    result = priced("openai", {"model": "gpt-4o", "usage": {"prompt_tokens": 10}}, "")
    assert (result.pricing, result.note, result.amount) == ("missing_quantity", "actualOutputTokens", None)


OWN_PRICE = [
    ({"inputTokens": "1000", "outputTokens": 10}, "priced", []),
    ({"inputTokens": "1e3", "outputTokens": 10}, "missing_quantity", []),
    ({"inputTokens": 1000, "outputTokens": 10, "audioTokens": "500"}, "partly_read", ["audioTokens"]),
    ({"inputTokens": 1000, "outputTokens": 10, "audioTokens": "many"}, "partly_read", ["audioTokens"]),
    ({"inputTokens": 1000, "outputTokens": 10, "choices": [{"token": "7", "content": "42"}]}, "priced", []),
    # What is a part of a priced quantity costs what that costs, but for sound and what is kept for an hour.
    ({"inputTokens": 1000, "outputTokens": 10, "cachedTokens": 400, "reasoningTokens": 5}, "priced", []),
    ({"inputTokens": 1000, "outputTokens": 10, "inputTokenDetails": {"audioTokens": 9}}, "partly_read", ["inputTokenDetails.audioTokens"]),
    # Tools and tiers, of which a price of tokens says nothing.
    (
        {"inputTokens": 1000, "outputTokens": 10, "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1}},
        "partly_read",
        ["server_tool_use.web_search_requests"],
    ),
    ({"inputTokens": 1000, "outputTokens": 10, "num_sources_used": "3"}, "partly_read", ["num_sources_used"]),
    ({"inputTokens": 1000, "outputTokens": 10, "output": [web_search(1)]}, "partly_read", ["output.0.type"]),
    ({"inputTokens": 1000, "outputTokens": 10, "service_tier": "flex"}, "partly_read", ["service_tier"]),
    ({"inputTokens": 1000, "outputTokens": 10, "service_tier": "default"}, "priced", []),
    ({"inputTokens": 1000, "outputTokens": 10, "cache_hit": True}, "partly_read", ["cache_hit"]),
]


def own_price(*keys: str) -> dict[str, Any]:
    terms = {"amount": Decimal(1), "per": 1, "tier_mode": "", "is_package": False, "is_optional": False, "part_of": ""}
    price = {"id": 1, "valid_from": datetime(2020, 1, 1, tzinfo=UTC), "flat_amount": Decimal(0), "minimum": Decimal(0), "currency": "USD"}
    return price | {"units": [terms | {"fact_key": key, "part_of": whole_counter_of(key, keys)} for key in keys]}


@pytest.mark.parametrize(("facts", "pricing", "ignored"), OWN_PRICE)
def test_a_price_of_ones_own_is_exact_where_it_says_what_everything_costs(facts, pricing, ignored):
    price = own_price("inputTokens", "outputTokens")
    try:
        result = by_own_price(price, parsed=facts, text=json.dumps(facts), model="m")
    except MissingQuantity as missing:
        assert (pricing, str(missing)) == ("missing_quantity", "inputTokens")
    else:
        assert (result.pricing, result.amount, result.ignored) == (pricing, 1010, ignored)


@pytest.mark.parametrize(
    ("keys", "pricing", "amount"),
    [
        (["usage.cache_creation_input_tokens"], "partly_read", 2010),
        (["usage.cache_creation_input_tokens", "usage.cache_creation.ephemeral_1h_input_tokens"], "priced", 2010),
        (["usage.input_tokens"], "partly_read", 10),
        (["pages"], "priced", 3),
    ],
)
def test_what_is_written_to_a_cache_is_billed_once_and_a_price_by_the_page_says_nothing_of_tokens(keys, pricing, amount):
    parts = {"ephemeral_5m_input_tokens": 1500, "ephemeral_1h_input_tokens": 500}
    facts = {
        "usage": {"input_tokens": 10, "cache_creation_input_tokens": 2000, "cache_creation": parts},
        "pages": 3,
        "service_tier": "flex",
    }
    del facts["service_tier" if keys != ["pages"] else "usage"]
    keys = keys if "usage" not in facts else list(dict.fromkeys(["usage.input_tokens", *keys]))
    result = by_own_price(own_price(*keys), parsed=facts, text=json.dumps(facts), model="m")
    assert (result.pricing, result.amount) == (pricing, amount)


@pytest.mark.parametrize(
    ("key", "keys", "whole"),
    [
        ("cachedTokens", ["inputTokens", "cachedTokens"], "inputTokens"),
        ("cacheReadTokens", ["actualInputTokens"], "actualInputTokens"),
        ("usage.prompt_tokens_details.cached_tokens", ["usage.prompt_tokens"], "usage.prompt_tokens"),
        ("usage.completion_tokens_details.reasoning_tokens", ["usage.prompt_tokens", "usage.completion_tokens"], "usage.completion_tokens"),
        ("reasoningTokens", ["inputTokens", "outputTokens"], "outputTokens"),
        ("cachedTokens", ["other.inputTokens"], ""),
        # Anthropic and Bedrock count these on top of the input.
        ("usage.cache_read_input_tokens", ["usage.input_tokens"], ""),
        ("usage.cacheReadInputTokens", ["usage.inputTokens"], ""),
        ("pages", ["inputTokens"], ""),
    ],
)
def test_what_a_counter_is_a_part_of(key, keys, whole):
    assert whole_counter_of(key, keys) == whole


def test_a_remembered_plan_of_a_price_gives_what_the_library_computes():
    at, choose = datetime(2026, 1, 15, tzinfo=UTC), random.Random(1)
    more = ("cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens", "input_audio_tokens", "output_reasoning_tokens")
    models = [(provider, model) for provider in data_snapshot.get_snapshot().providers for model in provider.models]
    compared = set()
    for provider, model in choose.sample(models, 60):
        for _ in range(6):
            counters = {name: choose.choice((0, 5, 50)) for name in choose.sample(more, choose.randrange(3))}
            counters |= {"input_tokens": choose.choice((0, 50, 300_000, 10**6)), "output_tokens": choose.choice((0, 1000))}
            reading = UsageReading(counters, [], [], [])
            its = {"provider": provider, "public_model": model, "at": at, "context": {}}
            by_library = outcome_of(public_price_costs.cost_by_genai_prices, reading, **its)
            # The first call makes the plan, the second follows it.
            for _ in range(2):
                assert outcome_of(public_price_costs.public_cost, reading, **its, model_price=model.get_prices(at)) == by_library
            compared.add(type(by_library))
    assert compared == {str, public_price_costs.PublicCost}


def outcome_of(function, reading, **its):
    try:
        return function(reading, **its)
    except ValueError as error:
        return str(error)
