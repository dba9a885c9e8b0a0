"""Imports entries of wallets from files: billing's adapter for kernel.backfills."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import msgspec

from billing import selectors, services
from billing.choices import AGENT_LENGTH, REASON_LENGTH, REFERENCE_LENGTH, SHIPPED_TYPES, TYPE_LENGTH, Direction, ReversalReason
from billing.digests import FACTS, facts_digest
from billing.imports import lookups
from billing.imports.refusals import original_refusal, reversal_refusal, type_refusal, unknown_type, wallet_refusal
from kernel.backfills.adapters import (
    ALREADY_THERE,
    CONFLICT,
    Account,
    Adapter,
    Blocker,
    Existing,
    NewTypes,
    Outcome,
    UndoStep,
)
from kernel.backfills.errors import RowRefused
from kernel.backfills.models import BackfillRun
from kernel.backfills.reading.columns import (
    Column,
    currency,
    digest_text,
    identifier,
    json_from_json,
    json_text,
    key_text,
    moment,
    money,
    money_from_json,
    one_of,
    text,
)
from kernel.backfills.reading.rows import Posting, Reversible
from kernel.backfills.row_outcomes import to_outcome
from kernel.ledger.identifiers import new_id
from kernel.ledger.outcomes import POSTED
from kernel.ledger.posting import encoded, encoded_with
from kernel.ledger.texts import invisible_edge
from kernel.tenants.models import Tenant

MAX_DESCRIPTION_LENGTH = 100_000
WALLET, REMAINING = "wallet ", "left of "
# What a packed row keeps of its values, beside the encoded posting. A reversal keeps all of them, for `complete`.
NEEDED = ("amount", "currency", "direction", "type_label")


class TransactionsAdapter(Adapter):
    """Rows of wallets, keyed by type and reference_id."""

    command = "backfill_billing_transactions"
    noun = "billing transactions"
    facts = FACTS
    type_directions = tuple(Direction.values)
    amount_column, key_column = "amount", "reference_id"
    reversals_have_the_original_type = True
    key_references = ("reverses",)
    account_columns = ("currency",)
    skipped_columns = ("effect", "entry_number", "balance_after", "flags", "created_at", "actor", "request_id")
    columns = (
        Column("reference_id", key_text(at_most=REFERENCE_LENGTH), required=True, help="the file's own id; with the type it is the key"),
        Column("type", text(at_most=TYPE_LENGTH), required=True, help="topup, usage, ...: says whether the amount is a debit or a credit"),
        Column(
            "amount", money, required=True, help="a magnitude, or signed where the type has no direction", from_json=money_from_json(money)
        ),
        Column("currency", currency, help="ISO 4217 (default: the tenant's)"),
        Column("occurred_at", moment, required=True, help="when it happened, with UTC offset; a date alone is its midnight UTC"),
        Column("agent_id", text(at_most=AGENT_LENGTH), help="which agent"),
        Column("description", text(at_most=MAX_DESCRIPTION_LENGTH), help="for people"),
        Column("metadata", json_text, help="a JSON object; its text is kept unchanged", from_json=json_from_json),
        Column(
            "reverses", key_text(at_most=REFERENCE_LENGTH), help="reference_id of the entry, of the same type, that this one takes back"
        ),
        Column("reason_code", one_of(*ReversalReason.values), help=f"of a reversal: {', '.join(ReversalReason.values)}"),
        Column("reason", text(at_most=REASON_LENGTH), help="of a reversal, for people"),
        Column("id", identifier, help="a UUID to be kept (default: a new one)"),
        Column("facts_digest", digest_text, help="from an export: repeated calls of the old ledger stay replays in the new one"),
        Column("direction", one_of(*Direction.values), help="the direction of a type that the catalogue lacks"),
        Column("type_label", text(at_most=200), help="and its label in the catalogue"),
    )

    def prepare(self, values: dict[str, Any]) -> Posting:
        original = values.get("reverses")
        if (original is None) != (values.get("reason_code") is None):
            raise RowRefused("reason_code", "belongs to a reversal, and a reversal needs it")
        kind = values["type"]
        # The row names the reversed entry by reference, the ledger by id: `complete` fills it in.
        given_digest = values.get("facts_digest")
        return Posting(
            key=key_of(kind, values["reference_id"]),
            digest=facts_digest({**values, "reverses": None}) if given_digest is None else bytes.fromhex(given_digest),
            body={"values": values},
            kind=kind,
            occurred_at=values["occurred_at"],
            depends_on=None if original is None else key_of(kind, original),
        )

    def pack(self, posting: Posting, audit: Mapping[str, Any]) -> None:
        values = posting.body["values"]
        facts = {**values, "reverses": None, "facts_digest": posting.digest.hex()}
        posting.payload = services.encode_import(facts, actor=audit["actor"], request_id=audit["request_id"])
        if posting.depends_on is None:
            posting.body["values"] = {name: values[name] for name in NEEDED if name in values}

    def known_types(self, tenant: Tenant) -> Iterable[str]:
        return {*SHIPPED_TYPES, *lookups.catalogued_types(tenant_id=tenant.id)}

    def names_of(self, posting: Posting) -> Iterable[tuple[str, str]]:
        return (("types", posting.kind), ("currencies", posting.amounts[0][0]))

    def known_names(self, tenant: Tenant, noun: str, names: Sequence[str]) -> Iterable[str]:
        if noun == "types":
            return {*lookups.type_directions(tenant_id=tenant.id, codes=names)}
        return {str(wallet["currency"]) for wallet in selectors.list_wallets(tenant_id=tenant.id)}

    def directions(self, tenant: Tenant) -> Mapping[str, str]:
        shipped = {code: str(direction) for code, (_, direction) in SHIPPED_TYPES.items()}
        return {**shipped, **lookups.catalogued_directions(tenant_id=tenant.id)}

    def complete(self, tenant: Tenant, postings: Sequence[Posting], new_types: NewTypes | None = None) -> None:
        new_types = {} if new_types is None else new_types
        types = lookups.type_directions(tenant_id=tenant.id, codes={posting.kind for posting in postings})
        strict, _ = lookups.policy_values(tenant_id=tenant.id)
        keys = [parts_of(posting.depends_on) for posting in postings if posting.depends_on is not None]
        rows = lookups.entries_by_key(tenant_id=tenant.id, keys=keys) if keys else []
        originals = {(kind, reference): (row_id, Reversible(size=size, unit=unit)) for kind, reference, row_id, _, _, unit, size in rows}
        for posting in postings:
            self._set_type(posting, types.get(posting.kind), new_types, is_strict=strict)
            self._set_amount(tenant, posting)
            if posting.depends_on is not None:
                self._set_original(posting, *originals.get(parts_of(posting.depends_on), (None, None)))
            if not posting.payload:
                posting.meant = self._meant(tenant, posting)

    def _set_type(self, posting: Posting, in_ledger: tuple[str, bool] | None, new_types: NewTypes, *, is_strict: bool) -> None:
        """Decide the direction of the row's type, or why the type is refused.

        A type of the catalogue has its direction there. A shipped type that the ledger hasn't used yet may get another one from the file,
        unless the tenant is strict. Any other type needs a direction from the file or from --new-type: a misspelt `Usage` would otherwise
        become a new signed type, and its debits would count as credits. The first row of a new type decides for the rows after it.
        """
        known = in_ledger or new_types.get(posting.kind)
        stated = posting.body["values"].get("direction")
        direction, is_catalogued = known or (None, False)
        shipped = None if known else SHIPPED_TYPES.get(posting.kind, (None, None))[1]
        if not is_catalogued:
            direction = shipped if is_strict else direction or stated or shipped
        is_unknown = not is_catalogued and shipped is None and (is_strict or stated is None or invisible_edge(posting.kind) is not None)
        posting.body["direction"] = direction = str(direction or Direction.SIGNED)
        posting.body["type_refusal"] = None
        if is_unknown:
            posting.body["type_refusal"] = unknown_type(posting.kind, is_strict=is_strict)
        elif stated not in {None, direction}:
            # Its amount would count with the wrong sign.
            place = "ledger" if in_ledger else "file"
            posting.body["type_refusal"] = Outcome("invalid_value", f"direction: type {posting.kind} is {direction} in this {place}")
        elif in_ledger is None and not is_strict:
            self._add_new_type(posting, direction, new_types)

    def _add_new_type(self, posting: Posting, direction: str, new_types: NewTypes) -> None:
        """Remember a type that the ledger lacks, and let the posting add it to the catalogue, whichever of its rows is posted first.

        An export has no label for a signed type that its ledger never catalogued.
        """
        shipped_label = SHIPPED_TYPES.get(posting.kind, (None, None))[0]
        label = posting.body["values"].get("type_label") or shipped_label
        is_catalogued = direction != Direction.SIGNED or label is not None
        _, is_catalogued = new_types.setdefault(posting.kind, (direction, is_catalogued))
        if posting.payload and is_catalogued:
            posting.payload = encoded_with(posting.payload, {"shipped_label": label or posting.kind, "shipped_direction": direction})

    def _set_amount(self, tenant: Tenant, posting: Posting) -> None:
        """Set the amount with the sign of its effect."""
        values, direction = posting.body["values"], posting.body["direction"]
        amount: Decimal = values["amount"]
        posting.body["negative"] = direction != Direction.SIGNED and amount < 0
        is_down = (direction == Direction.DEBIT) != (posting.depends_on is not None)
        posting.amounts = ((values.get("currency") or tenant.currency, -amount if is_down else amount),)

    def _set_original(self, posting: Posting, original: Any, reversible: Reversible | None) -> None:
        """Name the reversed entry by its id, and decide whether the reversal is refused although the ledger would post it."""
        posting.body["refused"] = None if reversible is None else reversal_refusal(posting, reversible)
        values = posting.body["values"]
        posting.body["original"] = original
        facts = {**values, "reverses": original, "amount": abs(values["amount"])}
        posting.digest = bytes.fromhex(values["facts_digest"]) if "facts_digest" in values else facts_digest(facts)
        if posting.payload:
            # A new id makes the ledger itself answer that there is no such entry.
            named = new_id() if original is None or posting.body["refused"] else original
            known = {"reverses": named, "amount": f"{facts['amount']:f}", "facts_digest": posting.digest.hex()}
            posting.payload = encoded({**msgspec.json.decode(posting.payload), **known})

    def _meant(self, tenant: Tenant, posting: Posting) -> bytes:
        """The digest of what a row of a plan means: without a currency the tenant's, and never the digest of an export."""
        values = posting.body["values"]
        if "currency" in values and "facts_digest" not in values:
            return posting.digest
        facts = {**values, "currency": values.get("currency") or tenant.currency, "reverses": posting.body.get("original")}
        return facts_digest(facts if posting.depends_on is None else {**facts, "amount": abs(values["amount"])})

    def recorded(self, tenant: Tenant, ids: Sequence[str]) -> Mapping[str, bytes]:
        return lookups.recorded_digests(tenant_id=tenant.id, ids=ids)

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
        rows = lookups.entries_by_key(tenant_id=tenant.id, keys=[parts_of(key) for key in keys])
        return {
            key_of(kind, reference): Existing(id=str(row_id), digest=digest, request_id=request)
            for kind, reference, row_id, digest, request, _, _ in rows
        }

    def accounts(self, tenant: Tenant, names: Sequence[str]) -> Mapping[str, Account]:
        accounts = {}
        for wallet in selectors.list_wallets(tenant_id=tenant.id):
            name = f"{WALLET}{wallet['currency']}"
            latest = lookups.newest_occurred_at(tenant_id=tenant.id, currency=wallet["currency"]) if name in names else None
            accounts[name] = wallet_account(name, wallet, latest)
        originals = {parts_of(name.removeprefix(REMAINING)): name for name in names if name.startswith(REMAINING)}
        for kind, reference, _, _, _, unit, size in lookups.entries_by_key(tenant_id=tenant.id, keys=list(originals)) if originals else ():
            name = originals[kind, reference]
            accounts[name] = original_account(name, reference, Reversible(size=size, unit=unit))
        return {name: accounts[name] for name in names if name in accounts}

    def new_account(self, tenant: Tenant, name: str, posting: Posting) -> Account | None:
        if name.startswith(REMAINING):
            # The original is in this file and not in the ledger.
            return original_account(name, parts_of(name.removeprefix(REMAINING))[1], posting.original or Reversible(size=None, unit=""))
        _, floor = lookups.policy_values(tenant_id=tenant.id)
        empty = {"currency": name.removeprefix(WALLET), "balance": Decimal(0), "held": Decimal(0), "floor": floor}
        return wallet_account(name, empty, None)

    def refusal(self, account: Account, posting: Posting, effect: Decimal) -> Outcome | None:
        if (unfit := type_refusal(posting)) is not None:
            return unfit
        return wallet_refusal(account, effect) if account.name.startswith(WALLET) else original_refusal(account, posting, effect)

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
        refused = {posting.key: refusal for posting in postings if (refusal := posting.body["type_refusal"]) is not None}
        if not refused:
            return map(
                outcome_of, postings, services.record_imported_many(tenant_id=tenant.id, lines=[posting.payload for posting in postings])
            )
        # A row that is in the ledger already is reported as such, whatever its type is today.
        for known in self.existing(tenant, list(refused)):
            del refused[known]
        others = [posting for posting in postings if posting.key not in refused]
        lines = [posting.payload for posting in others]
        posted = map(outcome_of, others, services.record_imported_many(tenant_id=tenant.id, lines=lines) if lines else ())
        return [refused.get(posting.key) or next(posted) for posting in postings]

    def blockers(self, tenant: Tenant, run: BackfillRun, *, at_most: int) -> Iterable[Blocker]:
        for kind, reference in lookups.reversals_of_others(tenant_id=tenant.id, request_id=run.request_id, at_most=at_most):
            yield Blocker(what=f"{kind} {reference}", why="is itself a reversal: record what it took back again")
        for wallet, lowest, held, floor in lookups.wallets_below_floor_after_undo(tenant_id=tenant.id, request_id=run.request_id):
            yield Blocker(what=f"wallet {wallet}", why=selectors.below_floor_in_words(lowest, held=held, floor=floor))

    def undo(self, tenant: Tenant, run: BackfillRun, *, at_most: int, actor: str, below: Any) -> UndoStep:
        count, lowest = services.reverse_run(
            tenant_id=tenant.id, actor=actor, request_id=run.undo_request_id, run_request_id=run.request_id, at_most=at_most, below=below
        )
        return UndoStep(reversed=count, lowest_id=lowest)


