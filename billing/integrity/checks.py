"""What must hold of the billing ledger; `find_violations` recomputes all of it from the entries."""

from collections.abc import Iterator
from uuid import UUID

from billing.digests import FACTS
from kernel.ledger.integrity import checks
from kernel.ledger.integrity.checks import Check, Violation


def find_violations(*, tenant_id: UUID | None = None, at_most: int = 1) -> Iterator[Violation]:
    """The first violations of each check, over the whole ledger or one tenant's."""
    return checks.find_violations(CHECKS, tenant_id=tenant_id, at_most=at_most)


# For each fact of a digest: the row holds a value of it. A digest of zeros says that the caller gave none.
HOLDS_FACT = {
    "amount": "entry.reverses_id IS NULL",
    "agent_id": "entry.reverses_id IS NULL AND entry.agent_id IS NOT NULL",
    "description": "entry.description IS NOT NULL",
    "metadata": "entry.metadata::text !~ '^[[:space:]]*[{][[:space:]]*[}][[:space:]]*$'",
    "reverses": "entry.reverses_id IS NOT NULL",
    "reason_code": "entry.reason_code <> ''",
    "reason": "entry.reason <> ''",
}
# Currency and time are left out: where the caller gives none, the row holds the default.
HELD_BUT_ABSENT = " OR ".join(f"is_absent[{FACTS.index(fact) + 1}] AND {holds}" for fact, holds in HOLDS_FACT.items())

