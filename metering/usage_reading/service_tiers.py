"""At which tier, speed or place a call was served, as its reply says, and whether the public price knows it."""

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from metering.usage_reading.counter_extraction import look_up
from metering.usage_reading.tool_uses import walk_objects

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
# What the members are called that say so: OpenAI's and Anthropic's, Gemini's, those of SDKs and attributes, Bedrock's and its headers.
TIER_NAME = re.compile(r"(^|[._-])(service_?-?tier|traffic_?type|inference_geo|performanceconfig-latency)\Z", re.IGNORECASE)
# Names that say so only inside these objects: elsewhere other members are called the same.
TIERS_WITHIN = {"usage": ("speed",), "performanceConfig": ("latency",)}
# A quick test of the facts' text in lower case: where none of these patterns matches, no member has a tier that isn't standard, and the
# facts aren't searched. Nearly none matches. There is a pattern for each ending of the names, because one pattern for all endings takes
# ten times as long.
NOT_STANDARD = r'"\s*+:\s*+(?!null|[0-9]|"(' + "|".join(sorted(STANDARD_TIERS)) + r')")'
TIER_HINTS = {end: re.compile(end + NOT_STANDARD) for end in ("tier", "traffictype", "traffic_type", "inference_geo", "latency", "speed")}
# The id of a line in the output of one of OpenAI's batches. The replies in lines of batches don't say that they were batches.
BATCH_LINE = "batch_req_"
# The caller's own name of a line, beside the reply: OpenAI's and Azure's lines, Mistral's and Anthropic's.
LINE_NAME, LINE_REPLIES = "custom_id", ("response.body", "result.message")
# Bedrock's own, beside the reply.
RECORD_NAME, RECORD_REPLY = "recordId", "modelOutput"
# What a line of a batch on Vertex AI has beside the reply. Those of Gemini's own API have a key, which anybody may have put there.
VERTEX_LINE, GEMINI_LINE = "processed_time", {"key", "response"}
# OpenAI's own account of a whole batch, and its sums of an hour or a day, of which a member says whether they are of batches.
WHOLE_BATCH, SUMS, SUMS_OF_BATCHES = "batch", "organization.usage.", "batch"
GEMINI_REPLY, GEMINI_TIER = "response.usageMetadata", "response.usageMetadata.serviceTier"


def price_context(public_model: Any, *, provider: Any, reported: Any, facts: str, at: datetime) -> tuple[dict[str, str], list[str]]:
    """The service tier that the facts state, as genai-prices knows it; and the paths of those that the model has no price for, or none with
    this provider. `facts`: the text of `reported`."""
    context: dict[str, str] = {}
    unknown = []
    for key, tier in (*_lines_of_batches(reported), *_stated_tiers(reported, facts)):
        name = TIERS.get(tier)
        of_tier = {"processing": "batch"} if name == "batch" else {"service_tier": name or ""}
        is_own = any(model is public_model for model in provider.models)
        if name is None or not is_own or public_model.get_prices(at, of_tier) == public_model.get_prices(at):
            unknown.append(key)
        else:
            context |= of_tier
    return context, unknown


def stated_tiers(reported: Any, *, facts: str) -> list[str]:
    """The paths of what says that a call was served at another tier than the standard one, or in a batch. `facts`: the text of
    `reported`."""
    return [path for path, _ in (*_lines_of_batches(reported), *_stated_tiers(reported, facts))]


def _stated_tiers(reported: Any, facts: str) -> Iterator[tuple[str, str]]:
    """The paths and names of tiers that aren't the standard one."""
    if not mentions_tier(facts):
        return
    for path, holder in walk_objects(reported):
        prefix = f"{path}." if path else ""
        yield from ((prefix + name, tier) for name, tier in _tiers_in(holder, path) if tier not in STANDARD_TIERS)


def mentions_tier(facts: str) -> bool:
    """Whether the text of facts may name a tier that isn't the standard one."""
    text = facts.lower()
    return "\\u" in text or any(end in text and hint.search(text) for end, hint in TIER_HINTS.items())


def _tiers_in(holder: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """The members of an object that name a tier. What was asked for is none of the reply."""
    within = TIERS_WITHIN.get(path.rpartition(".")[2], ())
    for name, value in holder.items():
        if "request" in name or value is None or not (name in within or TIER_NAME.search(name)):
            continue
        # Bedrock's is an object of its type.
        place, tier = (f"{name}.type", value.get("type", "")) if isinstance(value, dict) else (name, value)
        yield place, str(tier).lower()


def _lines_of_batches(reported: Any) -> Iterator[tuple[str, str]]:
    """Where facts are a line in the output of a batch, or a batch: what says so."""
    if not isinstance(reported, dict):
        return
    identifier, kind = reported.get("id"), reported.get("object")
    if kind == WHOLE_BATCH:
        yield "object", "batch"
    elif isinstance(kind, str) and kind.startswith(SUMS) and reported.get(SUMS_OF_BATCHES):
        yield SUMS_OF_BATCHES, "batch"
    if isinstance(identifier, str) and identifier.startswith(BATCH_LINE):
        yield "id", "batch"
    elif isinstance(reported.get(LINE_NAME), str) and any(isinstance(look_up(reported, path), dict) for path in LINE_REPLIES):
        yield LINE_NAME, "batch"
    elif RECORD_NAME in reported and isinstance(reported.get(RECORD_REPLY), dict):
        yield RECORD_NAME, "batch"
    elif VERTEX_LINE in reported and look_up(reported, GEMINI_REPLY) is not None:
        yield VERTEX_LINE, "batch"
    elif reported.keys() == GEMINI_LINE and look_up(reported, GEMINI_REPLY) and not look_up(reported, GEMINI_TIER):
        yield "key", "perhaps a batch"
