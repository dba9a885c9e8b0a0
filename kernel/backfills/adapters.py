"""What a ledger tells the engine about itself, so that its history can be brought in. The engine knows nothing else of it."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from kernel.backfills.columns import Column
from kernel.backfills.models import BackfillRun
from kernel.backfills.rows import Posting
from kernel.tenants.models import Tenant

POSTED, ALREADY_THERE, CONFLICT = "posted", "already_there", "conflict"


@dataclass(frozen=True, slots=True)
class Existing:
    """What the book already holds under a posting's key."""

    id: str
    digest: bytes


@dataclass(slots=True)
class Account:
    """A balance that postings move: as the book has it before, and as the plan leaves it.

    `lowest` is what it may not fall below (None: no limit), `held` what stands on it reserved, `latest` the newest entry's moment in the
    world. `terms` are the ledger's own, for its `refusal`. An account that isn't `shown` is a limit of another one.
    """

    name: str
    label: str
    unit: str
    before: Decimal = Decimal(0)
    now: Decimal = Decimal(0)
    lowest: Decimal | None = None
    latest: datetime | None = None
    is_listed: bool = True
    rows: int = 0
    refused: int = 0
    terms: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the ledger's posting function said to one posting: a code of this module or the ledger's own refusal, with a reason to show."""

    code: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Blocker:
    """A later fact that rests on a row of a run: while it stands, the run can't be taken back."""

    what: str
    why: str


@dataclass(frozen=True, slots=True)
class UndoStep:
    """One batch of an undo: how many rows were reversed, and where the next batch may begin to look. Zero means that none is left there."""

    reversed: int
    lowest: Any = None


class Adapter(ABC):
    """One ledger's side of a backfill. Stateless: everything it knows of a run is in its arguments."""

    command: ClassVar[str]
    noun: ClassVar[str]
    columns: ClassVar[tuple[Column, ...]]
    # Columns of the ledger's export that a backfill reads over: the book makes them itself.
    skipped_columns: ClassVar[tuple[str, ...]] = ()
    # The facts behind Posting.digest, in the ledger's order.
    facts: ClassVar[tuple[str, ...]] = ()

    def defaults(self, tenant: Tenant) -> dict[str, Any]:
        """Values of columns that neither the row nor --set gives."""
        return {}

    @abstractmethod
    def prepare(self, values: dict[str, Any]) -> Posting:
        """A row's values as a posting; called in a process without a database. Raises RowRefused."""

    def pack(self, posting: Posting, who: Mapping[str, Any]) -> None:  # noqa: B027 - a speed, not a duty
        """Encode a prepared posting by `who` (tenant_id, actor, request_id) as its `line`, and leave in `body` only what is needed still.

        Called where `prepare` is, for rows that are to be posted.
        """

    def complete(self, tenant: Tenant, postings: Sequence[Posting]) -> None:  # noqa: B027 - few ledgers need it
        """Add to prepared postings, packed or not, what only the book knows (the direction of a type, the id behind a reference)."""

    def simulate(self, tenant: Tenant, postings: Sequence[Posting]) -> None:  # noqa: B027 - `prepare` may know them already
        """Give complete postings that are not packed their effects, for the plan."""

    @abstractmethod
    def existing(self, tenant: Tenant, keys: Sequence[str]) -> Mapping[str, Existing]:
        """What the book holds under these keys; one query for all."""

    def accounts(self, tenant: Tenant, names: Sequence[str]) -> Mapping[str, Account]:
        """The accounts of these names that the book has; one query for all."""
        return {}

    def new_account(self, tenant: Tenant, name: str, posting: Posting) -> Account | None:
        """The account that this posting would open, or None where it would be refused for want of it."""
        return None

    def refusal(self, account: Account, posting: Posting, effect: Decimal) -> Outcome | None:
        """Why the ledger would refuse this effect on this account, by the same rules as its posting function."""
        if account.lowest is None or effect >= 0 or account.now + effect >= account.lowest:
            return None
        return Outcome("insufficient", f"{account.label} would fall to {account.now + effect:f}, its lowest is {account.lowest:f}")

    def apply(self, account: Account, posting: Posting, effect: Decimal) -> None:
        """Move a simulated account by an effect that isn't refused."""
        account.now += effect

    def missing(self, name: str) -> Outcome:
        """How the plan tells that an account doesn't exist."""
        return Outcome("not_found", f"there is no {name}")

    @abstractmethod
    def post(self, tenant: Tenant, postings: Sequence[Posting], run: BackfillRun) -> Sequence[Outcome]:
        """Post through the ledger's own service, inside the caller's transaction; one outcome for each, in order."""

    @abstractmethod
    def blockers(self, tenant: Tenant, run: BackfillRun, *, at_most: int) -> Iterable[Blocker]:
        """What later facts rest on the run's rows."""

    @abstractmethod
    def undo(self, tenant: Tenant, run: BackfillRun, *, at_most: int, actor: str, below: Any) -> UndoStep:
        """Reverse up to so many rows of the run that aren't reversed yet, inside the caller's transaction, newest first.

        `below`: what the last batch gave as its `lowest`, or None to look from the newest end.
        """


def actor_of(run: BackfillRun) -> str:
    """The actor on a run's rows."""
    return f"command:{run.command}:{run.id}"


def audit_fields(run: BackfillRun) -> dict[str, Any]:
    """In whose name a run posts."""
    return {"tenant_id": run.tenant_id, "actor": actor_of(run), "request_id": run.request_id}
