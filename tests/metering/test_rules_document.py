"""The examples of docs/rules.md are what the calls answer: each section in a tenant of its own, its calls in their order."""

import json
import re
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "rules.md"
SECTION = re.compile(r"^## Example: (.+?)$(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
CALL = re.compile(r"```http\n(\w+) (\S+)\n(.*?)```\n```json\n(.*?)```", re.DOTALL)
SECTIONS = dict(SECTION.findall(PAGE.read_text()))
ANYTHING = "…"


def difference(shown, actual, place="reply"):
    """The places in which a reply differs from what the page shows of it: members that it doesn't show may be there."""
    if shown == ANYTHING:
        return [] if actual else [f"{place} is {actual!r}"]
    if isinstance(shown, dict) and isinstance(actual, dict):
        return [text for name, part in shown.items() for text in difference(part, actual.get(name, "nothing"), f"{place}.{name}")]
    if isinstance(shown, list) and isinstance(actual, list) and len(shown) == len(actual):
        pairs = zip(shown, actual, strict=True)
        return [text for index, (part, other) in enumerate(pairs) for text in difference(part, other, f"{place}.{index}")]
    return [] if shown == actual else [f"{place} is {actual!r}, not {shown!r}"]


def test_the_page_has_three_worked_examples():
    assert len(SECTIONS) == 3


@pytest.mark.django_db
@pytest.mark.parametrize("name", SECTIONS)
def test_an_example_is_what_the_calls_answer(caller, name):
    calls = CALL.findall(SECTIONS[name])
    assert len(calls) >= 3
    for method, path, body, shown in calls:
        reply = caller.post(path, body) if method == "POST" else caller.client.get(path, headers=caller.headers)
        assert reply.status_code in {200, 201}, reply.content
        assert difference(json.loads(shown), reply.json()) == [], (method, path)
