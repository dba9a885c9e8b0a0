"""Services of imports: create grants and post transactions from encoded lines, and undo all that one import run created."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from django.db.models import F, OuterRef, Subquery, Sum
from django.db.models.functions import Coalesce

from credits.choices import REVERSIBLE, GrantStatus, TransactionKind
from credits.digests import GRANT_FACTS, TRANSACTION_FACTS, transaction_digest
from credits.models import Consumption, CreditTransaction, Grant
from credits.services import grants, postings, transactions
from credits.services.posting_errors import NOTHING_TO_DO, posting_errors
from credits.services.posting_rows import GrantRow, TransactionRow
from credits.services.text_forms import digest_from_json, digest_to_json
from kernel.backfills.selectors import newest_page
from kernel.ledger import posting
from kernel.ledger.database_errors import translate_db_errors
from kernel.ledger.errors import AlreadyReversed, LedgerError
from kernel.ledger.fact_digests import SIZE, digest
from kernel.ledger.identifiers import new_id_text
from kernel.ledger.outcomes import POSTED, Posted, or_raise, posted_or_error

# Kinds that a caller posts directly and may repeat, so they have a digest. The other kinds follow from another call or a job.
KINDS_WITH_KEY = (TransactionKind.DEBIT, TransactionKind.CREDIT, TransactionKind.REVERSAL)
# Fields of a credits_opening that an import takes from the file, with their names in the file. Other calls leave them to the service.
FILE_NAMES = {"entry_id": "opening_id", "as_of": "occurred_at"}
TEXTS = ("reason", "invoice_id", "billing_run_id")
# The columns of a refused posting that its error needs.
REFUSED = (
    "id",
    "first_digest",
    "grant_id",
    "balance",
    "held",
    "effective_date",
    "expiry_date",
    "taken",
    "left_to_reverse",
    "reversed_by",
)


def grant_line(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The argument of `credits_create_grants` for one grant, without actor and request id, which are added when it is posted.

    `facts`: the arguments of create_grant; optionally `id`, `opening_id`, `occurred_at` and `facts_digest` (hexadecimal), which are kept;
    and `recurring_grant_id` and `period` of a recurring grant. Raises InvalidValue.
    """
    grant_facts = {name: facts.get(name) for name in GRANT_FACTS}
    issued_by = {name: facts.get(name) for name in ("recurring_grant_id", "period")}
    from_file = {name: facts[file_name] for name, file_name in FILE_NAMES.items() if facts.get(file_name) is not None}
    line = grants.make_opening({}, facts=grant_facts, key=facts.get("idempotency_key"), grant_id=facts.get("id"), **issued_by, **from_file)
    return line if facts.get("facts_digest") is None else {**line, "facts_digest": f"\\x{facts['facts_digest']}"}


def transaction_line(facts: Mapping[str, Any], *, digest: bytes | None) -> dict[str, Any]:
    """The argument of `credits_post` for one transaction, without actor and request id, which are added when it is posted.

    Its grant and `digest` may be added later (`name_grant`). The grant's dates are compared with the moment at which it happened: an import
    in July of a debit of March may name a grant that ended in June.
    """
    line = {
        **{name: facts.get(name) or "" for name in TEXTS},
        "id": facts.get("id") or new_id_text(),
        "kind": facts.get("kind") or facts["type"].lower(),
        "type": facts["type"],
        "amount": f"{facts['amount']:f}",
        "as_of": facts["occurred_at"],
        "occurred_at": facts["occurred_at"],
        **{name: facts[name] for name in ("idempotency_key", "grant_id") if name in facts},
    }
    if "reverses" in facts:
        line["reverses_id"] = facts["reverses"]
    if digest is not None:
        line["facts_digest"] = digest_to_json(digest)
    if "chosen_by" in facts:
        line["chosen_by"] = msgspec.Raw(facts["chosen_by"].encode())
    if "consumption" in facts:
        line["consumption_id"] = facts["consumption"]["id"]
    return line


def imported_digest(facts: Mapping[str, Any]) -> bytes:
    """The digest in the file, if there is one, or the digest that a call of the API with the same facts would have."""
    in_file = facts.get("facts_digest")
    return transaction_digest(facts) if in_file is None else bytes.fromhex(in_file)


def digest_on(grant_id: str, facts_digest: bytes) -> bytes:
    """The digest of a transaction with its grant, from the digest without one. The grant is the first fact, so only that part changes."""
    return digest({"grant_id": grant_id}, TRANSACTION_FACTS[:1]) + facts_digest[SIZE:]


def name_grant(line: bytes, *, grant_id: str, digest: bytes | None) -> bytes:
    """Adds the grant, and the digest with it, to an encoded `transaction_line`."""
    return posting.encoded_with(line, {"grant_id": grant_id, "facts_digest": None if digest is None else digest_to_json(digest)})


@translate_db_errors
def create_imported_grants(*, tenant_id: UUID, lines: Sequence[bytes]) -> list[Posted[GrantRow] | LedgerError]:
    """Create grants from encoded lines of `grant_line`. One outcome for each, in order: Posted or its error."""
    called: dict[str, Any] = {
        "tenant_id": tenant_id,
        "retryable_constraints": grants.RETRYABLE_CONSTRAINTS,
        "columns_if_refused": ("id", "first_digest", "effective_date"),
    }
    rows = posting.post("credits_create_grants", [msgspec.Raw(line) for line in lines], **called)
    return [_grant_or_error(row, line) for row, line in zip(rows, lines, strict=True)]