CHECKS = (
    Check(
        name="billing_chain",
        rule="A wallet's entries are numbered 1, 2, 3 in the order of their time, and each balance is the one before plus the effect.",
        statement="""
            SELECT tenant_id, wallet_id, id, entry_number, number_before, balance_before, effect, balance_after
            FROM (
                SELECT tenant_id, wallet_id, id, entry_number, effect, balance_after, created_at,
                    coalesce(lag(entry_number) OVER chain, 0) AS number_before,
                    coalesce(lag(balance_after) OVER chain, 0) AS balance_before,
                    lag(created_at) OVER chain AS time_before
                FROM billing_transaction
                WHERE %(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s
                WINDOW chain AS (PARTITION BY tenant_id, wallet_id ORDER BY entry_number)
            ) AS entry
            WHERE entry_number <> number_before + 1 OR balance_after <> balance_before + effect OR created_at < time_before
        """,
    ),
    Check(
        name="billing_wallet",
        rule="A wallet has the balance, number and currency of its newest entry, and isn't below its floor.",
        statement="""
            SELECT wallet.tenant_id, wallet.id, wallet.currency, wallet.balance, entry.balance_after, wallet.last_entry_number,
                entry.entry_number, wallet.floor
            FROM billing_wallet wallet
            LEFT JOIN LATERAL (
                SELECT entry_number, balance_after, created_at, currency FROM billing_transaction
                WHERE tenant_id = wallet.tenant_id AND wallet_id = wallet.id ORDER BY entry_number DESC LIMIT 1
            ) AS entry ON true
            WHERE (%(tenant)s::uuid IS NULL OR wallet.tenant_id = %(tenant)s) AND (
                wallet.balance <> coalesce(entry.balance_after, 0) OR wallet.last_entry_number <> coalesce(entry.entry_number, 0)
                OR wallet.last_entry_at IS DISTINCT FROM entry.created_at OR NOT billing_floor_allows(wallet.balance, wallet.floor))
        """,
    ),
    Check(
        name="billing_effect",
        rule="An entry has its wallet's currency, its type's direction, and the effect that its amount has in it.",
        statement="""
            SELECT entry.tenant_id, entry.id, entry.currency, entry.type, entry.direction, entry.amount, entry.effect
            FROM billing_transaction entry
            LEFT JOIN billing_wallet wallet ON wallet.tenant_id = entry.tenant_id AND wallet.id = entry.wallet_id
            LEFT JOIN billing_transactiontype kind ON kind.tenant_id = entry.tenant_id AND kind.code = entry.type
            WHERE (%(tenant)s::uuid IS NULL OR entry.tenant_id = %(tenant)s) AND (
                wallet.currency IS DISTINCT FROM entry.currency OR kind.direction IS DISTINCT FROM entry.direction
                OR entry.effect <> billing_effect(entry.direction, entry.amount, entry.reverses_id IS NOT NULL))
        """,
    ),
    Check(
        name="billing_reversal",
        rule="A reversal is in its original's wallet, with its type and the opposite sign; the original's reversed amount is their sum.",
        statement="""
            SELECT original.tenant_id, original.id, original.effect, original.reversed_amount, original.reversed_by_id, taken.amount
            FROM billing_transaction original
            LEFT JOIN (
                SELECT tenant_id, reverses_id AS id, sum(abs(effect)) AS amount, sum(sign(effect)) AS signs, count(*) AS entries,
                    min(type) AS first_type, max(type) AS last_type,
                    min(wallet_id::text) AS first_wallet, max(wallet_id::text) AS last_wallet,
                    (array_agg(id ORDER BY entry_number DESC))[1] AS last_id
                FROM billing_transaction
                WHERE reverses_id IS NOT NULL AND (%(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s)
                GROUP BY tenant_id, reverses_id
            ) AS taken ON taken.tenant_id = original.tenant_id AND taken.id = original.id
            WHERE (%(tenant)s::uuid IS NULL OR original.tenant_id = %(tenant)s)
                AND (taken.id IS NOT NULL OR original.reversed_amount <> 0 OR original.reversed_by_id IS NOT NULL)
                AND (
                    original.reversed_amount <> coalesce(taken.amount, 0) OR taken.amount > abs(original.effect)
                    OR taken.signs <> -sign(original.effect) * taken.entries
                    OR taken.first_type <> original.type OR taken.last_type <> original.type
                    OR taken.first_wallet <> original.wallet_id::text OR taken.last_wallet <> original.wallet_id::text
                    OR original.reversed_by_id IS DISTINCT FROM CASE WHEN taken.amount = abs(original.effect) THEN taken.last_id END)
        """,
    ),
    Check(
        name="billing_reversal_facts",
        rule="A reversal has an original, the original's agent, and a reason.",
        statement="""
            SELECT entry.tenant_id, entry.id, entry.reverses_id, entry.agent_id, original.agent_id AS original_agent_id, entry.reason_code
            FROM billing_transaction entry
            LEFT JOIN billing_transaction original ON original.tenant_id = entry.tenant_id AND original.id = entry.reverses_id
            WHERE (%(tenant)s::uuid IS NULL OR entry.tenant_id = %(tenant)s) AND entry.reverses_id IS NOT NULL AND (
                original.id IS NULL OR entry.agent_id IS DISTINCT FROM original.agent_id OR entry.reason_code = '')
        """,
    ),
    Check(
        name="billing_flags",
        rule="A near-duplicate is flagged, and names an entry of its wallet with the same type, amount and agent, at most a day away.",
        statement="""
            SELECT entry.tenant_id, entry.id, entry.flags, entry.near_duplicate_of_id
            FROM billing_transaction entry
            LEFT JOIN billing_transaction other ON other.tenant_id = entry.tenant_id AND other.id = entry.near_duplicate_of_id
            WHERE (%(tenant)s::uuid IS NULL OR entry.tenant_id = %(tenant)s) AND (
                entry.flags::text[] <> CASE WHEN entry.near_duplicate_of_id IS NULL THEN '{}'::text[] ELSE '{near_duplicate}'::text[] END
                OR entry.near_duplicate_of_id IS NOT NULL AND (
                    entry.reverses_id IS NOT NULL OR other.reverses_id IS NOT NULL OR other.id = entry.id
                    OR (other.wallet_id, other.type, other.amount) IS DISTINCT FROM (entry.wallet_id, entry.type, entry.amount)
                    OR other.agent_id IS DISTINCT FROM entry.agent_id
                    OR other.occurred_at NOT BETWEEN entry.occurred_at - interval '1 day' AND entry.occurred_at + interval '1 day'))
        """,
    ),
    Check(
        name="billing_clock",
        rule="No entry was booked later than now.",
        statement="""
            SELECT tenant_id, id, created_at, clock_timestamp() AS now FROM billing_transaction
            WHERE (%(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s) AND created_at > clock_timestamp()
        """,
    ),
    Check(
        name="billing_digest_facts",
        rule="Every entry has a whole digest, and holds no fact that its digest says was not given.",
        statement="""
            SELECT entry.tenant_id, entry.id, encode(entry.facts_digest, 'hex') AS facts_digest
            FROM billing_transaction entry, LATERAL (
                SELECT array_agg(substring(entry.facts_digest FROM place * 8 + 1 FOR 8) = decode('0000000000000000', 'hex') ORDER BY place)
                FROM generate_series(0, 8) AS place
            ) AS digest (is_absent)
            WHERE (%(tenant)s::uuid IS NULL OR entry.tenant_id = %(tenant)s) AND (
                octet_length(entry.facts_digest) < 72 OR octet_length(entry.facts_digest) %% 8 <> 0 OR
        """  # noqa: S608 - constants
        + HELD_BUT_ABSENT
        + ")",
    ),
    Check(
        name="billing_daily_total",
        rule="The totals of each currency, type and UTC day are those of the entries that happened on it.",
        statement="""
            SELECT coalesce(kept.tenant_id, counted.tenant_id) AS tenant_id, coalesce(kept.currency, counted.currency) AS currency,
                coalesce(kept.type, counted.type) AS type, coalesce(kept.day, counted.day) AS day,
                kept.entries, counted.entries AS true_entries, kept.credits, counted.credits AS true_credits,
                kept.debits, counted.debits AS true_debits
            FROM (SELECT * FROM billing_dailytotal WHERE %(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s) AS kept
            FULL JOIN (
                SELECT tenant_id, currency, type, (occurred_at AT TIME ZONE 'UTC')::date AS day, count(*) AS entries,
                    sum(greatest(effect, 0)) AS credits, sum(greatest(-effect, 0)) AS debits
                FROM billing_transaction
                WHERE %(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s
                GROUP BY tenant_id, currency, type, (occurred_at AT TIME ZONE 'UTC')::date
            ) AS counted ON kept.tenant_id = counted.tenant_id AND kept.currency = counted.currency AND kept.type = counted.type
                AND kept.day = counted.day
            WHERE (kept.entries, kept.credits, kept.debits) IS DISTINCT FROM (counted.entries, counted.credits, counted.debits)
        """,
    ),
    Check(
        name="billing_key",
        rule="A tenant has each type and reference once.",
        statement="""
            SELECT tenant_id, type, reference_id, count(*) AS entries FROM billing_transaction
            WHERE %(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s
            GROUP BY tenant_id, type, reference_id HAVING count(*) > 1
        """,
    ),
)
