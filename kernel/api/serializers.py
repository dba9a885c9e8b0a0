"""What an app declares: `Body` for what it reads, `Query` for the parameters of a query string, `Reply` for what it writes.

A class lists its fields as Django's forms and REST framework's serializers do. Its `declared_fields`, made once with the class, give each
field its wire name; parsing, writing and the OpenAPI document follow them.
"""

import io
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from functools import cache
from itertools import islice
from typing import Any, ClassVar

import msgspec
from django.http import QueryDict
from rest_framework.fields import Field as RestField
from rest_framework.fields import empty

from kernel.api import json
from kernel.api.amounts import AmountNumber
from kernel.api.batches import MAX_BATCH_ITEMS
from kernel.api.dialect import Dialect
from kernel.api.fast_reader import FAST_READER_ERRORS, FastReader, NeedsExactReader, is_certain
from kernel.api.fields import Field, storable
from kernel.api.nested import Batch, ListOf, Nested, with_path_prefix
from kernel.api.problems import FieldProblem, Invalid, Refused, RequestRefused
from kernel.api.shapes import DeclaredField
from kernel.api.unknown_names import MAX_REPORTED, unknown_fields

encode = msgspec.json.Encoder().encode


class Declared:
    """The base of the three. A class with a `dialect` is complete; its own docstring goes to the OpenAPI document."""

    dialect: ClassVar[Dialect | None] = None
    declared_fields: ClassVar[tuple[DeclaredField, ...]] = ()
    # Of a body: members of the resource's own replies that are left unread, so that what was read can be sent back.
    reply_members: ClassVar[frozenset[str]] = frozenset()
    _declared: ClassVar[dict[str, Any]] = {}

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = {name: value for name, value in vars(cls).items() if isinstance(value, RestField)}
        inherited = {name: field for base in cls.__bases__ for name, field in getattr(base, "_declared", {}).items()}
        cls._declared = {name: field for name, field in inherited.items() if name not in vars(cls)} | own
        for name in own:
            # A field may be called as a method is, such as `check`.
            delattr(cls, name)
        if cls.dialect is not None:
            cls.declared_fields = tuple(_declared_field(cls.dialect, name, field) for name, field in cls._declared.items())
            cls.compile()

    @classmethod
    def compile(cls) -> None:
        """Make what the class needs for its work, once, when it is declared."""


def _declared_field(dialect: Dialect, name: str, field: Any) -> DeclaredField:
    if not isinstance(field, Field):
        raise TypeError(f"{name}: {type(field).__name__} is no field of kernel.api.")
    wire_name = field.wire_name if field.wire_name is not None else dialect.wire_name(name)
    default = None if field.default is empty else field.default
    return DeclaredField(name=name, wire_name=wire_name, key=field.source or name, field=field, default=default)


