"""Bulk services of imports: grants and transactions that were encoded beforehand, and the reversal of all that one run imported."""

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
from credits.services import grants, transactions
from credits.services.posting_errors import NOTHING_TO_DO, bytea, from_bytea, posting_errors, row_of
from kernel.backfills.selectors import newest_page
from kernel.ledger import posting
from kernel.ledger.constraints import translate_db_errors
from kernel.ledger.idempotency import SIZE, digest
from kernel.ledger.identifiers import new_id_text
from kernel.ledger.outcomes import posted_or_error

# Kinds that a caller posts directly and may repeat, so they have a digest. The others follow from another call or a job.
POSTED = (TransactionKind.DEBIT, TransactionKind.CREDIT, TransactionKind.REVERSAL)
# Fields of `credits_open_grants` that an import gives, and that are otherwise made anew: by their names in a file.
KEPT = {"entry_id": "opening_id", "as_of": "occurred_at"}
TEXTS = ("reason", "invoice_id", "billing_run_id")
# What the errors of refused postings are made of.
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
    """A grant as `credits_open_grants` takes it, but for who makes it.

    `facts`: the arguments of create_grant, perhaps `id`, `opening_id`, `occurred_at` and `facts_digest` (hexadecimal), which are kept, and
    of which schedule and period it is the grant. Raises InvalidValue.
    """
    known = {name: facts.get(name) for name in GRANT_FACTS}
    ordered = {name: facts.get(name) for name in ("schedule_id", "period")}
    kept = {name: facts[theirs] for name, theirs in KEPT.items() if facts.get(theirs) is not None}
    line = grants.opening({}, facts=known, key=facts.get("idempotency_key"), grant_id=facts.get("id"), **ordered, **kept)
    return line if facts.get("facts_digest") is None else {**line, "facts_digest": f"\\x{facts['facts_digest']}"}


