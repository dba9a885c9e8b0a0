"""Finds the tools that a provider ran for a call and bills by their use, where a reply shows them and its usage doesn't count them.

OpenAI's Responses list a web search as an item of their output, Gemini as the queries of its grounding, Groq as an executed tool. A usage
that counts them itself comes first (read_usage). What has a public price becomes a counter of genai-prices; the rest is named, so that
the cost is an estimate.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from metering.usage_reading.counter_extraction import UsageReading, look_up
from metering.usage_reading.counter_names import DIGITS
from metering.usage_reading.read_usage import bodies

# Facts whose text has none of these mention no such tool: nearly none does, so that the search costs nothing.
TOOL_HINTS = (
    *('_call"', "tool.execution", "server_tool", "server_side_tool", "providerExecuted", "groundingMetadata", "grounding_metadata"),
    *(
        '"code_interpreter"',
        '"file_search"',
        "executed_tools",
        "tool_usage",
        "url_citation",
        '"web_search"',
        '_results"',
        "modelUsage",
        "usage_breakdown",
        "PolicyUnits",
        "builtin_function",
        "\\u",
    ),
)
# What was asked, and what a tool was given or answered, is no part of what the reply did.
ASKED = frozenset({"request", "input", "messages", "prompt", "contents", "history", "arguments", "args", "tools", "text"})
# Items of an output that cost nothing but their tokens: the caller runs them himself, or they are included.
FREE_CALLS = frozenset(
    {"function_call", "custom_tool_call", "computer_call", "mcp_call", "local_shell_call", "apply_patch_call", "tool_search_call"}
    | {"tool_call", "invalid_tool_call", "url_context_call"}
)
FREE_TOOLS = re.compile(r"web_fetch|tool_search|url_context|mcp", re.IGNORECASE)
# Models of which every request searches the web, for a fee that is no part of their price for tokens.
SEARCHING_MODEL = re.compile(r"search-(preview|api)")
# Places of the tools that a reply of OpenAI's says it was given.
GIVEN_TOOLS = ("tools", "response.tools", "body.tools", "response.body.tools", "data.tools")
# Models for which a search by the older tool `web_search_preview` has another price than by `web_search`.
PREVIEW_COSTS_MORE = re.compile(r"gpt-4")
# Gemini 2 bills a prompt that was grounded once, later models each of its queries.
BILLED_BY_PROMPT = re.compile(r"gemini-[12]\b")
IDENTIFIERS = ("id", "toolCallId", "call_id")
WEB, STORAGE = "web_searches", "storage_searches"
PAGES, ANNOTATED = "input_document_pages", "input_annotated_document_pages"


@dataclass(slots=True)
class _Found:
    """`uses`: paths by counter. `queries`: the number of web searches by Gemini's grounding, by its path."""

    uses: dict[str, list[str]] = field(default_factory=lambda: {WEB: [], STORAGE: []})
    queries: dict[str, int] = field(default_factory=dict)
    unpriced: list[str] = field(default_factory=list)
    citations: list[str] = field(default_factory=list)
    stated_searches: tuple[str, int] | None = None


def with_tool_uses(
    reading: UsageReading, *, reported: Any, facts: str, model: str, public_model: str, has_request_fee: bool
) -> UsageReading:
    """The reading with the tools that the reply shows. `facts`: the text of `reported`; `model`: as the reply names it, `public_model`: as
    the public prices do; `has_request_fee`: the price of each request includes its searches."""
    if PAGES in reading.counters and ANNOTATED not in reading.counters and _is_annotated(reported):
        reading = reading._replace(counters=reading.counters | {ANNOTATED: reading.counters[PAGES]})
    if reading.counters.get(WEB, 0) > 1 and BILLED_BY_PROMPT.match(public_model):
        reading = reading._replace(counters=reading.counters | {WEB: 1})
    searches_always = SEARCHING_MODEL.search(model) is not None
    if not searches_always and not mentions_tools(facts):
        return reading
    found = _find(reported)
    counters, read, unpriced = dict(reading.counters), list(reading.read), list(found.unpriced)
    searches, paths = _web_searches(found, public_model=public_model)
    if searches and WEB not in counters:
        counters[WEB] = searches
        read += paths
    if found.uses[STORAGE]:
        counters[STORAGE] = len(found.uses[STORAGE])
        read += found.uses[STORAGE]
    # Citations show that there was a search, where nothing counts it.
    if not counters.get(WEB) and not has_request_fee:
        unpriced += ["web search of each request"] if searches_always else found.citations[:1]
    if counters.get(WEB) and PREVIEW_COSTS_MORE.match(public_model):
        unpriced += [path for path in GIVEN_TOOLS if "web_search_preview" in str(look_up(reported, path) or "")]
    return reading._replace(counters=counters, read=read, ignored=[*reading.ignored, *unpriced], unpriced=[*reading.unpriced, *unpriced])


