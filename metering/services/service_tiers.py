"""At which tier, speed or place a call was served, as its reply says, and whether the public price knows it."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from metering.services.usage_bodies import bodies
from metering.services.usage_forms import look_up

# Bedrock's headers, as HTTP sends them and as libraries spell them.
HEADERS = (
    *(("x-amzn-bedrock", name) for name in ("service-tier", "performanceconfig-latency")),
    *(("X-Amzn-Bedrock", name) for name in ("Service-Tier", "Performanceconfig-Latency")),
)
# Where a body says at which tier, speed or place the call was served; under each of BODIES.
TIER_KEYS = (
    *("service_tier", "usage.service_tier", "serviceTier", "serviceTier.type", "usage.speed", "usage.inference_geo"),
    *("performanceConfig.latency", "usageMetadata.trafficType", "usage_metadata.traffic_type"),
    *("usageMetadata.serviceTier", "usage_metadata.service_tier"),
    *(f"{place}{header}-{name}" for place in ("headers.", "ResponseMetadata.HTTPHeaders.", "") for header, name in HEADERS),
)
TIER_PLACES = tuple((key.partition(".")[0], key) for key in TIER_KEYS)
# Tiers with a price of their own, and the words for the standard one. Any other word isn't understood.
TIERS = {
    "flex": "flex",
    "priority": "priority",
    "fast": "fast",
    "batch": "batch",
    "on_demand_flex": "flex",
    "on_demand_priority": "priority",
}
STANDARD_TIERS = frozenset(
    {"", "default", "auto", "standard", "standard_only", "on_demand", "traffic_type_unspecified", "global", "not_available"}
)
# The id of a line in the output of one of OpenAI's batches. The replies in lines of batches don't say that they were batches.
BATCH_LINE = "batch_req_"
# The caller's own name of a line, beside the reply: OpenAI's and Azure's lines, Mistral's and Anthropic's.
LINE_NAME, LINE_REPLIES = "custom_id", ("response.body", "result.message")
# What a line of a batch on Vertex AI has beside the reply. Those of Gemini's own API have a key, which anybody may have put there.
VERTEX_LINE, GEMINI_LINE = "processed_time", {"key", "response"}
GEMINI_REPLY, GEMINI_TIER = "response.usageMetadata", "response.usageMetadata.serviceTier"


def price_context(public: Any, *, provider: Any, reported: Any, at: datetime) -> tuple[dict[str, str], list[str]]:
    """The service tier that the facts state, as genai-prices knows it; and the paths of those that the model has no price for, or none with
    this provider."""
    context: dict[str, str] = {}
    unknown = []
    for key, tier in _stated_tiers(reported):
        name = TIERS.get(tier)
        of_tier = {"processing": "batch"} if name == "batch" else {"service_tier": name or ""}
        is_own = any(model is public for model in provider.models)
        if name is None or not is_own or public.get_prices(at, of_tier) == public.get_prices(at):
            unknown.append(key)
        else:
            context |= of_tier
    return context, unknown


def _stated_tiers(reported: Any) -> Iterator[tuple[str, str]]:
    """The paths and names of tiers that aren't the standard one."""
    yield from _lines_of_batches(reported)
    for path, body in bodies(reported):
        tiers = ((key, look_up(body, key)) for first_step, key in TIER_PLACES if first_step in body or key in body)
        yield from (
            (f"{path}.{key}" if path else key, str(tier).lower())
            for key, tier in tiers
            if tier is not None and not isinstance(tier, dict) and str(tier).lower() not in STANDARD_TIERS
        )


def _lines_of_batches(reported: Any) -> Iterator[tuple[str, str]]:
    """Where facts are a line in the output of a batch: what says so."""
    if not isinstance(reported, dict):
        return
    identifier = reported.get("id")
    if isinstance(identifier, str) and identifier.startswith(BATCH_LINE):
        yield "id", "batch"
    elif isinstance(reported.get(LINE_NAME), str) and any(isinstance(look_up(reported, path), dict) for path in LINE_REPLIES):
        yield LINE_NAME, "batch"
    elif VERTEX_LINE in reported and look_up(reported, GEMINI_REPLY) is not None:
        yield VERTEX_LINE, "batch"
    elif reported.keys() == GEMINI_LINE and look_up(reported, GEMINI_REPLY) and not look_up(reported, GEMINI_TIER):
        yield "key", "perhaps a batch"