def key_of(kind: str, reference: str) -> str:
    """Type and reference as one text. The length of the type in front makes it unambiguous."""
    return f"{len(kind)}:{kind}{reference}"


def parts_of(key: str) -> tuple[str, str]:
    length, _, both = key.partition(":")
    return both[: int(length)], both[int(length) :]


def original_account(name: str, reference: str, reversible: Reversible) -> Account:
    """How much of an entry can still be reversed, as an account that reversals draw on."""
    room = abs(reversible.size or Decimal(0))
    terms = {"is_reversal": reversible.size is None, "size": f"{reversible.size or 0:f}"}
    return Account(
        name=name, label=reference, unit=reversible.unit, before=room, now=room, lower_limit=Decimal(0), is_listed=False, terms=terms
    )


def wallet_account(name: str, wallet: Mapping[str, Any], latest: Any) -> Account:
    """A wallet of list_wallets; its balance less what holds reserve may not go below its floor."""
    balance, unit, terms = wallet["balance"], wallet["currency"], {"held": f"{wallet['held']:f}"}
    return Account(
        name=name, label=f"wallet {unit}", unit=unit, before=balance, now=balance, lower_limit=wallet["floor"], latest=latest, terms=terms
    )


def in_calls(postings: Sequence[Posting]) -> Iterator[list[Posting]]:
    """The postings in as few calls as possible. A reversal begins a new call after its original, which must be in the ledger by then."""
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


def outcome_of(posting: Posting, answer: Any) -> Outcome:
    outcome = to_outcome(answer)
    refused: Outcome | None = posting.body.get("refused")
    return refused if refused and outcome.code not in {POSTED, ALREADY_THERE, CONFLICT} else outcome