def shown_tools(reported: Any, *, facts: str) -> list[str]:
    """The paths of tools that a reply shows, which its provider ran and bills by their use."""
    if not mentions_tools(facts):
        return []
    found = _find(reported)
    stated = [found.stated_searches[0]] if found.stated_searches is not None and found.stated_searches[1] else []
    used = [*found.uses[WEB], *found.uses[STORAGE], *found.queries, *stated, *found.unpriced]
    return used or found.citations[:1]


def mentions_tools(facts: str) -> bool:
    """Whether the text of facts may mention a tool that the provider ran."""
    # No generator: among a thousand short texts it takes longer than the search.
    return bool([hint for hint in TOOL_HINTS if hint in facts])


def _is_annotated(reported: Any) -> bool:
    """Whether Mistral's OCR also wrote what a document or its images show, as it was asked to; its pages have another price then."""
    pages = [body.get("pages") for _, body in bodies(reported)]
    images = [image for page in _items(next(filter(None, pages), None)) for image in _items(look_up(page, "images"))]
    documents = (look_up(body, "document_annotation") for _, body in bodies(reported))
    return any(documents) or any(look_up(image, "image_annotation") for image in images)


def _web_searches(found: _Found, *, public_model: str) -> tuple[int, list[str]]:
    """How many web searches are billed, and where they stand."""
    if found.stated_searches is not None:
        path, number = found.stated_searches
        return number, [path]
    if found.queries:
        by_prompt = BILLED_BY_PROMPT.match(public_model) is not None
        return 1 if by_prompt else sum(found.queries.values()), list(found.queries)
    return len(found.uses[WEB]), found.uses[WEB]


def _find(reported: Any) -> _Found:
    found = _Found()
    # SDKs show the same use in several places: by its id it is counted once.
    seen: set[Any] = set()
    for path, item in walk_objects(reported):
        kind = item.get("type")
        use = (kind, next((item[key] for key in IDENTIFIERS if isinstance(item.get(key), str)), path))
        if isinstance(kind, str) and use not in seen:
            seen.add(use)
            _add_item(found, item, kind=kind, path=path)
        for key in KEYS.keys() & item.keys():
            KEYS[key](found, item[key], f"{path}.{key}" if path else key, seen)
    return found


def _add_item(found: _Found, item: Mapping[str, Any], *, kind: str, path: str) -> None:
    place = f"{path}.type" if path else "type"
    # Perplexity lists what its tools found, and counts the tools in the usage.
    if kind == "url_citation" or kind.endswith("_results"):
        found.citations.append(place)
    elif kind in {"server_tool_use", "server_tool_call", "tool.execution"} or (
        kind == "tool-call" and item.get("providerExecuted") is True
    ):
        _add_tool(found, item.get("name") or item.get("toolName"), place=place)
    elif kind == "web_search_call":
        # Opening a page that was found, or looking into it, is no search.
        if str(look_up(item, "action.type")) not in {"open_page", "find_in_page", "find"}:
            (found.unpriced if item.get("status") == "failed" else found.uses[WEB]).append(place)
    elif kind == "google_search_call":
        found.queries[place] = len(_items(look_up(item, "arguments.queries"))) or 1
    # Of the second kind are those of an assistant's run, whose item holds what the tool did.
    elif kind == "file_search_call" or (kind == "file_search" and kind in item):
        found.uses[STORAGE].append(place)
    # Of the second kind are Moonshot's searches of the web, of the third the code that an assistant ran.
    elif (kind.endswith("_call") and kind not in FREE_CALLS) or kind == "builtin_function" or (kind == "code_interpreter" and kind in item):
        found.unpriced.append(place)


def _add_tool(found: _Found, name: Any, *, place: str) -> None:
    """A tool that the provider ran, by its name: `web_search`, `webSearch`, `code_execution`."""
    plain = str(name).lower().replace("_", "")
    if plain.startswith("websearch"):
        found.uses[WEB].append(place)
    elif plain == "filesearch":
        found.uses[STORAGE].append(place)
    elif not FREE_TOOLS.search(str(name)):
        found.unpriced.append(place)


