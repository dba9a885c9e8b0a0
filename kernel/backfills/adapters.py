"""What a ledger implements so that its rows can be imported from files. The engine knows nothing else about the ledger."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from kernel.backfills.models import BackfillRun
from kernel.backfills.reading.columns import Column
from kernel.backfills.reading.rows import Posting
from kernel.tenants.models import Tenant

# Codes of outcomes; the first is POSTED.
ALREADY_THERE, CONFLICT = "already_there", "conflict"
# --skip-rows-where names the row.
SKIPPED = "skipped"
# The row's type isn't in the catalogue and the file gives no direction for it. The plan lists these types (Adapter.type_directions).
UNKNOWN_TYPE = "unknown_type"


# By code: the direction, and whether the type is in the catalogue.
NewTypes = dict[str, tuple[str, bool]]


@dataclass(frozen=True, slots=True)
class Existing:
    """The row of the ledger that has a posting's key. `recorded`: see Adapter.recorded."""

    id: str
    digest: bytes
    recorded: bytes = b""
    # The request that posted it; "run:<id>" for a row of a backfill.
    request_id: str = ""


@dataclass(slots=True)
class Account:
    """A balance that postings move: `before` in the ledger, `now` as the plan leaves it.

    `lower_limit`: the balance may not fall below it (None: no limit): the floor of a wallet, what is held of a grant, or zero. `latest`:
    occurred_at of the newest entry. `terms`: facts that only the ledger's own `refusal` reads. An account with `is_listed=False` is a limit
    of another account and isn't shown in the plan.
    """

    name: str
    label: str
    unit: str
    before: Decimal = Decimal(0)
    now: Decimal = Decimal(0)
    lower_limit: Decimal | None = None
    latest: datetime | None = None
    is_listed: bool = True
    rows: int = 0
    refused: int = 0
    terms: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The outcome of one posting: a code of this module, or the code of the ledger's error with its reason in `why`."""

    code: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Blocker:
    """A later row of the ledger that depends on a row of a run. The run can't be undone before it is reversed."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class UndoStep:
    """One batch of an undo: how many rows were reversed, and the lowest id that it looked at, below which the next batch looks."""

    reversed: int
    lowest_id: Any = None


class Adapter(ABC):
    """One ledger's side of a backfill. Stateless: everything about a run is in the arguments."""

    command: ClassVar[str]
    noun: ClassVar[str]
    columns: ClassVar[tuple[Column, ...]]
    # Columns of the ledger's export that a backfill ignores, because posting computes them.
    skipped_columns: ClassVar[tuple[str, ...]] = ()
    # The names of the facts in Posting.digest, in the ledger's order.
    facts: ClassVar[tuple[str, ...]] = ()
    # The directions that --new-type may give to a type; empty where the ledger has no catalogue of types.
    type_directions: ClassVar[tuple[str, ...]] = ()
    # The column whose sign the options of signs change, and the column that --key-from makes; empty where the ledger has none.
    amount_column: ClassVar[str] = ""
    key_column: ClassVar[str] = "idempotency_key"
    reversals_have_the_original_type: ClassVar[bool] = False
    # Columns that name the account of a row, for --jobs: the rows of one account are posted in order, those of others beside them. Empty
    # where rows don't depend on each other: they are then divided by their keys.
    account_columns: ClassVar[tuple[str, ...]] = ()
    # Columns that hold the key of another row of the same file.
    key_references: ClassVar[tuple[str, ...]] = ()
    # Columns that hold lists of parts, which in an export have ids and keys of their own.
    part_columns: ClassVar[tuple[str, ...]] = ()

    def defaults(self, tenant: Tenant) -> dict[str, Any]:
        """Values for columns that neither the row nor --set gives."""
        return {}

    def known_types(self, tenant: Tenant) -> Iterable[str]:
        """The codes of the tenant's types, for suggestions of near spellings."""
        return ()

    def directions(self, tenant: Tenant) -> Mapping[str, str]:
        """The known types' directions (debit, credit or another word for signed), by code: for --signs effect."""
        return {}

    def names_of(self, posting: Posting) -> Iterable[tuple[str, str]]:
        """The names that a posting of a plan uses, as (noun, name): types, services, agents, customers, currencies."""
        return ()

    def known_names(self, tenant: Tenant, noun: str, names: Sequence[str]) -> Iterable[str]:
        """Those of the names that the ledger has, in one query."""
        return ()

    def recorded(self, tenant: Tenant, ids: Sequence[str]) -> Mapping[str, bytes]:
        """For rows of the ledger, by id: the digest of the facts that they record, with the defaults that their callers left out.

        Compared with Posting.meant. Empty where the ledger compares only what was stated.
        """
        return {}

    @abstractmethod
    def prepare(self, values: dict[str, Any]) -> Posting:
        """Make a posting of a row's values. Runs in a process without a database connection. Raises RowRefused."""

    def pack(self, posting: Posting, audit: Mapping[str, Any]) -> None:  # noqa: B027 - optional: it only saves time
        """Encode a prepared posting with `audit` (tenant_id, actor, request_id) as its `payload`; keep in `body` only what is still needed.

        Runs in the reading process, for rows that will be posted.
        """

    def complete(  # noqa: B027 - few ledgers need it
        self, tenant: Tenant, postings: Sequence[Posting], new_types: NewTypes | None = None
    ) -> None:
        """Add what only the ledger knows (the direction of a type, the id behind a reference) to postings, packed or not.

        `new_types` holds what earlier rows of the file decided about types that the ledger lacks; this adds to it.
        """

    def simulate(self, tenant: Tenant, postings: Sequence[Posting]) -> None:  # noqa: B027 - `prepare` may have set them
        """For a plan: set the `effects` of complete postings that aren't packed."""

    def sizes(self, posting: Posting) -> Sequence[tuple[str, Decimal]]:
        """How much a posting of a plan moves, by unit, with its sign: what one person may do alone depends on it."""
        return posting.amounts

    @abstractmethod
    def existing(self, tenant: Tenant, keys: Sequence[str]) -> Mapping[str, Existing]:
        """The rows of the ledger that have these keys, in one query."""

    def accounts(self, tenant: Tenant, names: Sequence[str]) -> Mapping[str, Account]:
        """Those of the named accounts that the ledger has, in one query."""
        return {}

    def new_account(self, tenant: Tenant, name: str, posting: Posting) -> Account | None:
        """The account that this posting would open; None if the posting is refused when the account is missing."""
        return None

    def refusal(self, account: Account, posting: Posting, effect: Decimal) -> Outcome | None:
        """Why the ledger would refuse this effect on this account. Must decide exactly as its posting function does."""
        if account.lower_limit is None or effect >= 0 or account.now + effect >= account.lower_limit:
            return None
        left = account.now + effect
        return Outcome("insufficient", f"{account.label} would fall to {left:f}, and may not fall below {account.lower_limit:f}")

    def apply(self, account: Account, posting: Posting, effect: Decimal) -> None:
        """Add an effect that isn't refused to the simulated balance."""
        account.now += effect

    def missing(self, name: str) -> Outcome:
        """The outcome of a posting whose account, or original, doesn't exist."""
        return Outcome("not_found", f"there is no {name}")

    @abstractmethod
    def post(self, tenant: Tenant, postings: Sequence[Posting], run: BackfillRun) -> Sequence[Outcome]:
        """Post through the ledger's own service, inside the caller's transaction; one outcome for each posting, in order."""

    @abstractmethod
    def blockers(self, tenant: Tenant, run: BackfillRun, *, at_most: int) -> Iterable[Blocker]:
        """Later rows of the ledger that depend on the run's rows."""

    @abstractmethod
    def undo(self, tenant: Tenant, run: BackfillRun, *, at_most: int, actor: str, below: Any) -> UndoStep:
        """Reverse up to `at_most` rows of the run that aren't reversed yet, newest first, inside the caller's transaction.

        `below`: the `lowest_id` of the previous batch; None starts at the newest row.
        """


def actor_of(run: BackfillRun) -> str:
    """The actor on a run's rows."""
    return f"command:{run.command}:{run.id}"


def audit_fields(run: BackfillRun) -> dict[str, Any]:
    """Tenant, actor and request id of the rows that a run posts."""
    return {"tenant_id": run.tenant_id, "actor": actor_of(run), "request_id": run.request_id}
