"""The fast reader equals the exact one, or leaves the body to it: it never accepts more, and never reads anything else."""

import json

from hypothesis import given
from hypothesis import strategies as some

from kernel.wire.fast import Unsure
from kernel.wire.problems import Invalid, RequestRefused
from tests.kernel.wire.shop import SaleRequest, SalesRequest

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
MEMBERS = some.fixed_dictionaries(
    {"totalAmount": LIKELY["totalAmount"], "saleKind": some.just('"usage"') | STRINGS},
    optional={name: values | ANYTHING | some.just("null") for name, values in LIKELY.items() if name not in {"totalAmount", "saleKind"}},
)
BODIES = some.builds(
    lambda members, twice: "{" + ",".join(f'"{name}":{text}' for name, text in [*members.items(), *twice]) + "}",
    MEMBERS,
    some.lists(some.tuples(some.sampled_from(sorted(LIKELY)), ANYTHING), max_size=1),
).map(lambda text: text.encode("utf-8", "surrogatepass"))


def _fast(kind, raw):
    try:
        return kind.fast.read(raw)
    except Unsure:
        return None


def _slow(kind, raw):
    try:
        return kind.read_slowly(raw)
    except (Invalid, RequestRefused):
        return "refused"


def _told(values):
    """Values with the refusals of a batch as what they say; and Decimals by their digits, which equality doesn't tell apart."""
    if isinstance(values, Invalid):
        return [(problem.path, problem.code) for problem in values.fields]
    if isinstance(values, dict):
        return {name: _told(value) for name, value in values.items()}
    if isinstance(values, list):
        return [_told(value) for value in values]
    return repr(values)


@given(BODIES)
def test_what_is_read_fast_is_read_the_same_slowly(raw):
    fast = _fast(SaleRequest, raw)
    assert fast is None or _told(fast) == _told(_slow(SaleRequest, raw))


@given(some.lists(BODIES | ANYTHING.map(lambda text: text.encode("utf-8", "surrogatepass")), min_size=1, max_size=5))
def test_batches_are_read_the_same_by_both_readers(items):
    raw = b'{"items": [' + b",".join(items) + b"]}"
    fast = _fast(SalesRequest, raw)
    assert fast is None or _told(fast) == _told(_slow(SalesRequest, raw))


@given(some.binary(max_size=60) | BODIES.flatmap(lambda raw: some.integers(0, len(raw)).map(lambda cut: raw[:cut] + raw[cut + 1 :])))
def test_broken_bytes_are_refused_and_never_crash(raw):
    fast = _fast(SaleRequest, raw)
    slow = _slow(SaleRequest, raw)
    assert fast is None or _told(fast) == _told(slow)


@given(_objects(ANYTHING))
def test_a_customers_object_is_kept_to_the_character(text):
    raw = f'{{"totalAmount": 1, "saleKind": "x", "details":  {text} }}'.encode("utf-8", "surrogatepass")
    for read in (_fast(SaleRequest, raw), _slow(SaleRequest, raw)):
        assert read in (None, "refused") or read["details"] == text
