"""Finds the model that has a public price, by the names that services and providers give to it."""

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from genai_prices import data_snapshot

# Bedrock's ids of models have their maker before the name, and perhaps a region before that.
BEDROCK_MODEL = re.compile(r"([a-z-]{2,6}\.)?(anthropic|amazon|meta|mistral|cohere|ai21|deepseek|qwen|openai)\.")
# Models of OpenAI's that genai-prices doesn't know by their name alone.
OPENAI_EMBEDDINGS = "text-embedding-"


@lru_cache(maxsize=4096)
def find_public_model(*, service: str, model: str) -> tuple[Any, Any] | None:
    """The provider and the model that a public price is known for: of the service if that is a known provider, else by the model's name.

    Names may have a provider's prefix or a path before them: `openai/gpt-4o`, `models/gemini-2.5-pro`.
    """
    snapshot = data_snapshot.get_snapshot()
    for name, where in _ways_to_find(service=service, model=model):
        try:
            return snapshot.find_provider_model(name, None, where.get("id"), where.get("url"))
        except LookupError:
            continue
    return None


def _ways_to_find(*, service: str, model: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    prefix, _, rest = model.partition("/")
    last = model.rpartition("/")[2]
    if "azure" in service.lower():
        yield model, {"id": "azure"}
    yield model, {"id": service}
    if "." in service:
        yield model, {"url": f"https://{service.lower()}"}
    if rest:
        yield last, {"id": service}
        yield rest, {"id": prefix}
        # LiteLLM's prefixes: fireworks_ai, azure_ai.
        yield rest, {"id": prefix.removesuffix("_ai")}
    if BEDROCK_MODEL.match(last):
        yield last, {"id": "aws"}
    yield model, {}
    if model.startswith(OPENAI_EMBEDDINGS):
        yield model, {"id": "openai"}
    if rest:
        yield last, {}
