"""Whether the tenant runs a model himself."""

from typing import Any

from metering.usage_reading.counter_extraction import look_up
from metering.usage_reading.read_usage import bodies

# Services that run a model themselves: its maker's list price says nothing about their cost.
SELF_HOSTED = frozenset(
    {"ollama", "ollama_chat", "vllm", "hosted_vllm", "llama.cpp", "llamacpp", "llamafile", "lmstudio", "lm-studio", "lm_studio", "localai"}
    | {"tgi", "text-generation-inference"}
)
# What Ollama and the server of llama.cpp count in every reply.
OWN_COUNTERS = ("prompt_eval_count", "timings.predicted_n")


def is_self_hosted(facts: Any, *, service: str, model: str) -> bool:
    """Whether the caller runs the model: by the service, by the model's prefix (`ollama/llama3.2`), or by the servers' own counters."""
    names = {service.lower(), model.partition("/")[0].lower() if "/" in model else ""}
    return bool(names & SELF_HOSTED) or any(look_up(body, name) is not None for _, body in bodies(facts) for name in OWN_COUNTERS)
