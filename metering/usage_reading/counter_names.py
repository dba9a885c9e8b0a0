"""Where a reply's usage may be, and what providers and SDKs call its counters."""

import re
from collections.abc import Mapping, Sequence

# Where the body of a reply may be in the facts, and where the usage may be in that body. A dotted path leads into objects.
BODIES = (
    "",
    "response",
    "body",
    "response.body",
    "result",
    "result.message",
    "data",
    "message",
    "metadata",
    "delta",
    "raw",
    "attributes",
    "kwargs",
    "meta",
    "outputs",
    "modelOutput",
    "output.outputBodyJson",
)
# The usage of all steps of a call; the usage beside it is that of the last step.
ALL_STEPS = "totalUsage"
USAGES = (
    ALL_STEPS,
    # The provider's own, which SDKs show beside their form of it; Anthropic's caches and Gemini's thoughts are missing in some.
    *("usage.raw", "usage.nativeUsage", "providerMetadata.anthropic.usage", "providerMetadata.google.usageMetadata"),
    *("usage", "usageMetadata", "usage_metadata", "response_metadata.token_usage", "response_metadata.usage", "token_usage", "tokenUsage"),
    *(
        "usage_info",
        "meta",
        "llm_output.token_usage",
        "llmOutput.tokenUsage",
        "usage_object",
        "amazon-bedrock-invocationMetrics",
        "x_groq.usage",
        "usageDetails",
        "models_usage",
    ),
    # Beside the same name with a small letter; alone they are read as that.
    *("Usage", "UsageMetadata", "TokenUsage"),
    *("additional_kwargs", "headers", "ResponseMetadata.HTTPHeaders", "metrics", ""),
)
# The places among USAGES where other numbers stand as well.
MIXED_OBJECTS = ("additional_kwargs", "headers", "ResponseMetadata.HTTPHeaders", "metrics", "")
# Where the Vercel AI SDK shows what only one provider reports.
METADATA = ("providerMetadata", "experimental_providerMetadata")
# The sum of input and output, as most replies state it.
TOTALS = ("total_tokens", "totalTokens", "totalTokenCount", "total_token_count", "llm.token_count.total", "tokens")
# The paths of BODIES and USAGES, and their first steps: a look at an object's keys tells which paths are worth following.
BODY_NAMES = frozenset(name for path in BODIES for name in (path, path.partition(".")[0]) if name)
USAGE_NAMES = frozenset(name for path in USAGES for name in (path, path.partition(".")[0]) if name)
# What the names of OpenTelemetry's attributes begin with, and those of the Vercel AI SDK beside them.
TELEMETRY = ("gen_ai.usage.", "ai.usage.")
# Where OpenTelemetry's attributes are: the facts themselves, or a span's object of them.
ATTRIBUTES = ("", "attributes")
# Providers whose extractors are tried for a body whose own provider isn't known, or reports in another one's form.
FALLBACK_PROVIDERS = ("openai", "anthropic", "google", "aws", "cohere", "mistral", "perplexity")
# The names that SDKs give to a counter. The first that is there counts; another one with the same value repeats it. Of the same kind are
# the headers of Bedrock, the fields of OpenRouter's account of a call, and the attributes of OpenInference.
NAMES: Mapping[str, Sequence[str]] = {
    "input_tokens": (
        *("actualInputTokens", "inputTokens", "input_tokens", "promptTokens", "prompt_tokens", "prompt_eval_count"),
        *("promptTokenCount", "prompt_token_count", "inputTokenCount", "inputTextTokenCount", "inputTokens.total", "request_tokens"),
        "input.inputTokenCount",
        *("llm.token_count.prompt", "x-amzn-bedrock-input-token-count", "X-Amzn-Bedrock-Input-Token-Count", "native_tokens_prompt"),
    ),
    "output_tokens": (
        *("actualOutputTokens", "outputTokens", "output_tokens", "completionTokens", "completion_tokens", "eval_count"),
        *("candidatesTokenCount", "candidates_token_count", "outputTokenCount", "generation_token_count", "outputTokens.total"),
        *("response_tokens", "llm.token_count.completion", "x-amzn-bedrock-output-token-count", "X-Amzn-Bedrock-Output-Token-Count"),
        *("native_tokens_completion", "output.outputTokenCount"),
    ),
    "cache_read_tokens": (
        *("cacheReadTokens", "cachedInputTokens", "cachedTokens", "inputTokenDetails.cacheReadTokens", "input_token_details.cache_read"),
        *("cache_read_input_tokens", "prompt_tokens_details.cached_tokens", "prompt_cache_hit_tokens", "cache_read.input_tokens"),
        *("cache_read_tokens", "details.cache_read_tokens", "prompt_token_details.cached_tokens", "inputTokens.cacheRead"),
        *("cached_prompt_tokens", "prompt_cached_tokens", "prompt_token_details.cache_read", "inputTokensDetails.cachedTokens"),
        *("inputTokenDetails.cachedTokenCount", "additionalCounts.InputTokenDetails.CachedTokenCount"),
        *("additionalCounts.inputTokenDetails.cachedTokenCount", "input.cacheReadInputTokenCount"),
        *("cachedInputTokenCount", "cacheReadInputTokenCount", "native_tokens_cached", "llm.token_count.prompt_details.cache_read"),
        *("x-amzn-bedrock-cache-read-input-token-count", "X-Amzn-Bedrock-Cache-Read-Input-Token-Count"),
    ),
    "cache_write_tokens": (
        *("cacheWriteTokens", "inputTokenDetails.cacheWriteTokens", "input_token_details.cache_creation", "cache_creation_input_tokens"),
        *("prompt_tokens_details.cache_creation_tokens", "cache_creation.input_tokens", "cache_write_tokens", "details.cache_write_tokens"),
        *("prompt_token_details.cache_creation", "input.cacheWriteInputTokenCount"),
        *("inputTokens.cacheWrite", "cacheWriteInputTokenCount", "llm.token_count.prompt_details.cache_write"),
        *("x-amzn-bedrock-cache-write-input-token-count", "X-Amzn-Bedrock-Cache-Write-Input-Token-Count"),
    ),
    "cache_write_5m_tokens": (
        "input_token_details.ephemeral_5m_input_tokens",
        "prompt_tokens_details.cache_creation_token_details.ephemeral_5m_input_tokens",
    ),
    "cache_write_1h_tokens": (
        "input_token_details.ephemeral_1h_input_tokens",
        "prompt_tokens_details.cache_creation_token_details.ephemeral_1h_input_tokens",
    ),
    "input_audio_tokens": (
        *("input_token_details.audio", "prompt_tokens_details.audio_tokens", "input_audio_tokens", "llm.token_count.prompt_details.audio"),
        *("inputTokenDetails.audioTokenCount", "additionalCounts.InputTokenDetails.AudioTokenCount"),
        *("additionalCounts.inputTokenDetails.audioTokenCount", "prompt_token_details.audio"),
    ),
    "output_audio_tokens": (
        *("output_token_details.audio", "completion_tokens_details.audio_tokens", "output_audio_tokens"),
        *("outputTokenDetails.audioTokenCount", "additionalCounts.OutputTokenDetails.AudioTokenCount"),
        *("additionalCounts.outputTokenDetails.audioTokenCount", "completion_token_details.audio"),
        "llm.token_count.completion_details.audio",
    ),
    # Mistral's, of which the tokens stand in the total alone.
    "audio_seconds": ("prompt_audio_seconds",),
    # As LiteLLM and OpenRouter count them.
    "web_searches": ("server_tool_use.web_search_requests", "prompt_tokens_details.web_search_requests"),
    "output_reasoning_tokens": (
        *("reasoningTokens", "outputTokenDetails.reasoningTokens", "output_token_details.reasoning", "reasoning.output_tokens"),
        *("completion_tokens_details.reasoning_tokens", "completion_token_details.reasoning_tokens", "details.reasoning_tokens"),
        *("outputTokenDetails.reasoningTokenCount", "additionalCounts.OutputTokenDetails.ReasoningTokenCount"),
        *("additionalCounts.outputTokenDetails.reasoningTokenCount", "completion_token_details.reasoning"),
        *("outputTokensDetails.reasoningTokens", "completion_reasoning_tokens"),
        *("reasoning_tokens", "outputTokens.reasoning", "reasoningTokenCount", "native_tokens_reasoning"),
        "llm.token_count.completion_details.reasoning",
    ),
}
# The names among NAMES that Bedrock counts beside the input, and not as a part of it.
BESIDE_INPUT = re.compile(r"cache(Read|Write)InputTokenCount\Z|x-amzn-bedrock-cache", re.IGNORECASE)
# Langfuse's names, which mean text elsewhere; its `unit` says of what.
SHORT_NAMES = {"input_tokens": "input", "output_tokens": "output"}
# The counters of models that speak: they are billed by the characters that they read, and have no tokens.
CHARACTERS = ("input_characters", "characters")
# Lists of the parts that a usage is the sum of: an agent's requests, and what Anthropic did for one.
BREAKDOWNS = ("iterations", "request_usage_entries")
# What makes up cache_write_tokens.
CACHE_WRITES = ("cache_write_5m_tokens", "cache_write_1h_tokens")
# Parts of input and output that have prices of their own, and searches.
PRICED_PARTS = (
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "input_audio_tokens",
    "output_audio_tokens",
    "web_searches",
)
# What a counter is a part of.
WHOLES = {
    **{f"input_{kind}_tokens": "input_tokens" for kind in ("text", "audio", "image", "video", "tool")},
    **{f"output_{kind}_tokens": "output_tokens" for kind in ("text", "audio", "image", "video", "reasoning", "citation")},
    **{f"cache_{kind}_tokens": "input_tokens" for kind in ("read", "write")},
}
# What Perplexity bills as output and doesn't count in its total.
BESIDE_TOTAL = ("output_citation_tokens", "output_reasoning_tokens")
# The counters without which no call of a model is complete, and what genai-prices calls their prices.
REQUIRED_COUNTERS = {"input_tokens": "input_mtok", "output_tokens": "output_mtok"}
# Whole numbers that are written as texts. What only looks like a number isn't read as one.
DIGITS = re.compile(r"[0-9]{1,30}\Z")
NUMBER_TEXT = re.compile(r"\s*[-+]?\.?\d[\d.,_']*(e[-+]?\d+)?\s*\Z", re.IGNORECASE)
# Counters by name, among other numbers: what is not understood of these, and isn't zero, may cost something. In an object that holds
# nothing but usage, any number may: searches, seconds, executions of code.
COUNTER = re.compile(r"cache|audio|thought|reason|token|num_search", re.IGNORECASE)
# What is named as a counter is one, whatever it has for a value; what is named as a token may be a password.
COUNTER_NAMES = frozenset(name.rpartition(".")[2] for names in NAMES.values() for name in names)
COUNTER_NAME = re.compile(r"(tokens|token_?count)\Z", re.IGNORECASE)
TOKEN_NAME = re.compile(r"token\Z", re.IGNORECASE)
# Sums of other counters, the rest of a counter beside its parts, what is free, and what isn't a quantity. An amount of money is named as a
# cost, or stands in an object that is; a number of tokens in such an object is a counter all the same.
NEVER_PRICED = re.compile(
    r"total_?token|totalUsage|(^|\.)(successful_)?requests$|(^|\.)(prompt_)?text_?tokens$|noCacheTokens|cache_miss|(accepted|rejected)_?prediction"
    r"|(promptTokens?|candidatesTokens|toolUsePromptTokens|cacheTokens)Details\.[0-9]+\.tokenCount$|web_fetch|tool_search_requests|context_details|(^|\.)tool_calls$|(^|\.)details\.(input|output)_tokens$|token_count\.total|(^|\.)total$"
    r"|inputTokens\.noCache$|outputTokens\.text$|(^|\.)tokens_(prompt|completion)$|time_to_|(^|\.)(input|output)Characters$"
    r"|cost[^.]*$|cost(?!.*(tokens|token_?count)$)|price|per_sec|_time|duration|latency|bytes|max_?\w*tokens|estimated|budget|limit",
    re.IGNORECASE,
)
OUTPUT_PART = re.compile(r"(^|\.)(reasoningTokens|reasoning_tokens)\Z")