class Body(Declared):
    """What a caller sends. Reading finds every problem: of the fields, as declared, then the members that aren't declared."""

    fast: ClassVar[FastReader]
    # Members that aren't declared are refused; where the published contract ignores them, the reply's header Ignored-Fields names them.
    ignores_unknown: ClassVar[bool] = False
    # Where every field is optional, a call may do without a body at all.
    may_be_empty: ClassVar[bool] = False
    # Of a PATCH: a member that is absent isn't among the values. A null is among them, as None.
    is_partial: ClassVar[bool] = False
    # A body with a batch in it may be as large as API_BATCH_BODY_LIMIT, others as API_BODY_LIMIT.
    has_batch: ClassVar[bool] = False

    @classmethod
    def compile(cls) -> None:
        cls.fast = FastReader(cls, name=cls.__name__)
        cls.has_batch = any(isinstance(member.field, Batch) for member in cls.declared_fields)

    @classmethod
    def check(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Rules across fields, once each field is good; returns the values, perhaps completed. Raises Refused(code, field=...)."""
        return values

    @classmethod
    def read(cls, raw: bytes, *, is_json: bool = True, is_part: bool = False, ignored: list[str] | None = None) -> dict[str, Any]:
        """The values by declared name, every name present. `is_json`: whether the Content-Type is JSON. `is_part`: of a text that
        `is_certain` has taken. `ignored` takes the paths of the members that were ignored. Raises Invalid, RequestRefused."""
        if not raw:
            if cls.may_be_empty:
                return cls.parse_fields({}, None)
            raise RequestRefused("empty_body")
        if not is_json and cls.dialect is not None and cls.dialect.requires_json_type:
            raise RequestRefused("not_json_type", value=raw.decode(errors="replace"))
        json.check_complexity(raw, is_batch=cls.has_batch)
        try:
            return cls.fast.read(raw, is_part=is_part)
        except NeedsExactReader:
            return cls.read_slowly(raw, ignored=ignored)

    @classmethod
    def read_slowly(cls, raw: bytes, *, ignored: list[str] | None = None) -> dict[str, Any]:
        """The same for a body that isn't empty, by the exact path. Raises Invalid, RequestRefused."""
        value, source = json.parse_exact(raw)
        if not isinstance(value, dict):
            raise RequestRefused("not_an_object", value=value)
        return cls.read_object(value, source, ignored=ignored)

    @classmethod
    def read_object(cls, value: dict[str, Any], source: json.Source, *, ignored: list[str] | None = None) -> dict[str, Any]:
        """The same for a parsed object. Raises Invalid with every problem."""
        values: dict[str, Any] = {}
        problems: tuple[FieldProblem, ...] = ()
        try:
            values = cls.parse_fields(value, source)
        except Invalid as invalid:
            problems = invalid.fields
        unknown = tuple(islice(unknown_fields(cls, value), MAX_REPORTED + 1))
        if not cls.ignores_unknown:
            problems += unknown[:MAX_REPORTED]
        elif ignored is not None:
            ignored.extend(".".join(map(str, problem.path)) for problem in unknown)
        if problems:
            raise Invalid(problems)
        return values

    @classmethod
    def read_list(cls, raw: bytes, *, max_items: int = MAX_BATCH_ITEMS) -> list[dict[str, Any] | Invalid]:
        """A body that is a JSON array: for each item its values, or the Invalid that refuses it. Raises Invalid, RequestRefused."""
        batch = Batch(cls, min_items=0, max_items=max_items)
        if not raw:
            raise RequestRefused("empty_body")
        json.check_complexity(raw, is_batch=True)
        try:
            if is_certain(raw):
                return batch.parse_raw(raw)
        except FAST_READER_ERRORS:
            pass  # The exact path below finds out what is wrong.
        value, source = json.parse_exact(raw)
        try:
            return batch.parse(value, source)
        except Refused as refusal:
            raise Invalid([FieldProblem((), refusal.code, refusal.facts, value)]) from refusal

    @classmethod
    def read_lines(cls, raw: bytes) -> Iterator[dict[str, Any] | Invalid]:
        """Newline-delimited JSON, one outcome per line that isn't blank."""
        for line in io.BytesIO(raw):
            if line.strip():
                yield cls.read_item_bytes(line)

    @classmethod
    def read_item_bytes(cls, raw: bytes, *, is_part: bool = False) -> dict[str, Any] | Invalid:
        """One item of a batch from its bytes: its values, or why it is refused. `is_part` as in `read`."""
        try:
            return cls.read(raw, is_part=is_part)
        except Invalid as invalid:
            return invalid
        except RequestRefused as refusal:
            facts = dict(refusal.facts)
            value = facts.pop("value", None)
            code = "not_json_object" if refusal.code == "not_an_object" else refusal.code
            return Invalid([FieldProblem((), code, facts, value)])

    @classmethod
    def read_item(cls, value: Any, source: json.Source) -> dict[str, Any] | Invalid:
        """One item of a batch from its parsed value: its values, or why it is refused."""
        if not isinstance(value, dict):
            return Invalid([FieldProblem((), "not_json_object", {}, value)])
        try:
            return cls.fast.read(source.raw.encode(errors="surrogatepass"))
        except NeedsExactReader:
            pass  # The exact path below decides.
        try:
            return cls.read_object(value, source)
        except Invalid as invalid:
            return invalid

    @classmethod
    def parse_fields(cls, value: dict[str, Any], source: json.Source | None) -> dict[str, Any]:
        """Read the declared fields of a parsed object, one by one. Raises Invalid with every problem of theirs."""
        values: dict[str, Any] = {}
        problems: list[FieldProblem] = []
        for member in cls.declared_fields:
            if cls.is_partial and member.wire_name not in value:
                continue
            try:
                values[member.name] = _member(member, value, source)
            except Refused as refusal:
                given = value.get(member.wire_name, value)
                problems.append(FieldProblem((member.wire_name,), refusal.code, refusal.facts, given))
            except Invalid as invalid:
                problems.extend(with_path_prefix(member.wire_name, invalid))
        return _checked(cls, values, value, problems)


class Query(Declared):
    """Parameters of a query string, each optional unless declared required. LedgerViewSet refuses unknown and repeated ones."""

    # The beginnings of further names that a call takes and checks itself, because the tenant has declared them.
    open_names: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def check(cls, values: dict[str, Any]) -> dict[str, Any]:
        """As in Body."""
        return values

    @classmethod
    def read(cls, parameters: QueryDict) -> dict[str, Any]:
        """The values by declared name, every name present. Raises Invalid with place `query`."""
        values: dict[str, Any] = {}
        problems: list[FieldProblem] = []
        given: dict[str, Any] = {
            member.wire_name: parameters[member.wire_name] for member in cls.declared_fields if member.wire_name in parameters
        }
        for member in cls.declared_fields:
            try:
                values[member.name] = _parameter(member, given)
            except Refused as refusal:
                problems.append(FieldProblem((member.wire_name,), refusal.code, refusal.facts, given.get(member.wire_name)))
        try:
            return _checked(cls, values, given, problems)
        except Invalid as invalid:
            raise Invalid(invalid.fields, place="query") from invalid


class Reply(Declared):
    """How a service's row is written in JSON. A field that isn't `required` may be missing from the row."""

    steps: ClassVar[list[tuple[str, str, Any, bool, bool]]] = []
    omits_absent: ClassVar[bool | None] = None

    @classmethod
    def compile(cls) -> None:
        if cls.omits_absent is None:
            cls.omits_absent = cls.dialect is not None and cls.dialect.omits_absent
        omits = cls.omits_absent
        cls.steps = [
            (member.wire_name, member.key, _writer_of(member.field), required, (omits or member.field.omitted) and not required)
            for member in cls.declared_fields
            for required in [member.field.required]
        ]

    @classmethod
    def plain(cls, row: Any) -> dict[str, Any]:
        """The row as msgspec can encode it. `row`: a mapping, or an object with attributes; nothing is fetched."""
        body: dict[str, Any] = {}
        # dict is checked first: isinstance with the abstract Mapping takes longer than reading a field.
        is_mapping = isinstance(row, dict) or isinstance(row, Mapping)  # noqa: SIM101
        for wire_name, key, write, required, omits in cls.steps:
            if is_mapping:
                value = row[key] if required else row.get(key)
            else:
                value = getattr(row, key) if required else getattr(row, key, None)
            if value is not None:
                body[wire_name] = value if write is None else write(value)
            elif not omits:
                body[wire_name] = None
        return body

    @classmethod
    def render(cls, row: Any) -> bytes:
        """The row as JSON."""
        return encode(cls.plain(row))


@cache
def money_as_text(reply: type[Reply]) -> type[Reply]:
    """The same reply with money as strings where it writes numbers; the reply itself if it writes none."""
    fields = {member.name: _text_field(member.field) for member in reply.declared_fields}
    if all(fields[member.name] is member.field for member in reply.declared_fields):
        return reply
    return type(reply.__name__, (reply,), fields)


def _text_field(field: Any) -> Any:
    changed: dict[str, Any] = {}
    if isinstance(field, AmountNumber):
        changed = {"is_written_as_text": True}
    elif isinstance(field, Nested):
        changed = {"shape": money_as_text(field.shape)}
    elif isinstance(field, ListOf):
        changed = {"child": _text_field(field.child)}
    if all(getattr(field, name) is value for name, value in changed.items()):
        return field
    field = copy(field)
    vars(field).update(changed)
    return field


def _writer_of(field: Field) -> Callable[[Any], Any] | None:
    """How a field writes a value; None where it is written unchanged."""
    return None if type(field).plain is Field.plain else field.plain


def _member(member: DeclaredField, value: dict[str, Any], source: json.Source | None) -> Any:
    if member.wire_name not in value:
        if member.field.required:
            raise Refused("missing")
        return member.default
    given = value[member.wire_name]
    if given is None:
        if member.field.allow_null:
            return member.default
        raise Refused("null", expected=member.field.type_code)
    return member.field.parse(given, _LazySource(source, member.wire_name) if source else None)


def _parameter(member: DeclaredField, given: Mapping[str, str]) -> Any:
    if member.wire_name not in given:
        if member.field.required:
            raise Refused("missing")
        return member.default
    return member.field.parse_text(storable(given[member.wire_name]))


def _checked(declared: Any, values: dict[str, Any], given: Mapping[str, Any], problems: list[FieldProblem]) -> dict[str, Any]:
    """The values after the rules across fields (`check`). Raises Invalid, without them if any field has a problem."""
    if problems:
        raise Invalid(problems)
    try:
        return declared.check(values)
    except Refused as refusal:
        wire_name = {member.name: member.wire_name for member in declared.declared_fields}
        path = (wire_name[refusal.field],) if refusal.field else ()
        value = given.get(path[0], given) if path else given
        raise Invalid([FieldProblem(path, refusal.code, refusal.facts, value)]) from refusal


class _LazySource:
    """A member's place in the text, searched only when a field needs it: most never do."""

    __slots__ = ("_key", "_source")

    def __init__(self, source: json.Source, key: str) -> None:
        self._source = source
        self._key = key

    @property
    def raw(self) -> str:
        return self._source.part(self._key).raw

    def part(self, key: Any) -> json.Source:
        return self._source.part(self._key).part(key)
