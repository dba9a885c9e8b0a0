"""Whether a public price is one of the provider that served the call, or another provider's for the same model."""

import re
from functools import lru_cache
from typing import Any

from genai_prices import data_snapshot

from metering.services.public_models import BEDROCK_MODEL

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
# On Bedrock models of Anthropic's have a price for a region and another one for all of them; only their ids there say which.
REGIONS = ("regional.", "global.")
# The tools that a provider runs have prices of its own also where its tokens cost what they cost elsewhere.
TOOLS = ("web_searches", "storage_searches")
WORD = re.compile(r"[^./]+")


def foreign_prices(counters: Any, *, service: str, model: str, provider: Any, public: Any) -> list[str]:
    """What of a call has only another provider's price: all of it ("price of deepseek"), or the tools that were run."""
    is_foreign, is_own = _origin(service.lower(), model.lower(), provider.id, public.id)
    if is_foreign:
        return [f"price of {provider.id}"]
    if public.id.startswith(REGIONS) and not BEDROCK_MODEL.match(model.rpartition("/")[2]):
        return ["region"]
    return [] if is_own else [name for name in TOOLS if counters.get(name)]


@lru_cache(maxsize=4096)
def _origin(service: str, model: str, provider_id: str, public_id: str) -> tuple[bool, bool]:
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


def _provider(name: str) -> Any:
    """The provider of a name or an address; None where genai-prices knows none."""
    name = "azure" if "azure" in name else name
    for where in ({"provider_id": name}, {"provider_api_url": f"https://{name}" if "." in name else None}):
        try:
            return data_snapshot.get_snapshot().find_provider(None, where.get("provider_id"), where.get("provider_api_url"))
        except LookupError:
            continue
    return None