@translate_db_errors
def record_imported_many(
    *, tenant_id: UUID, lines: Sequence[bytes], draws: Sequence[Mapping[str, Any]] = ()
) -> list[Posted[TransactionRow] | LedgerError]:
    """Post transactions from encoded lines of `transaction_line`. One outcome for each, in order: Posted or its error.

    `draws`: the columns of the tenant's Consumption rows that the transactions belong to; rows that don't exist yet are created.
    """
    if draws:
        _create_consumptions({draw["id"]: draw for draw in draws})
    called: dict[str, Any] = {
        "tenant_id": tenant_id,
        "retryable_constraints": postings.RETRYABLE_CONSTRAINTS,
        "columns_if_refused": REFUSED,
    }
    rows = posting.post("credits_post", [msgspec.Raw(line) for line in lines], **called)
    return [_transaction_or_error(row, line) for row, line in zip(rows, lines, strict=True)]


@translate_db_errors
def delete_run_grants(
    *, tenant_id: UUID, actor: str, request_id: str, of: str, at_most: int, below: UUID | None = None
) -> tuple[int, UUID | None]:
    """Delete up to `at_most` grants that the import run with request id `of` created, newest first, with ids below `below`.

    Returns how many were deleted, and the lowest id at which it looked. One that another call deleted while this one waited for the
    grant's lock is left alone. Raises the LedgerError of the first grant that can't be deleted.
    """
    imported = Grant.objects.filter(tenant_id=tenant_id, request_id=of, request_id__startswith="run:").exclude(status=GrantStatus.DELETED)
    ids = list(newest_page(imported.values_list("id", flat=True), below=below, at_most=at_most))
    audit: dict[str, Any] = {"actor": actor, "request_id": request_id}
    reason = f"taken back with the whole of {of}"
    lines = [posting.encoded(grants.make_closing(audit, grant_id=grant, kind=TransactionKind.DELETION, reason=reason)) for grant in ids]
    return (_number_posted(record_imported_many(tenant_id=tenant_id, lines=lines)), ids[-1]) if lines else (0, None)


@translate_db_errors
def reverse_run(
    *, tenant_id: UUID, actor: str, request_id: str, of: str, at_most: int, below: UUID | None = None
) -> tuple[int, UUID | None]:
    """Reverse what is left of up to `at_most` transactions of the import run with request id `of`, newest first, with ids below `below`.

    Returns how many were reversed, and the lowest id at which it looked. How much is left of each is decided under its grant's lock; one
    that another call reversed meanwhile is left alone. Raises the LedgerError of the first transaction that can't be reversed.
    """
    imported = CreditTransaction.objects.filter(tenant_id=tenant_id, request_id=of, request_id__startswith="run:", kind__in=REVERSIBLE)
    names = ("id", "grant_id", "type", "invoice_id", "billing_run_id")
    reversals = CreditTransaction.objects.filter(tenant_id=tenant_id, reverses_id=OuterRef("id")).order_by().values("reverses_id")
    reversed_amount = Coalesce(Subquery(reversals.annotate(total=Sum("amount")).values("total")), Decimal(0))
    # Reversed by now is reversed for good: a reversal can't be reversed.
    unreversed = imported.annotate(left=F("amount") - reversed_amount).filter(left__gt=0)
    # Ids ascend in the order in which the file's lines were posted.
    entries = list(newest_page(unreversed.values(*names), below=below, at_most=at_most))
    audit = {"actor": actor, "request_id": request_id}
    lines = [posting.encoded({**_reversal(entry, reason=f"taken back with the whole of {of}"), **audit}) for entry in entries]
    if not lines:
        return 0, None
    outcomes = record_imported_many(tenant_id=tenant_id, lines=lines)
    return _number_posted([outcome for outcome in outcomes if not isinstance(outcome, AlreadyReversed)]), entries[-1]["id"]


def _create_consumptions(draws: Mapping[UUID, Mapping[str, Any]]) -> None:
    tenants = {draw["tenant_id"] for draw in draws.values()}
    existing = set(Consumption.objects.filter(tenant_id__in=tenants, id__in=list(draws)).values_list("id", flat=True))
    Consumption.objects.bulk_create(Consumption(**draw) for draw_id, draw in draws.items() if draw_id not in existing)


def _reversal(entry: Mapping[str, Any], *, reason: str) -> dict[str, Any]:
    """The argument of `credits_post` that reverses what is left of an entry, without an `as_of`: it counts for the moment it is posted."""
    facts = {name: entry[name] for name in ("grant_id", "invoice_id", "billing_run_id")}
    facts |= {"type": str(transactions.OPPOSITE[entry["type"]]), "amount": None, "reason": reason, "reverses": entry["id"]}
    return {
        **{name: facts[name] for name in ("grant_id", "type", *TEXTS)},
        "id": new_id_text(),
        "kind": TransactionKind.REVERSAL.value,
        "reverses_id": entry["id"],
        "facts_digest": digest_to_json(transaction_digest(facts)),
    }


def _number_posted(outcomes: Sequence[Posted[TransactionRow] | LedgerError]) -> int:
    """How many were posted. Raises the first error."""
    return sum(or_raise(outcome).is_new for outcome in outcomes)


def _grant_or_error(row: Any, line: bytes) -> Posted[GrantRow] | LedgerError:
    return Posted(row) if row.outcome == POSTED else grants.opening_outcome(row, msgspec.json.decode(line))


def _transaction_or_error(row: Any, encoded: bytes) -> Posted[TransactionRow] | LedgerError:
    if row.outcome == POSTED:
        return Posted(row)
    line = msgspec.json.decode(encoded)
    errors = posting_errors(requested=line.get("amount"), invoice_id=line["invoice_id"], reverses=line.get("reverses_id"))
    facts_digest = digest_from_json(line.get("facts_digest"))
    return posted_or_error(row, facts_digest=facts_digest, names=TRANSACTION_FACTS, errors=errors, nothing_to_do=NOTHING_TO_DO)
