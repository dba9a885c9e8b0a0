"""Names that a caller sends and the call doesn't have: a misspelt field or parameter must not be lost in silence.

The sentence about one stands under `unknown_name` in each API's dialect (`<app>/api/dialect.py`; kernel/api/camel_case_dialect.py).
"""

from collections.abc import Iterable, Iterator, Mapping
from difflib import SequenceMatcher
from itertools import islice
from typing import Any
from urllib.parse import quote

from django.http import QueryDict

from kernel.api.nested import Batch, ListOf, Nested
from kernel.api.problems import FieldProblem, Path
from kernel.api.shapes import DeclaredField, DeclaredShape

# So many names are reported; a body may hold hundreds of thousands.
MAX_REPORTED = 20
# No declared name is longer, so that a longer one resembles none.
_LONGEST_NAME = 60
# Below this the resemblance is by chance.
_LEAST_RESEMBLANCE = 0.65


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that a misspelt one resembles most; case, `_` and `-` aside (`invoice_ID` is near `invoiceId`)."""
    if not name or len(name) > _LONGEST_NAME:
        return None
    score, match = max(((_resemblance(name, candidate), candidate) for candidate in known), default=(0.0, None))
    return match if score >= _LEAST_RESEMBLANCE else None


def _resemblance(name: str, candidate: str) -> float:
    """From 0 to about 1. In `filter[state]` the part in brackets counts most: the part before it is the same in many names."""
    (prefix, inner), (other_prefix, other_inner) = _parts(name), _parts(candidate)
    score = SequenceMatcher(None, inner, other_inner).ratio() + (0.1 if inner[:1] == other_inner[:1] else 0)
    if prefix and prefix == other_prefix:
        return max(score, _LEAST_RESEMBLANCE + score / 10)
    return score


def _parts(name: str) -> tuple[str, str]:
    folded = name.lower().replace("_", "").replace("-", "")
    prefix, bracket, inner = folded.partition("[")
    return (prefix, inner.rstrip("]")) if bracket else ("", folded)


def unknown_name(path: Path, *, known: Iterable[str], value: Any) -> FieldProblem:
    """The problem of a name that the call doesn't have. Facts: nearest (or None) and hint, the same as the end of a sentence."""
    match = nearest(str(path[-1]), known)
    return FieldProblem(path, "unknown_name", {"nearest": match, "hint": f"; did you mean {match}?" if match else ""}, value)


def parameter_problems(
    declared_fields: Iterable[DeclaredField], parameters: QueryDict, *, open_names: tuple[str, ...] = ()
) -> list[FieldProblem]:
    """The problems of all query parameters that a call doesn't declare, and of those that are sent twice. `open_names`: the beginnings of
    names that the call checks itself."""
    known = [member.wire_name for member in declared_fields]
    problems = []
    for name, values in islice(parameters.lists(), MAX_REPORTED + len(known)):
        if name not in known and not name.startswith(open_names):
            problems.append(unknown_name((name,), known=known, value=values[-1]))
        elif len(values) > 1:
            problems.append(FieldProblem((name,), "repeated_name", {}, values[-1]))
    return problems[:MAX_REPORTED]


def unknown_fields(shape: DeclaredShape, value: Mapping[str, Any]) -> Iterator[FieldProblem]:
    """The problems of all members that a body doesn't declare, nested ones included. A Batch's items are read by themselves."""
    fields = {member.wire_name: member.field for member in shape.declared_fields}
    for name, member in value.items():
        if name in fields:
            yield from _unknown_within(name, fields[name], member)
        elif name not in shape.reply_members:
            yield unknown_name((name,), known=fields, value=member)


def _unknown_within(name: str, field: Any, member: Any) -> Iterator[FieldProblem]:
    for steps, shape, nested in _nested_objects(field, member):
        for problem in unknown_fields(shape, nested):
            yield FieldProblem((name, *steps, *problem.path), problem.code, problem.facts, problem.value)


def _nested_objects(field: Any, value: Any) -> list[tuple[Path, DeclaredShape, dict[str, Any]]]:
    """The objects within a field's value that declare fields of their own: their path, their body class, the object."""
    if isinstance(field, Nested):
        return [((), field.shape, value)] if isinstance(value, dict) else []
    if isinstance(field, ListOf) and not isinstance(field, Batch) and isinstance(field.child, Nested) and isinstance(value, list):
        return [((index,), field.child.shape, item) for index, item in enumerate(value) if isinstance(item, dict)]
    return []


def header_value(names: Iterable[str]) -> str:
    """Names for the header `Ignored-Fields`, percent-encoded where they aren't plain; the first MAX_REPORTED, then `*` for the rest."""
    names = list(names)
    listed = [quote(name[:_LONGEST_NAME], safe=".[]", errors="replace") for name in names[:MAX_REPORTED]]
    return ", ".join([*listed, "*"] if len(names) > MAX_REPORTED else listed)