def _add_grounding(found: _Found, grounding: Any, path: str, seen: set[Any]) -> None:
    """Gemini's grounding, in its own names or in those of its Python SDK."""
    if not isinstance(grounding, dict):
        return
    for key in ("webSearchQueries", "web_search_queries"):
        queries = [query for query in _items(grounding.get(key)) if query]
        if queries and ("grounding", *map(str, queries)) not in seen:
            seen.add(("grounding", *map(str, queries)))
            found.queries[f"{path}.{key}"] = len(queries)
    for key in ("imageSearchQueries", "image_search_queries", "retrievalQueries", "retrieval_queries"):
        if grounding.get(key):
            found.unpriced.append(f"{path}.{key}")
    for key in ("groundingChunks", "grounding_chunks"):
        if any(isinstance(chunk, dict) and chunk.get("maps") for chunk in _items(grounding.get(key))):
            found.unpriced.append(f"{path}.{key}")


def _items(value: Any) -> list[Any]:
    """A list; what is no list is one item of it."""
    return value if isinstance(value, list) else [] if value is None else [value]


def _add_executed(found: _Found, tools: Any, path: str, _seen: set[Any]) -> None:
    """Groq's list of the tools that a compound model ran, and xAI's numbers of them."""
    if any(tools.values()) if isinstance(tools, dict) else tools:
        found.unpriced.append(path)


def _add_tool_usage(found: _Found, usage: Any, path: str, _seen: set[Any]) -> None:
    """OpenAI's count of tools beside the usage: searches, and the tokens of images, which another model has made."""
    number = look_up(usage, "web_search.num_requests")
    if isinstance(number, str) and DIGITS.match(number):
        number = int(number)
    if isinstance(number, int) and not isinstance(number, bool) and number >= 0:
        found.stated_searches = (f"{path}.web_search.num_requests", number)
    elif number is not None:
        found.unpriced.append(f"{path}.web_search.num_requests")
    images = look_up(usage, "image_gen")
    if isinstance(images, dict):
        found.unpriced += [
            f"{path}.image_gen.{name}" for name, value in images.items() if name in {"input_tokens", "output_tokens"} and value
        ]


def _add_results(found: _Found, results: Any, path: str, _seen: set[Any]) -> None:
    """What GLM's web search found; an object of this name says that a search was asked for."""
    if isinstance(results, list) and results:
        found.unpriced.append(path)


def _add_models(found: _Found, models: Any, path: str, _seen: set[Any]) -> None:
    """The usage of an agent's run by model: that of several has no one price."""
    if isinstance(models, dict) and len(models) > 1:
        found.unpriced.append(path)


def _add_breakdown(found: _Found, breakdown: Any, path: str, _seen: set[Any]) -> None:
    """Groq's usage of each model that a compound model called, of which each has a price of its own."""
    if look_up(breakdown, "models"):
        found.unpriced.append(f"{path}.models")


def _add_guardrail(found: _Found, metrics: Any, path: str, _seen: set[Any]) -> None:
    """What Bedrock's guardrails assessed; they are billed by the unit."""
    units = look_up(metrics, "usage")
    if isinstance(units, dict) and any(units.values()):
        found.unpriced.append(f"{path}.usage")


KEYS: Mapping[str, Callable[[_Found, Any, str, set[Any]], None]] = {
    "groundingMetadata": _add_grounding,
    "grounding_metadata": _add_grounding,
    "executed_tools": _add_executed,
    "server_side_tool_usage": _add_executed,
    "tool_usage": _add_tool_usage,
    "web_search": _add_results,
    "modelUsage": _add_models,
    "usage_breakdown": _add_breakdown,
    "invocationMetrics": _add_guardrail,
}


def walk_objects(reported: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every object of a reply with its dotted path, in order; not those of what was asked."""
    waiting: list[tuple[str, Any]] = [("", reported)]
    while waiting:
        path, value = waiting.pop()
        items: list[tuple[str, Any]] = []
        if isinstance(value, dict):
            yield path, value
            items = [(key, inner) for key, inner in value.items() if key not in ASKED]
        elif isinstance(value, list):
            items = [(str(place), inner) for place, inner in enumerate(value)]
        waiting += [(f"{path}.{key}" if path else key, inner) for key, inner in reversed(items) if isinstance(inner, dict | list)]
