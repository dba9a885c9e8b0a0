"""The examples of the OpenAPI document are real replies, and no operation or error is without one."""

import json
import os
from pathlib import Path

import pytest
from drf_spectacular.generators import SchemaGenerator

from kernel.api import schema
from tests.scenarios.api_examples import EXAMPLES, Recorder

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parent.parent.parent
METHODS = {"get", "post", "put", "patch", "delete"}


@pytest.mark.parametrize("app", sorted(EXAMPLES))
def test_the_recorded_examples_are_what_the_calls_answer_today(client, app):
    recorder = Recorder(client, app)
    EXAMPLES[app](recorder)
    path = ROOT / app / "api" / "examples.json"
    text = json.dumps(recorder.recorded(), indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("UPDATE_API_EXAMPLES"):
        path.write_text(text)
    assert json.loads(path.read_text()) == json.loads(text), "run this test with UPDATE_API_EXAMPLES=1 and read the difference"


def calls():
    schema.examples_of.cache_clear()
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    return [(call["operationId"], call) for operations in paths.values() for method, call in operations.items() if method in METHODS]


def test_every_operation_has_a_description_and_examples_of_its_request_and_reply():
    lacking = []
    for name, call in calls():
        success = next(body for status, body in call["responses"].items() if status.startswith("2"))
        parts = {
            "a description": call.get("description"),
            "a request": "requestBody" not in call or call["requestBody"]["content"]["application/json"].get("example"),
            "a reply": "content" not in success or success["content"]["application/json"].get("example"),
        }
        lacking += [f"{name} lacks {part}" for part, found in parts.items() if not found]
    assert lacking == []


def test_every_error_of_every_operation_has_an_example():
    lacking = [
        f"{name} lacks an example of {status}"
        for name, call in calls()
        for status, body in call["responses"].items()
        if status >= "400" and not body["content"]["application/json"].get("examples")
    ]
    assert lacking == []


def test_every_code_that_an_operation_says_it_refuses_with_has_an_example():
    lacking = set()
    for view, _ in _views():
        recorded = schema.examples_of(view.dialect)["errors"]
        for operation in _operations(view):
            lacking |= {f"{view.dialect.name}: {code}" for code in operation.refuses if code not in recorded}
    assert lacking == set()


def _views():
    from kernel.api.views import LedgerViewSet

    kinds = [LedgerViewSet]
    while kinds:
        kind = kinds.pop()
        kinds += kind.__subclasses__()
        if kind.__module__.partition(".api.")[0].replace(".", "/") in EXAMPLES and hasattr(kind, "dialect"):
            yield kind, kind.__name__


def _operations(view):
    return [method.operation for method in vars(view).values() if hasattr(method, "operation")]
