"""What can be corrected, and how: each ledger registers its kinds; this module knows none of them.

A kind posts through its own app's services and then says what it posted. There is no second calculation of what would happen: a preview
is the posting itself, taken back.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Posted:
    """An entry that a kind posted. `effect`: what it did to the account; `unit`: the currency or the metric of all three amounts.

    `entry_number` is None for an account that doesn't number its entries.
    """

    account_label: str
    account_id: UUID
    account_name: str
    entry_number: int | None
    what: str
    unit: str
    effect: Decimal
    balance_before: Decimal
    balance_after: Decimal
    entry_label: str
    entry_id: UUID


@dataclass(frozen=True, slots=True)
class Question:
    """What a kind has to know besides the rows. `form`: amount, amount_or_zero, text, choice or id."""

    name: str
    label: str
    form: str = "text"
    help: str = ""
    is_required: bool = True
    choices: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """One row to correct, and why: what a kind is given. `key` is the same for each attempt at the same line of the same request."""

    tenant_id: UUID
    actor: str
    request_id: str
    target_id: UUID
    facts: Mapping[str, str]
    reason_code: str
    reason: str
    key: str


class Post(Protocol):
    """Posts one row's correction; raises the ledger's errors. It runs inside a transaction that may be rolled back."""

    def __call__(self, case: Case) -> list[Posted]: ...


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of correction. `label`: the model it corrects, as "billing.transaction". `fits`: whether it can apply to a row at all."""

    code: str
    label: str
    title: str
    does: str
    post: Post
    questions: tuple[Question, ...] = ()
    fits: Callable[[Any], bool] = field(default=lambda row: True)
    takes_many: bool = True
    icon: str = "undo"


_KINDS: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    _KINDS[kind.code] = kind


def get_kind(code: str) -> Kind:
    """Raises KeyError."""
    return _KINDS[code]


def kinds_for(label: str) -> list[Kind]:
    """The kinds that correct rows of this model, in the order they were registered."""
    return [kind for kind in _KINDS.values() if kind.label == label]


def forget(code: str) -> None:
    """Take a kind away again: for tests that bring their own."""
    _KINDS.pop(code, None)
