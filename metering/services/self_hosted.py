"""Whether the tenant runs a model himself."""

from typing import Any

from metering.services.usage_bodies import bodies

# Services that run a model themselves: its maker's list price says nothing about their cost.
SELF_HOSTED = frozenset(
    {"ollama", "ollama_chat", "vllm", "hosted_vllm", "llama.cpp", "llamacpp", "llamafile", "lmstudio", "lm-studio", "lm_studio", "localai"}
    | {"tgi", "text-generation-inference"}
)


def is_self_hosted(facts: Any, *, service: str, model: str) -> bool:
    """Whether the caller runs the model: by the service's name, by the model's prefix (`ollama/llama3.2`), or by Ollama's own counters."""
    names = {service.lower(), model.partition("/")[0].lower() if "/" in model else ""}
    return bool(names & SELF_HOSTED) or any(body.get("prompt_eval_count") is not None for _, body in bodies(facts))
