"""Objects and lists within bodies and replies."""

from typing import Any

import msgspec

from kernel.api.batches import MAX_BATCH_ITEMS
from kernel.api.fields import Field
from kernel.api.json import Source
from kernel.api.problems import FieldProblem, Invalid, Refused
from kernel.api.shapes import BodyShape


class Nested(Field):
    """One object: a Body class where it is read, a Reply class where it is written."""

    type_code = "not_json_object"

    def __init__(self, shape: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shape = shape

    def parse(self, value: Any, source: Source | None = None) -> Any:
        if not isinstance(value, dict):
            raise Refused("not_json_object")
        return self.shape.parse_fields(value, source)

    def plain(self, value: Any) -> Any:
        return self.shape.plain(value)


class ListOf(Field):
    """A list of values of one field, `ListOf(Text())`, or of objects, `ListOf(Nested(CostBody))`."""

    type_code = "not_a_list"

    def __init__(self, child: Field, *, min_items: int = 0, max_items: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.child = child
        self.min_items = min_items
        self.max_items = max_items

    def check_length(self, items: list[Any]) -> None:
        """Raises Refused: too_short, too_long."""
        if len(items) < self.min_items:
            raise Refused("too_short", min=self.min_items)
        if self.max_items is not None and len(items) > self.max_items:
            raise Refused("too_long", max=self.max_items)

    def parse(self, value: Any, source: Source | None = None) -> list[Any]:
        if not isinstance(value, list):
            raise Refused("not_a_list")
        self.check_length(value)
        parsed, problems = [], []
        for index, item in enumerate(value):
            try:
                parsed.append(self._item(item, source and source.part(index)))
            except Refused as refusal:
                problems.append(FieldProblem((index,), refusal.code, refusal.facts, item))
            except Invalid as invalid:
                problems.extend(with_path_prefix(index, invalid))
        if problems:
            raise Invalid(problems)
        return parsed

    def _item(self, item: Any, source: Source | None) -> Any:
        if item is not None:
            return self.child.parse(item, source)
        if self.child.allow_null:
            return None
        raise Refused("null", expected=self.child.type_code)

    def plain(self, value: Any) -> list[Any]:
        return [None if item is None else self.child.plain(item) for item in value]


class Batch(ListOf):
    """A list of objects that are refused one by one: read as a list with, for each item, its values or the Invalid that refuses it."""

    fast_type = msgspec.Raw

    def __init__(self, shape: BodyShape, *, min_items: int = 1, max_items: int = MAX_BATCH_ITEMS, **kwargs: Any) -> None:
        super().__init__(Nested(shape), min_items=min_items, max_items=max_items, **kwargs)
        self.shape = shape

    def parse(self, value: Any, source: Source | None = None) -> list[Any]:
        if not isinstance(value, list):
            raise Refused("not_a_list")
        self.check_length(value)
        if source is None:
            raise TypeError("The items of a batch are read from a body's text.")
        return [self.shape.read_item(item, source.part(index)) for index, item in enumerate(value)]

    def parse_raw(self, raw: bytes) -> list[Any]:
        items = msgspec.json.decode(raw, type=list[msgspec.Raw])
        self.check_length(items)
        return [self.shape.read_item_bytes(bytes(item), is_part=True) for item in items]


def with_path_prefix(step: str | int, invalid: Invalid) -> list[FieldProblem]:
    """The problems of something nested, as seen from the object that holds it."""
    return [FieldProblem((step, *problem.path), problem.code, problem.facts, problem.value) for problem in invalid.fields]
