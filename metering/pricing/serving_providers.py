"""Whether a public price is one of the provider that served the call, or another provider's for the same model."""

import re
from functools import lru_cache
from typing import Any

from genai_prices import data_snapshot

from metering.pricing.public_model_lookup import BEDROCK_MODEL

# Services that run models of several makers at prices of their own, of which the public prices have none.
OTHER_HOSTS = frozenset(
    {"sambanova", "deepinfra", "nebius", "hyperbolic", "siliconflow", "nvidia", "nvidia_nim", "replicate", "huggingface", "hf", "dashscope"}
    | {"watsonx", "watsonx_text", "friendli", "friendliai", "featherless_ai", "nscale", "scaleway", "lambda_ai", "runpod", "volcengine"}
    | {"chutes", "parasail", "gmi", "snowflake", "oci", "heroku", "digitalocean", "lemonade", "aiml", "anyscale", "octoai", "lepton"}
)
# Providers that pass a call on to the model's maker at the maker's price for tokens.
RESELLERS = frozenset({"perplexity", "openrouter"})
MAKERS = frozenset({"openai", "anthropic", "google", "x-ai"})
# OpenAI runs none of the models that it gave away, and the maker of GLM has other prices in China than elsewhere.
OPEN_MODELS = "gpt-oss"
TWO_MAKERS = frozenset({"zhipuai", "zai"})
# Makers whose models cost the same on other clouds as at the maker: on Azure those of OpenAI and Anthropic, on Google those of Anthropic.
# For models that others gave away or licensed to it, as DeepSeek's or xAI's, Azure has prices of its own, and genai-prices the makers'.
LISTED_ALIKE = frozenset({"openai", "anthropic"})
# On Google's regional endpoints models of Anthropic's cost more than on the global one, from version 4.5 on.
REGIONAL_HOST = re.compile(r"[a-z]+-[a-z]+[0-9]+-aiplatform\.")
SAME_IN_REGIONS = re.compile(r"claude-(3|4)-")
# On Bedrock models of Anthropic's have a price for a region and another one for all of them; only their ids there say which.
REGIONS = ("regional.", "global.")
# The tools that a provider runs have prices of its own also where its tokens cost what they cost elsewhere.
TOOLS = ("web_searches", "storage_searches")
WORD = re.compile(r"[^./]+")


def foreign_prices(counters: Any, *, service: str, model: str, provider: Any, public_model: Any) -> list[str]:
    """What of a call has only another provider's price, or another region's: all of it ("price of deepseek", "region"), or the tools that
    were run."""
    other, is_own = _origin(service.lower(), model.lower(), provider.id, public_model.id)
    if other:
        return [other]
    return [] if is_own else [name for name in TOOLS if counters.get(name)]


@lru_cache(maxsize=4096)
def _origin(service: str, model: str, provider_id: str, public_id: str) -> tuple[str, bool]:
    """Whose price it is, if another provider's or of no known region, and whether the provider of the price served the call itself, as far
    as the names say."""
    maker = _maker(provider_id, public_id)
    is_foreign, is_own = _server(service, model, provider_id, public_id)
    if is_foreign or (maker != provider_id and maker not in LISTED_ALIKE):
        return f"price of {maker}", False
    if public_id.startswith(REGIONS) and not BEDROCK_MODEL.match(model.rpartition("/")[2]):
        return "region", is_own
    if "claude" in public_id and REGIONAL_HOST.match(service) and not SAME_IN_REGIONS.match(public_id):
        return "region", is_own
    return "", is_own


def _server(service: str, model: str, provider_id: str, public_id: str) -> tuple[bool, bool]:
    """Whether the price is another provider's, and whether the provider of the price served the call itself, as far as the names say."""
    words = set(WORD.findall(service))
    server = _provider(service)
    if provider_id == "openai" and public_id.startswith(OPEN_MODELS):
        return True, False
    if provider_id in TWO_MAKERS and (server is None or server.id != provider_id):
        return True, False
    if server is None and not words & OTHER_HOSTS and "/" in model:
        prefix = model.partition("/")[0]
        words, server = {prefix}, _provider(prefix) or _provider(prefix.removesuffix("_ai"))
    if words & OTHER_HOSTS and (server is None or server.id != provider_id):
        return True, False
    if server is None:
        return False, True
    if server.id == provider_id:
        return False, any(one.id == public_id for one in server.models)
    return not (server.id in RESELLERS and provider_id in MAKERS), False


def _maker(provider_id: str, public_id: str) -> str:
    """Whose price it is: the provider's own, or that of one of those whose prices genai-prices has for it as well."""
    known = {one.id: one for one in data_snapshot.get_snapshot().providers}
    places = (provider_id, *(known[provider_id].fallback_model_providers or ()))
    return next((place for place in places if place in known and any(one.id == public_id for one in known[place].models)), provider_id)


def _provider(name: str) -> Any:
    """The provider of a name or an address; None where genai-prices knows none."""
    name = "azure" if "azure" in name else name
    for where in ({"provider_id": name}, {"provider_api_url": f"https://{name}" if "." in name else None}):
        try:
            return data_snapshot.get_snapshot().find_provider(None, where.get("provider_id"), where.get("provider_api_url"))
        except LookupError:
            continue
    return None