def transaction_line(facts: Mapping[str, Any], *, digest: bytes | None) -> dict[str, Any]:
    """A transaction as `credits_post` takes it, but for who posts it; its grant and `digest` may come later (`name_grant`).

    It is judged by the moment at which it happened: an import in January of a debit of March may name a grant that ended in June.
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
        line["facts_digest"] = bytea(digest)
    if "chosen_by" in facts:
        line["chosen_by"] = msgspec.Raw(facts["chosen_by"].encode())
    if "consumption" in facts:
        line["consumption_id"] = facts["consumption"]["id"]
    return line


def imported_digest(facts: Mapping[str, Any]) -> bytes:
    """The digest that a row brings along, or that the same facts have when they come through the API."""
    kept = facts.get("facts_digest")
    return transaction_digest(facts) if kept is None else bytes.fromhex(kept)


def digest_on(grant_id: str, facts_digest: bytes) -> bytes:
    """The digest of a transaction whose grant came to be known: it is the first of the facts."""
    return digest({"grant_id": grant_id}, TRANSACTION_FACTS[:1]) + facts_digest[SIZE:]


def name_grant(line: bytes, *, grant_id: str, digest: bytes | None) -> bytes:
    """An encoded `transaction_line` with its grant."""
    return posting.encoded_with(line, {"grant_id": grant_id, "facts_digest": None if digest is None else bytea(digest)})


@translate_db_errors
def create_imported_grants(lines: Sequence[bytes], *, tenant_id: UUID) -> list[Any]:
    """Make grants of `grant_line`, encoded, in order; for each its outcome or the LedgerError that refused it."""
    called: dict[str, Any] = {"tenant_id": tenant_id, "races": grants.RACES, "refused": ("id", "first_digest", "effective_date")}
    rows = posting.post("credits_open_grants", [msgspec.Raw(line) for line in lines], **called)
    return [_opened(row, line) for row, line in zip(rows, lines, strict=True)]


@translate_db_errors
def record_imported_many(lines: Sequence[bytes], draws: Sequence[Mapping[str, Any]] = (), *, tenant_id: UUID) -> list[Any]:
    """Post transactions of `transaction_line`, encoded, in order; for each its outcome or the LedgerError that refused it.

    `draws` are those that they are parts of, of one tenant; a draw comes into the book with the first of its parts.
    """
    if draws:
        _make_draws({draw["id"]: draw for draw in draws})
    called: dict[str, Any] = {"tenant_id": tenant_id, "races": transactions.RACES, "refused": REFUSED}
    rows = posting.post("credits_post", [msgspec.Raw(line) for line in lines], **called)
    return [_posted(row, line) for row, line in zip(rows, lines, strict=True)]


@translate_db_errors
def delete_run_grants(
    *, tenant_id: UUID, actor: str, request_id: str, of: str, at_most: int, below: UUID | None = None
) -> tuple[int, UUID | None]:
    """Take back up to so many grants whose request was `of`, newest first and older than `below`.

    How many were, and the oldest of them. Raises what refused one.
    """
    standing = Grant.objects.filter(tenant_id=tenant_id, request_id=of, request_id__startswith="run:").exclude(status=GrantStatus.DELETED)
    found = list(newest_page(standing.values_list("id", flat=True), below=below, at_most=at_most))
    who: dict[str, Any] = {"actor": actor, "request_id": request_id}
    reason = f"taken back with the whole of {of}"
    lines = [posting.encoded(grants.closing(who, grant_id=grant, kind=TransactionKind.DELETION, reason=reason)) for grant in found]
    return (_all_done(record_imported_many(lines, tenant_id=tenant_id)), found[-1]) if lines else (0, None)


@translate_db_errors
def reverse_run(
    *, tenant_id: UUID, actor: str, request_id: str, of: str, at_most: int, below: UUID | None = None
) -> tuple[int, UUID | None]:
    """Reverse up to so many transactions whose request was `of`, newest first and older than `below`.

    How many were, and the oldest of them. Raises what refused one.
    """
    brought = CreditTransaction.objects.filter(tenant_id=tenant_id, request_id=of, request_id__startswith="run:", kind__in=REVERSIBLE)
    names = ("id", "grant_id", "type", "invoice_id", "billing_run_id")
    reversals = CreditTransaction.objects.filter(tenant_id=tenant_id, reverses_id=OuterRef("id")).order_by().values("reverses_id")
    taken_back = Coalesce(Subquery(reversals.annotate(total=Sum("amount")).values("total")), Decimal(0))
    unreversed = brought.annotate(left=F("amount") - taken_back).filter(left__gt=0)
    # A file's ids ascend with its lines, which are posted in this order.
    found = list(newest_page(unreversed.values(*names, "left"), below=below, at_most=at_most))
    who = {"actor": actor, "request_id": request_id}
    lines = [posting.encoded({**_reversal(entry, reason=f"taken back with the whole of {of}"), **who}) for entry in found]
    return (_all_done(record_imported_many(lines, tenant_id=tenant_id)), found[-1]["id"]) if lines else (0, None)


def _make_draws(draws: Mapping[UUID, Mapping[str, Any]]) -> None:
    tenants = {draw["tenant_id"] for draw in draws.values()}
    known = set(Consumption.objects.filter(tenant_id__in=tenants, id__in=list(draws)).values_list("id", flat=True))
    Consumption.objects.bulk_create(Consumption(**draw) for draw_id, draw in draws.items() if draw_id not in known)


def _reversal(entry: Mapping[str, Any], *, reason: str) -> dict[str, Any]:
    """The posting that takes back what is left of an entry; it happens when it is posted."""
    facts = {name: entry[name] for name in ("grant_id", "invoice_id", "billing_run_id")}
    facts |= {"type": str(transactions.OPPOSITE[entry["type"]]), "amount": entry["left"], "reason": reason, "reverses": entry["id"]}
    return {
        **{name: facts[name] for name in ("grant_id", "type", *TEXTS)},
        "id": new_id_text(),
        "kind": TransactionKind.REVERSAL.value,
        "amount": f"{entry['left']:f}",
        "reverses_id": entry["id"],
        "facts_digest": bytea(transaction_digest(facts)),
    }


def _all_done(answers: Sequence[Any]) -> int:
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
    return len(answers)


def _opened(row: Any, written: bytes) -> Any:
    return row if row.outcome == "posted" else grants.opening_outcome(row, msgspec.json.decode(written))


def _posted(row: Any, written: bytes) -> Any:
    if row.outcome == "posted":
        return row
    line = msgspec.json.decode(written)
    errors = posting_errors(requested=line.get("amount"), invoice_id=line["invoice_id"], reverses=line.get("reverses_id"))
    fingerprint = from_bytea(line.get("facts_digest"))
    return row_of(posted_or_error(row, facts_digest=fingerprint, names=TRANSACTION_FACTS, errors=errors, also_posted=NOTHING_TO_DO))
