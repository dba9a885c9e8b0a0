"""The interfaces of declared bodies and replies, for modules that can't import the classes that implement them."""

from dataclasses import dataclass
from typing import Any, Protocol

from kernel.api.json import Source
from kernel.api.problems import Invalid


@dataclass(frozen=True, slots=True)
class DeclaredField:
    """A declared field with its names: `name` in Python, `wire_name` in JSON, `key` in the rows of a reply."""

    name: str
    wire_name: str
    key: str
    field: Any
    default: Any


class DeclaredShape(Protocol):
    """A Body or Reply class, as a field that holds one sees it: the body's `walk` and the reply's `plain` are its own."""

    @property
    def declared_fields(self) -> tuple[DeclaredField, ...]: ...

    @property
    def reply_members(self) -> frozenset[str]: ...


class BodyShape(DeclaredShape, Protocol):
    """A Body class, as the readers of its bytes see it."""

    @property
    def is_partial(self) -> bool: ...

    def check(self, values: dict[str, Any]) -> dict[str, Any]: ...

    def read_item(self, value: Any, source: Source) -> dict[str, Any] | Invalid: ...

    def read_item_bytes(self, raw: bytes, *, is_part: bool = False) -> dict[str, Any] | Invalid: ...
