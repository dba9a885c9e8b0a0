"""How a wallet's history comes in from a file; kernel/ledger/backfill does the rest."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from billing import selectors, services
from billing.choices import AGENT_LENGTH, REASON_LENGTH, REFERENCE_LENGTH, SHIPPED_TYPES, TYPE_LENGTH, Direction, ReversalReason
from billing.imports import lookups
from billing.services.transactions import FACTS
from kernel.backfills.adapters import ALREADY_THERE, CONFLICT, POSTED, Account, Adapter, Blocker, Existing, Outcome, UndoStep
from kernel.backfills.columns import (
    Column,
    currency,
    digest_text,
    identifier,
    json_from_json,
    json_text,
    moment,
    money,
    money_from_json,
    one_of,
    text,
)
from kernel.backfills.models import BackfillRun
from kernel.backfills.outcomes import to_outcome
from kernel.backfills.rows import Posting, Reversible, RowRefused
from kernel.ledger.identifiers import new_id
from kernel.ledger.posting import encoded, encoded_with
from kernel.tenants.models import Tenant

LONGEST_DESCRIPTION = 100_000
WALLET, REMAINING = "wallet ", "left of "
# What is needed of a packed row that takes nothing back.
NEEDED = ("amount", "currency", "direction", "type_label")


class TransactionsAdapter(Adapter):
    """Rows of wallets, keyed by type and reference_id."""

    command = "backfill_billing_transactions"
    noun = "billing transactions"
    facts = FACTS
    skipped_columns = ("effect", "entry_number", "balance_after", "flags", "created_at", "actor", "request_id")
    columns = (
        Column("reference_id", text(at_most=REFERENCE_LENGTH), required=True, help="the file's own id; with the type it is the key"),
        Column("type", text(at_most=TYPE_LENGTH), required=True, help="topup, usage, ...: says which way the amount goes"),
        Column(
            "amount", money, required=True, help="a magnitude, or signed where the type has no direction", from_json=money_from_json(money)
        ),
        Column("currency", currency, help="ISO 4217 (default: the tenant's)"),
        Column("occurred_at", moment, required=True, help="when it happened, with UTC offset; a date alone is its midnight UTC"),
        Column("agent_id", text(at_most=AGENT_LENGTH), help="which agent"),
        Column("description", text(at_most=LONGEST_DESCRIPTION), help="for people"),
        Column("metadata", json_text, help="a JSON object, kept digit for digit", from_json=json_from_json),
        Column("reverses", text(at_most=REFERENCE_LENGTH), help="reference_id of the entry, of the same type, that this one takes back"),
        Column("reason_code", one_of(*ReversalReason.values), help=f"of a reversal: {', '.join(ReversalReason.values)}"),
        Column("reason", text(at_most=REASON_LENGTH), help="of a reversal, for people"),
        Column("id", identifier, help="a UUID to be kept (default: a new one)"),
        Column("facts_digest", digest_text, help="from an export: keeps the answer to a repeated call as it was"),
        Column("direction", one_of(*Direction.values), help="which way the type goes, where the book doesn't know it yet"),
        Column("type_label", text(at_most=200), help="and what the catalogue calls it"),
    )

    def prepare(self, values: dict[str, Any]) -> Posting:
        original = values.get("reverses")
        if (original is None) != (values.get("reason_code") is None):
            raise RowRefused("reason_code", "belongs to a reversal, and a reversal needs it")
        kind = values["type"]
        # Whom it reverses is known by reference here, and to the ledger by id: `complete` fills it in.
        kept = values.get("facts_digest")
        return Posting(
            key=key_of(kind, values["reference_id"]),
            digest=services.import_digest({**values, "reverses": None}) if kept is None else bytes.fromhex(kept),
            body={"values": values},
            kind=kind,
            occurred_at=values["occurred_at"],
            depends_on=None if original is None else key_of(kind, original),
        )

    def pack(self, posting: Posting, who: Mapping[str, Any]) -> None:
        values = posting.body["values"]
        facts = {**values, "reverses": None, "facts_digest": posting.digest.hex()}
        posting.line = encoded({**services.encode_import(facts), **who})
        if posting.depends_on is None:
            posting.body["values"] = {name: values[name] for name in NEEDED if name in values}

    def complete(self, tenant: Tenant, postings: Sequence[Posting]) -> None:
        directions = lookups.directions(tenant_id=tenant.id, codes={posting.kind for posting in postings})
        strict, _ = lookups.policy(tenant_id=tenant.id)
        originals = [parts_of(posting.depends_on) for posting in postings if posting.depends_on is not None]
        found = lookups.by_key(tenant_id=tenant.id, keys=originals) if originals else []
        originals = {
            (kind, reference): (identifier, Reversible(size=left, unit=unit)) for kind, reference, identifier, _, unit, left in found
        }
        for posting in postings:
            known = directions.get(posting.kind) or self._new_type(posting, is_strict=strict)
            posting.body["unknown_type"] = strict and not known[1]
            posting.body["direction"] = known[0]
            self._give_amount(tenant, posting, known[0])
            if posting.depends_on is not None:
                self._name_original(posting, *originals.get(parts_of(posting.depends_on), (None, None)))

    def _new_type(self, posting: Posting, *, is_strict: bool) -> tuple[str, bool]:
        """Direction of a type that the book hasn't met, and whether it will be catalogued: as the file knows it, else a shipped one.

        What a strict tenant's catalogue lacks no file may add.
        """
        values = posting.body["values"]
        label, shipped = SHIPPED_TYPES.get(posting.kind, (None, None))
        direction = shipped if is_strict else values.get("direction") or shipped
        if direction is None or (direction == Direction.SIGNED and shipped is None and "type_label" not in values):
            return str(Direction.SIGNED), False
        if posting.line and not is_strict and "direction" in values:
            laid = {"shipped_label": values.get("type_label") or label or posting.kind, "shipped_direction": direction}
            posting.line = encoded_with(posting.line, laid)
        return str(direction), True

    def _give_amount(self, tenant: Tenant, posting: Posting, direction: str) -> None:
        values = posting.body["values"]
        amount: Decimal = values["amount"]
        posting.body["negative"] = direction != Direction.SIGNED and amount < 0
        is_down = (direction == Direction.DEBIT) != (posting.depends_on is not None)
        posting.amounts = ((values.get("currency") or tenant.currency, -amount if is_down else amount),)

    def _name_original(self, posting: Posting, original: Any, left: Reversible | None) -> None:
        posting.body["refused"] = None if left is None else unmeant(posting, left)
        values = posting.body["values"]
        facts = {**values, "reverses": original, "amount": abs(values["amount"])}
        posting.digest = bytes.fromhex(values["facts_digest"]) if "facts_digest" in values else services.import_digest(facts)
        if posting.line:
            # An id that nobody has: the ledger itself says that there is no such entry.
            named = new_id() if original is None or posting.body["refused"] else original
            known = {"reverses": named, "amount": f"{facts['amount']:f}", "facts_digest": posting.digest.hex()}
            posting.line = encoded({**msgspec.json.decode(posting.line), **known})

    def simulate(self, tenant: Tenant, postings: Sequence[Posting]) -> None:
        for posting in postings:
            [(unit, effect)] = posting.amounts
            size = abs(effect)
            if posting.depends_on is None:
                posting.effects = ((f"{WALLET}{unit}", effect),)
                posting.reversible = Reversible(size=effect, unit=unit)
            else:
                posting.effects = ((f"{REMAINING}{posting.depends_on}", -size), (f"{WALLET}{unit}", effect))
                posting.reversible = Reversible(size=None, unit=unit)

    def existing(self, tenant: Tenant, keys: Sequence[str]) -> Mapping[str, Existing]:
        rows = lookups.by_key(tenant_id=tenant.id, keys=[parts_of(key) for key in keys])
        return {key_of(kind, reference): Existing(id=str(found), digest=kept) for kind, reference, found, kept, _, _ in rows}

    def accounts(self, tenant: Tenant, names: Sequence[str]) -> Mapping[str, Account]:
        found = {}
        for wallet in selectors.list_wallets(tenant_id=tenant.id):
            name = f"{WALLET}{wallet['currency']}"
            latest = lookups.latest(tenant_id=tenant.id, currency=wallet["currency"]) if name in names else None
            found[name] = wallet_account(name, wallet["currency"], wallet["balance"], wallet["floor"], latest)
        originals = {parts_of(name.removeprefix(REMAINING)): name for name in names if name.startswith(REMAINING)}
        for kind, reference, _, _, unit, left in lookups.by_key(tenant_id=tenant.id, keys=list(originals)) if originals else ():
            name = originals[kind, reference]
            found[name] = original_account(name, reference, Reversible(size=left, unit=unit))
        return {name: found[name] for name in names if name in found}

    def new_account(self, tenant: Tenant, name: str, posting: Posting) -> Account | None:
        if name.startswith(REMAINING):
            # Its original is in this file, not in the book.
            return original_account(name, parts_of(name.removeprefix(REMAINING))[1], posting.original or Reversible(size=None, unit=""))
        _, floor = lookups.policy(tenant_id=tenant.id)
        return wallet_account(name, name.removeprefix(WALLET), Decimal(0), floor, None)

    def refusal(self, account: Account, posting: Posting, effect: Decimal) -> Outcome | None:
        if (unfit := unfit_type(posting)) is not None:
            return unfit
        if account.terms.get("is_reversal"):
            return Outcome("not_reversible", f"{account.label} is itself a reversal")
        if account.name.startswith(REMAINING) and account.unit != posting.amounts[0][0]:
            return other_currency(account.unit)
        if account.name.startswith(REMAINING) and (astray := same_way(Decimal(account.terms["left"]), posting)) is not None:
            return astray
        refused = super().refusal(account, posting, effect)
        if refused is None or not account.name.startswith(REMAINING):
            return refused
        code = "exceeds_original" if account.now else "already_reversed"
        return Outcome(code, f"{account.now:f} is left of {account.label}")

    def missing(self, name: str) -> Outcome:
        return Outcome("not_found", f"there is no {' '.join(parts_of(name.removeprefix(REMAINING)))} to take back")

    def post(self, tenant: Tenant, postings: Sequence[Posting], run: BackfillRun) -> Sequence[Outcome]:
        outcomes: list[Outcome] = []
        for together in in_calls(postings):
            if together[0].depends_on is not None:
                self.complete(tenant, together)
            outcomes += self._post_together(tenant, together)
        return outcomes

    def _post_together(self, tenant: Tenant, postings: Sequence[Posting]) -> Iterable[Outcome]:
        turned = {posting.key: refused for posting in postings if (refused := turned_around(posting)) is not None}
        if not turned:
            return map(outcome_of, postings, services.record_imported_many([posting.line for posting in postings]))
        # What is in the book already is no new row to be refused.
        for known in self.existing(tenant, list(turned)):
            del turned[known]
        fresh = [posting for posting in postings if posting.key not in turned]
        posted = map(outcome_of, fresh, services.record_imported_many([posting.line for posting in fresh]) if fresh else ())
        return [turned.get(posting.key) or next(posted) for posting in postings]

    def blockers(self, tenant: Tenant, run: BackfillRun, *, at_most: int) -> Iterable[Blocker]:
        for kind, reference in lookups.reversals_of_others(tenant_id=tenant.id, request_id=run.request_id, at_most=at_most):
            yield Blocker(what=f"{kind} {reference}", why="is itself a reversal: record what it took back again")
        for wallet, lowest, floor in lookups.wallets_without(tenant_id=tenant.id, request_id=run.request_id):
            yield Blocker(what=f"wallet {wallet}", why=f"would fall to {lowest:f}, its floor is {floor:f}")

    def undo(self, tenant: Tenant, run: BackfillRun, *, at_most: int, actor: str, below: Any) -> UndoStep:
        count, lowest = services.reverse_run(
            tenant_id=tenant.id, actor=actor, request_id=run.undo_request_id, of=run.request_id, at_most=at_most, below=below
        )
        return UndoStep(reversed=count, lowest=lowest)


def unfit_type(posting: Posting) -> Outcome | None:
    """Why the row's type doesn't go with the catalogue or with its amount; None where it does."""
    if posting.body["unknown_type"]:
        return Outcome("unknown_type", f"the tenant is strict, and its catalogue has no type {posting.kind}")
    if posting.body["negative"]:
        return negative(posting.kind)
    return turned_around(posting)


def turned_around(posting: Posting) -> Outcome | None:
    """The refusal of a row whose file knows its type the other way round: its amount would count with the wrong sign."""
    told, known = posting.body["values"].get("direction"), posting.body["direction"]
    # A type that may not be has no direction to differ from.
    if posting.body["unknown_type"] or told in {None, known}:
        return None
    return Outcome("invalid_value", f"direction: type {posting.kind} is {known} in this book")


def key_of(kind: str, reference: str) -> str:
    """Type and reference as one text; the length keeps two pairs from looking alike."""
    return f"{len(kind)}:{kind}{reference}"


def parts_of(key: str) -> tuple[str, str]:
    length, _, both = key.partition(":")
    return both[: int(length)], both[int(length) :]


def original_account(name: str, reference: str, left: Reversible) -> Account:
    """What is left of an original to be taken back."""
    room = abs(left.size or Decimal(0))
    terms = {"is_reversal": left.size is None, "left": f"{left.size or 0:f}"}
    return Account(name=name, label=reference, unit=left.unit, before=room, now=room, lowest=Decimal(0), is_listed=False, terms=terms)


def wallet_account(name: str, unit: str, balance: Decimal, floor: Decimal | None, latest: Any) -> Account:
    return Account(name=name, label=f"wallet {unit}", unit=unit, before=balance, now=balance, lowest=floor, latest=latest)


def in_calls(postings: Sequence[Posting]) -> Iterator[list[Posting]]:
    """The postings in as few calls as will do: a reversal must find its original in the book, so it begins a new call after it."""
    call: list[Posting] = []
    keys: set[str] = set()
    for posting in postings:
        if posting.depends_on in keys:
            yield call
            call, keys = [], set()
        call.append(posting)
        keys.add(posting.key)
    if call:
        yield call


def unmeant(posting: Posting, original: Reversible) -> Outcome | None:
    """Why a reversal that the ledger would take is not what its row says."""
    if posting.body["negative"]:
        return negative(posting.kind)
    if original.size is not None and original.unit != posting.amounts[0][0]:
        return other_currency(original.unit)
    return same_way(original.size, posting)


def same_way(left: Decimal | None, posting: Posting) -> Outcome | None:
    """The refusal of a reversal that moves the wallet as its original did; only the amount of a signed type can say so."""
    if left is None or left * posting.amounts[0][1] <= 0:
        return None
    return Outcome("invalid_value", "amount: a reversal has the sign of what it takes back")


def negative(kind: str) -> Outcome:
    return Outcome("invalid_value", f"amount: type {kind} takes a magnitude, not a negative amount")


def other_currency(unit: str) -> Outcome:
    """The ledger would put the reversal into its original's wallet, whatever the row says: that is no silent matter."""
    return Outcome("invalid_value", f"currency: what it takes back is in {unit}")


def outcome_of(posting: Posting, answer: Any) -> Outcome:
    outcome = to_outcome(answer)
    refused: Outcome | None = posting.body.get("refused")
    return refused if refused and outcome.code not in {POSTED, ALREADY_THERE, CONFLICT} else outcome
