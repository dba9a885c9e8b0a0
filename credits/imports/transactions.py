"""Imports debits and credits of grants from files: an adapter for kernel.backfills."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date
from decimal import Decimal
from typing import Any

from credits import services
from credits.choices import TransactionKind, TransactionType
from credits.digests import TRANSACTION_FACTS
from credits.imports import lookups
from credits.imports.consumptions import draw_from_json, draw_from_text
from kernel.backfills.adapters import ALREADY_THERE, Account, Adapter, Blocker, Existing, NewTypes, Outcome, UndoStep
from kernel.backfills.errors import RowRefused
from kernel.backfills.models import BackfillRun
from kernel.backfills.reading.columns import (
    Column,
    identifier,
    json_from_json,
    json_text,
    key_text,
    moment,
    money_from_json,
    one_of,
    positive_money,
    text,
)
from kernel.backfills.reading.rows import Posting
from kernel.backfills.row_outcomes import ID_COLUMNS, find_existing, key_of, post_new
from kernel.ledger.identifiers import new_id_text
from kernel.ledger.posting import encoded
from kernel.tenants.models import Tenant

KINDS = tuple(kind for kind in TransactionKind.values if kind != TransactionKind.OPENING)
# Kinds that take the whole remaining balance and close the grant, with the status that the grant gets.
CLOSING = {TransactionKind.EXPIRY: "expired", TransactionKind.VOID: "voided", TransactionKind.DELETION: "deleted"}
GRANT, TAKEN, REVERSED = "grant ", "taken ", "reversal of "


class TransactionsAdapter(Adapter):
    """Debits and credits of grants, keyed by idempotency_key or else by id."""

    command = "backfill_credit_transactions"
    noun = "credit transactions"
    facts = TRANSACTION_FACTS
    amount_column = "amount"
    account_columns = ("grant_id", "grant_key")
    skipped_columns = (
        *("customer_id", "entry_number", "balance_after", "cost_basis", "consumption_id", "hold_id"),
        *("created_at", "actor", "request_id"),
    )
    columns = (
        *ID_COLUMNS,
        Column("grant_id", identifier, help="which grant; a row needs it or a grant_key"),
        Column("grant_key", key_text(at_most=255), help="the idempotency_key under which the grant came in"),
        Column("type", one_of(*TransactionType.values), required=True, help="DEBIT or CREDIT"),
        Column("amount", positive_money, required=True, help="units of the grant, above zero", from_json=money_from_json(positive_money)),
        Column("occurred_at", moment, required=True, help="when it happened, with UTC offset; a date alone is its midnight UTC"),
        Column("reason", text(at_most=1000), help="for people"),
        Column("invoice_id", text(at_most=255), help="which invoice it belongs to"),
        Column("billing_run_id", text(at_most=255), help="which billing run it belongs to"),
        Column("kind", one_of(*KINDS), help="from an export: why it was posted (default: debit or credit)"),
        Column("reverses", identifier, help="of a reversal: the id of what it takes back"),
        Column("chosen_by", json_text, help="from an export: why a burn-down chose this grant", from_json=json_from_json),
        Column("consumption", draw_from_text, help="from an export: the draw that it is a part of, JSON", from_json=draw_from_json),
    )

    def directions(self, tenant: Tenant) -> Mapping[str, str]:
        return {kind: kind.lower() for kind in TransactionType.values}

    def prepare(self, values: dict[str, Any]) -> Posting:
        key = key_of(values)
        if "grant_id" not in values and "grant_key" not in values:
            raise RowRefused("grant_id", "is required where the row has no grant_key")
        kind = values.get("kind") or values["type"].lower()
        if (kind == TransactionKind.REVERSAL) != ("reverses" in values):
            raise RowRefused("reverses", "belongs to a reversal, and a reversal needs it")
        if "consumption" in values and kind != TransactionKind.CONSUMPTION:
            raise RowRefused("consumption", "belongs to a consumption")
        if kind in {*CLOSING, "debit", "consumption", "capture"} and values["type"] != TransactionType.DEBIT:
            raise RowRefused("type", f"is DEBIT for {kind}")
        effect = values["amount"] if values["type"] == TransactionType.CREDIT else -values["amount"]
        # `complete` adds the unit, which is the grant's, and the grant's part of the digest if the row has no grant_id.
        digest = services.imported_digest(values)
        return Posting(key=key, digest=digest, body=values, kind=kind, occurred_at=values["occurred_at"], amounts=(("", effect),))

    def pack(self, posting: Posting, audit: Mapping[str, Any]) -> None:
        values = posting.body
        body = {name: values[name] for name in ("grant_id", "grant_key", "facts_digest") if name in values}
        # A row of a kind that the ledger itself posts has no digest, unless the file gives it a key, by which it may be repeated.
        body["has_digest"] = posting.kind in services.KINDS_WITH_KEY or not values.keys().isdisjoint({"idempotency_key", "facts_digest"})
        is_known = body["has_digest"] and "grant_id" in values
        if "consumption" in values:
            body["draw"] = {**values["consumption"], **audit}
        line = services.transaction_line(values, digest=posting.digest if is_known else None)
        posting.payload, posting.body = encoded({**line, **audit}), body

    def complete(self, tenant: Tenant, postings: Sequence[Posting], new_types: NewTypes | None = None) -> None:
        keys = {posting.body["grant_key"] for posting in postings if "grant_id" not in posting.body}
        ids = {str(posting.body["grant_id"]) for posting in postings if "grant_id" in posting.body}
        found = lookups.named_grants(tenant_id=tenant.id, keys=list(keys), ids=list(ids))
        newer = lookups.grants_again(tenant_id=tenant.id, keys=list(keys)) if keys else []
        by_id = {grant: unit for grant, _, unit in found} | {grant: unit for _, grant, unit in newer}
        by_key = {key: grant for grant, key, _ in found} | {key: grant for key, grant, _ in newer}
        for posting in postings:
            if "grant_id" not in posting.body:
                # A new id makes the ledger itself answer that there is no such grant.
                self._name_grant(posting, by_key.get(posting.body["grant_key"]) or new_id_text())
            posting.amounts = ((by_id.get(str(posting.body["grant_id"]), ""), posting.amounts[0][1]),)

    def _name_grant(self, posting: Posting, grant: str) -> None:
        body = posting.body
        body["grant_id"] = grant
        if "facts_digest" not in body:
            posting.digest = services.digest_on(grant, posting.digest)
        if posting.payload:
            posting.payload = services.name_grant(posting.payload, grant_id=grant, digest=posting.digest if body["has_digest"] else None)

    def simulate(self, tenant: Tenant, postings: Sequence[Posting]) -> None:
        for posting in postings:
            values, effect = posting.body, posting.amounts[0][1]
            grant = str(values["grant_id"])
            effects = [(f"{GRANT}{grant}", effect)]
            if invoice := values.get("invoice_id"):
                effects.append((f"{TAKEN}{grant}/{invoice}", -effect))
            if original := values.get("reverses"):
                effects.insert(0, (f"{REVERSED}{original}", -values["amount"]))
            posting.effects = effects

    def existing(self, tenant: Tenant, keys: Sequence[str]) -> Mapping[str, Existing]:
        return find_existing("credits_transaction", tenant, keys)

    def accounts(self, tenant: Tenant, names: Sequence[str]) -> Mapping[str, Account]:
        ids = [name.removeprefix(GRANT) for name in names if name.startswith(GRANT) and is_uuid(name.removeprefix(GRANT))]
        found = {f"{GRANT}{grant['id']}": grant_account(grant) for grant in lookups.grants_by_id(tenant_id=tenant.id, ids=ids)}
        cited = [name.removeprefix(TAKEN).split("/", 1) for name in names if name.startswith(TAKEN)]
        pairs = [(grant, invoice) for grant, invoice in cited if is_uuid(grant)]
        for (grant, invoice), amount in (lookups.amounts_taken_by_invoice(tenant_id=tenant.id, pairs=pairs) if pairs else {}).items():
            found[f"{TAKEN}{grant}/{invoice}"] = hidden_account(f"{TAKEN}{grant}/{invoice}", invoice, amount)
        originals = [name.removeprefix(REVERSED) for name in names if name.startswith(REVERSED)]
        for original, amount in (lookups.left_to_reverse(tenant_id=tenant.id, ids=originals) if originals else {}).items():
            found[f"{REVERSED}{original}"] = hidden_account(f"{REVERSED}{original}", original, amount)
        return found

    def new_account(self, tenant: Tenant, name: str, posting: Posting) -> Account | None:
        if name.startswith(GRANT):
            return None
        account = hidden_account(name, name.rpartition("/")[2], Decimal(0))
        if name.startswith(REVERSED):
            # The original is in the same file. The plan doesn't know its amount; the posting decides whether it is exceeded.
            account.lower_limit = None
        return account

    def refusal(self, account: Account, posting: Posting, effect: Decimal) -> Outcome | None:
        if account.name.startswith(GRANT):
            return grant_refusal(account, posting, effect)
        if account.lower_limit is None or account.now + effect >= 0 or effect >= 0:
            return None
        if account.name.startswith(REVERSED):
            code = "exceeds_original" if account.now > 0 else "already_reversed"
            return Outcome(code, f"{account.now:f} of {account.label} is left to reverse")
        return Outcome("more_than_taken", f"invoice {account.label} has {account.now:f} of this grant")

    def apply(self, account: Account, posting: Posting, effect: Decimal) -> None:
        super().apply(account, posting, effect)
        held = account.lower_limit or Decimal(0)
        day = posting.occurred_at.astimezone(UTC).date()
        if posting.kind in CLOSING:
            account.now, account.terms["status"] = held, CLOSING[TransactionKind(posting.kind)]
        elif effect > 0 and account.name.startswith(GRANT) and (account.terms["status"] == "voided" or is_over(account, day)):
            # Credit for a voided or expired grant is voided or expired at once.
            account.now = held

    def missing(self, name: str) -> Outcome:
        return Outcome("grant_not_found", f"there is no {name}")

    def post(self, tenant: Tenant, postings: Sequence[Posting], run: BackfillRun) -> Sequence[Outcome]:
        def post(fresh: list[Posting]) -> list[Any]:
            draws = [posting.body["draw"] for posting in fresh if "draw" in posting.body]
            return services.record_imported_many(tenant_id=tenant.id, lines=[posting.payload for posting in fresh], draws=draws)

        return post_new(self, tenant, postings, post)

    def blockers(self, tenant: Tenant, run: BackfillRun, *, at_most: int) -> Iterable[Blocker]:
        for entry, kind in lookups.irreversible(tenant_id=tenant.id, request_id=run.request_id, at_most=at_most):
            yield Blocker(what=f"transaction {entry}", why=f"is of kind {kind}, which no reversal takes back")
        for grant, room in lookups.grants_short_without(tenant_id=tenant.id, request_id=run.request_id, at_most=at_most):
            yield Blocker(what=f"grant {grant}", why=f"has been drawn on since: {-room:f} too little is left")

    def undo(self, tenant: Tenant, run: BackfillRun, *, at_most: int, actor: str, below: Any) -> UndoStep:
        count, lowest = services.reverse_run(
            tenant_id=tenant.id, actor=actor, request_id=run.undo_request_id, of=run.request_id, at_most=at_most, below=below
        )
        return UndoStep(reversed=count, lowest_id=lowest)


def grant_account(grant: Mapping[str, Any]) -> Account:
    name = f"{GRANT}{grant['id']}"
    terms = {"status": grant["status"], "effective": _written(grant["effective_date"]), "expiry": _written(grant["expiry_date"])}
    return Account(
        name=name,
        label=name,
        unit=grant["metric_id"] or grant["currency"],
        before=grant["balance"],
        now=grant["balance"],
        lower_limit=grant["held"],
        latest=grant["latest"],
        terms=terms,
    )


def hidden_account(name: str, label: str, amount: Decimal) -> Account:
    return Account(name=name, label=label, unit="", before=amount, now=amount, lower_limit=Decimal(0), is_listed=False)


def grant_refusal(account: Account, posting: Posting, effect: Decimal) -> Outcome | None:
    """The refusals of credits/sql/credits_posting_refusal.sql that follow from the grant alone, by the same conditions.

    A copy, because a plan streams: it keeps simulated balances that the database function can't see. What an invoice took of the grant and
    what is left of a reversed transaction are accounts of their own (TransactionsAdapter.refusal). The property test of
    tests/backfills/test_credits.py holds the plan and the postings equal. A closing entry of a grant with nothing left was made by the
    ledger itself before.
    """
    day, status, kind = posting.occurred_at.astimezone(UTC).date(), account.terms["status"], posting.kind
    has_dates = kind == TransactionKind.DEBIT
    left = account.now - (account.lower_limit or Decimal(0))
    asked = {
        ALREADY_THERE: (kind in CLOSING and left <= 0 and (kind == "deletion") == (status == "deleted"), "is closed"),
        "grant_not_found": (status == "deleted", "is no more"),
        "grant_voided": (status == "voided" and kind in {"debit", "credit"}, "was voided"),
        "grant_not_yet_effective": (has_dates and day.isoformat() < account.terms["effective"], f"begins on {account.terms['effective']}"),
        "grant_expired": (has_dates and is_over(account, day), f"ended on {account.terms['expiry']}"),
        "insufficient_credit": (effect < 0 and kind not in CLOSING and left + effect < 0, f"has {left:f} left"),
    }
    return next((Outcome(code, f"{account.label} {why}") for code, (is_so, why) in asked.items() if is_so), None)


def is_over(account: Account, day: date) -> bool:
    return account.terms["expiry"] is not None and day.isoformat() > account.terms["expiry"]


def is_uuid(written: str) -> bool:
    return len(written) == 36 and written.count("-") == 4


def _written(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
