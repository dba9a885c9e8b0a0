"""The fast reader equals the exact one, or leaves the body to it: it never accepts more, and never reads anything else."""

import json

from hypothesis import given
from hypothesis import strategies as some

from kernel.api.fast_reader import NeedsExactReader
from kernel.api.problems import Invalid, RequestRefused
from tests.kernel.api.example_api import SaleRequest, SalesRequest

NUMBERS = some.one_of(
    some.integers().map(str),
    some.from_regex(r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,22})?([eE][+-]?[0-9]{1,4})?", fullmatch=True),
    some.sampled_from(["NaN", "-Infinity", "01", "1.", "-", "1e", "9" * 4301, "-0", "0.0"]),
)
STRINGS = some.one_of(
    some.text(some.characters(exclude_categories=()), max_size=30).map(json.dumps),
    some.text(max_size=30).map(lambda text: json.dumps(text, ensure_ascii=False)),
    some.sampled_from(
        ['"\\ud83d\\ude00"', '"\\u0000"', '"\t"', '"\\x"', '"1_0"', '" 1.5 "', '"1e5"', '".5"', '"USD"', '"open"', '"2024-01-31"']
    ),
    some.datetimes().map(lambda moment: json.dumps(moment.isoformat() + "+02:00")),
    some.uuids().map(lambda identifier: json.dumps(str(identifier))),
)
SCALARS = some.one_of(NUMBERS, STRINGS, some.sampled_from(["null", "true", "false"]))


def _objects(values):
    keys = some.one_of(STRINGS, some.sampled_from(['"a"', '"\\u0061"']))
    return some.lists(some.tuples(keys, values), max_size=4).map(
        lambda pairs: "{" + ", ".join(f"{key}: {value}" for key, value in pairs) + "}"
    )


def _lists(values):
    return some.lists(values, max_size=4).map(lambda items: "[" + " ,".join(items) + "]")


ANYTHING = some.recursive(SCALARS, lambda values: _lists(values) | _objects(values), max_leaves=8)
DEEP = some.integers(1, 300).map(lambda depth: "[" * depth + "]" * depth)
LINES = _lists(
    some.fixed_dictionaries(
        {"unitPrice": STRINGS | some.just('"0.05"'), "isEstimate": some.sampled_from(["true", "1"])}, optional={"lineDetails": ANYTHING}
    ).map(lambda members: "{" + ",".join(f'"{name}":{text}' for name, text in members.items()) + "}")
)
LIKELY = {
    "totalAmount": NUMBERS | some.sampled_from(['"1.50"', "10", "0.05"]),
    "saleKind": STRINGS | some.just('"usage"'),
    "customerId": STRINGS,
    "currency": STRINGS,
    "state": STRINGS,
    "occurredAt": STRINGS,
    "dueDay": STRINGS,
    "quantity": NUMBERS,
    "details": _objects(ANYTHING),
    "lines": LINES,
    "tags": _lists(STRINGS),
    "unknown": ANYTHING | DEEP,
}
VALID = {
    "totalAmount": some.from_regex(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,18})?([eE]-?0)?", fullmatch=True),
    "saleKind": some.text(min_size=1, max_size=20).map(json.dumps),
    "customerId": some.uuids().map(lambda identifier: json.dumps(str(identifier))),
    "currency": some.sampled_from(['"USD"', '"EUR"']),
    "state": some.sampled_from(['"open"', "null"]),
    "occurredAt": some.datetimes().map(lambda moment: json.dumps(moment.isoformat(timespec="microseconds") + "Z")),
    "dueDay": some.dates().map(lambda day: json.dumps(day.isoformat())),
    "quantity": some.integers(1, 1000).map(str),
    "details": _objects(ANYTHING),
    "lines": some.sampled_from(["null", "[]", '[{"unitPrice": "0.05", "isEstimate": true, "lineDetails": {"a": 1.50}}]']),
    "tags": _lists(some.sampled_from(['"a"', '"\\u00e9"'])),
}
REQUIRED = ("totalAmount", "saleKind")
# Mostly good, so that the fast reader has something to read; then up to two members, known or not, of anything at all, perhaps given twice.
MEMBERS = some.fixed_dictionaries(
    {name: VALID[name] for name in REQUIRED},
    optional={name: values for name, values in VALID.items() if name not in REQUIRED},
)
STRANGE = some.sampled_from(sorted(LIKELY)).flatmap(lambda name: some.tuples(some.just(name), LIKELY[name] | ANYTHING | some.just("null")))
BODIES = some.builds(
    lambda members, strange: "{" + ",".join(f'"{name}":{text}' for name, text in [*members.items(), *strange]) + "}",
    MEMBERS,
    some.lists(STRANGE, max_size=2),
).map(lambda text: text.encode("utf-8", "surrogatepass"))


def _fast(kind, raw):
    try:
        return kind.fast.read(raw)
    except NeedsExactReader:
        return None


def _slow(kind, raw):
    try:
        return kind.read_slowly(raw)
    except (Invalid, RequestRefused):
        return "refused"


def _comparable(values):
    """Values with Decimals as their digits (1.0 equals 1.00 otherwise) and the errors of a batch as paths and codes."""
    if isinstance(values, Invalid):
        return [(problem.path, problem.code) for problem in values.fields]
    if isinstance(values, dict):
        return {name: _comparable(value) for name, value in values.items()}
    if isinstance(values, list):
        return [_comparable(value) for value in values]
    return repr(values)


@given(BODIES)
def test_what_is_read_fast_is_read_the_same_slowly(raw):
    fast = _fast(SaleRequest, raw)
    assert fast is None or _comparable(fast) == _comparable(_slow(SaleRequest, raw))


@given(some.lists(BODIES | ANYTHING.map(lambda text: text.encode("utf-8", "surrogatepass")), min_size=1, max_size=5))
def test_batches_are_read_the_same_by_both_readers(items):
    raw = b'{"items": [' + b",".join(items) + b"]}"
    fast = _fast(SalesRequest, raw)
    assert fast is None or _comparable(fast) == _comparable(_slow(SalesRequest, raw))


@given(some.binary(max_size=60) | BODIES.flatmap(lambda raw: some.integers(0, len(raw)).map(lambda cut: raw[:cut] + raw[cut + 1 :])))
def test_broken_bytes_are_refused_and_never_crash(raw):
    fast = _fast(SaleRequest, raw)
    slow = _slow(SaleRequest, raw)
    assert fast is None or _comparable(fast) == _comparable(slow)


@given(_objects(ANYTHING))
def test_a_customers_object_is_kept_to_the_character(text):
    raw = f'{{"totalAmount": 1, "saleKind": "x", "details":  {text} }}'.encode("utf-8", "surrogatepass")
    for read in (_fast(SaleRequest, raw), _slow(SaleRequest, raw)):
        assert read in (None, "refused") or read["details"] == text
