"""The registry of correction kinds. Each ledger registers its kinds in its `correction_kinds` module; this module imports no ledger.

A kind posts through its own app's services and returns the entries that it posted. A preview is the same posting, rolled back: there is no
second calculation that could disagree with it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class PostedEntry:
    """An entry that a kind posted.

    `effect`: the signed change of the account's balance. `unit`: the currency or metric of all three amounts. `entry_number` is None for
    an account that doesn't number its entries. Labels are model labels such as "billing.wallet". `remark`: what the person should know
    beforehand, a sentence on each line; a new one stops what was confirmed without it.
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
    remark: str = ""


@dataclass(frozen=True, slots=True)
class FormField:
    """A value that a kind needs besides the rows.

    `type`: amount (signed), positive_amount, amount_or_zero, currency, date, text, choice, tick or id.

    `unless`: the tick that is set instead of giving a value; one of the two must be. `model_label`: of an id, the model whose row it names.
    `find`: of an id, the rows of a tenant that people may mean by another text, each with its title.
    """

    name: str
    label: str
    type: str = "text"
    help: str = ""
    is_required: bool = True
    choices: tuple[tuple[str, str], ...] = ()
    model_label: str = ""
    unless: str = ""
    find: Callable[[UUID, str], Sequence[tuple[UUID, str]]] | None = None


@dataclass(frozen=True, slots=True)
class CorrectionInput:
    """One row to correct, and why. `facts` holds the values of the kind's fields as text.

    `key` is the same for every attempt to correct this row by this request: use it as the idempotency key of what is posted.
    """

    tenant_id: UUID
    actor: str
    request_id: str
    target_id: UUID
    facts: Mapping[str, str]
    reason_code: str
    reason: str
    key: str

    @property
    def audit_context(self) -> dict[str, Any]:
        """The keyword arguments that every service takes: which tenant's ledger, who posts, and by which request."""
        return {"tenant_id": self.tenant_id, "actor": self.actor, "request_id": self.request_id}


def correction_key(correction_id: UUID, target_id: UUID) -> str:
    """The key of a row's correction by a request. Of what is posted by it, credits' kinds and the dashboard tell figures apart."""
    return f"correction:{correction_id}:{target_id}"


class Post(Protocol):
    """Posts the correction of one row inside a transaction that may be rolled back. Raises the ledger's errors."""

    def __call__(self, correction: CorrectionInput) -> list[PostedEntry]: ...


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of correction. `model_label`: the model that it corrects, as "billing.transaction". `applies_to`: whether it fits a row.

    `phrase`: what is asked, as it ends a sentence, with {rows} for what is corrected; by default the title and the rows.
    `takes_what_is_left`: it moves the rest of an account, which other postings make smaller; less than what was seen may be
    posted, never more.
    `cautions`: what the requester and the approver may not expect of it, as sentences, from the tenant, the rows and the facts.
    `make_row`: makes the row that a request is for, if it doesn't exist yet, of a name for it, as this actor, by this HTTP request. Its
    form calls it within a transaction that is rolled back until the request is made. Raises ValueError for what names no row.
    """

    code: str
    model_label: str
    title: str
    description: str
    post: Post
    fields: tuple[FormField, ...] = ()
    applies_to: Callable[[Any], bool] = field(default=lambda row: True)
    cautions: Callable[[UUID, Sequence[UUID], Mapping[str, str]], list[str]] = field(default=lambda tenant_id, target_ids, facts: [])
    takes_many: bool = True
    takes_what_is_left: bool = False
    icon: str = "undo"
    phrase: str = ""
    make_row: Callable[[str, str, str], None] | None = None


_KINDS: dict[str, Kind] = {}


def register(kind: Kind) -> None:
    _KINDS[kind.code] = kind


def unregister(code: str) -> None:
    """Remove a kind: for tests that register their own."""
    _KINDS.pop(code, None)


def get_kind(code: str) -> Kind:
    """Raises KeyError."""
    return _KINDS[code]


def list_kinds(model_label: str) -> list[Kind]:
    """The kinds that correct rows of this model, in the order of their registration."""
    return [kind for kind in _KINDS.values() if kind.model_label == model_label]
