"""What must hold of the billing ledger; `find_violations` recomputes all of it from the entries."""

from collections.abc import Iterator
from uuid import UUID

from billing.digests import FACTS
from kernel.ledger.fact_digests import ABSENT, SIZE
from kernel.ledger.integrity import checks
from kernel.ledger.integrity.checks import Check, Violation


def find_violations(*, tenant_id: UUID | None = None, at_most: int = 1) -> Iterator[Violation]:
    """The first violations of each check, over the whole ledger or one tenant's."""
    return checks.find_violations(CHECKS, tenant_id=tenant_id, at_most=at_most)


# What no caller stated has this digest, and none is shorter, however many facts are appended.
NO_FACTS = "decode(billing_no_facts_digest(), 'hex')"
# For each fact of a digest: the row holds a value of it. A digest of zeros says that the caller gave none.
HOLDS_FACT = {
    # A capture takes what is left where it states no amount, and nobody stated the parts of a payment.
    "amount": f"""entry.reverses_id IS NULL
        AND NOT (entry.reference_id LIKE 'payment:%%' AND entry.facts_digest = {NO_FACTS})
        AND NOT EXISTS (
            SELECT FROM billing_walletholdentry capture WHERE capture.tenant_id = entry.tenant_id AND capture.transaction_id = entry.id
        )""",
    "agent_id": "entry.reverses_id IS NULL AND entry.agent_id IS NOT NULL",
    "description": "entry.description IS NOT NULL",
    "metadata": "entry.metadata::text !~ '^[[:space:]]*[{][[:space:]]*[}][[:space:]]*$'",
    "reverses": "entry.reverses_id IS NOT NULL",
    "reason_code": "entry.reason_code <> ''",
    "reason": "entry.reason <> ''",
}
# Currency and time are left out: where the caller gives none, the row holds the default.
STORED_BUT_ABSENT = " OR ".join(f"is_absent[{FACTS.index(fact) + 1}] AND {holds}" for fact, holds in HOLDS_FACT.items())

CHECKS = (
    Check(
        name="billing_running_balance",
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
        name="billing_wallet_equals_last_entry",
        rule="A wallet has the balance, number and time of its newest entry.",
        statement="""
            SELECT wallet.tenant_id, wallet.id, wallet.currency, wallet.balance, entry.balance_after, wallet.last_entry_number,
                entry.entry_number
            FROM billing_wallet wallet
            LEFT JOIN LATERAL (
                SELECT entry_number, balance_after, created_at, currency FROM billing_transaction
                WHERE tenant_id = wallet.tenant_id AND wallet_id = wallet.id ORDER BY entry_number DESC LIMIT 1
            ) AS entry ON true
            WHERE (%(tenant)s::uuid IS NULL OR wallet.tenant_id = %(tenant)s) AND (
                wallet.balance <> coalesce(entry.balance_after, 0) OR wallet.last_entry_number <> coalesce(entry.entry_number, 0)
                OR wallet.last_entry_at IS DISTINCT FROM entry.created_at)
        """,
    ),
    Check(
        name="billing_wallet_floor",
        rule="A wallet's balance, less what is held, isn't below its floor.",
        statement="""
            SELECT tenant_id, id, currency, balance, held, floor FROM billing_wallet
            WHERE (%(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s)
                AND NOT billing_floor_allows(balance => balance, held => held, floor => floor)
        """,
    ),
    Check(
        name="billing_entry_effect",
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
        name="billing_near_duplicate_flags",
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
        name="billing_no_future_entries",
        rule="No entry was booked later than now.",
        statement="""
            SELECT tenant_id, id, created_at, clock_timestamp() AS now FROM billing_transaction
            WHERE (%(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s) AND created_at > clock_timestamp()
        """,
    ),
    Check(
        name="billing_digest_facts",
        rule="Every entry has a whole digest, and holds no fact that its digest says was not given.",
        statement=f"""
            SELECT entry.tenant_id, entry.id, encode(entry.facts_digest, 'hex') AS facts_digest
            FROM billing_transaction entry, LATERAL (
                SELECT array_agg(substring(entry.facts_digest FROM start FOR {SIZE}) = '\\x{ABSENT.hex()}'::bytea ORDER BY start)
                FROM generate_series(1, {len(FACTS) * SIZE}, {SIZE}) AS start
            ) AS digest (is_absent)
            WHERE (%(tenant)s::uuid IS NULL OR entry.tenant_id = %(tenant)s) AND (
                octet_length(entry.facts_digest) < octet_length({NO_FACTS}) OR octet_length(entry.facts_digest) %% {SIZE} <> 0 OR
        """  # noqa: S608 - constants
        + STORED_BUT_ABSENT
        + ")",
    ),
    Check(
        name="billing_held_equals_holds",
        rule="A wallet's held amount is what its active holds reserve, and that of its newest hold entry.",
        statement="""
            SELECT wallet.tenant_id, wallet.id, wallet.currency, wallet.held, open.remaining, newest.held_after
            FROM billing_wallet wallet
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(amount - captured), 0) AS remaining FROM billing_wallethold
                WHERE tenant_id = wallet.tenant_id AND wallet_id = wallet.id AND status = 'active'
            ) AS open
            LEFT JOIN LATERAL (
                SELECT held_after FROM billing_walletholdentry
                WHERE tenant_id = wallet.tenant_id AND wallet_id = wallet.id ORDER BY created_at DESC, id DESC LIMIT 1
            ) AS newest ON true
            WHERE (%(tenant)s::uuid IS NULL OR wallet.tenant_id = %(tenant)s)
                AND (wallet.held <> open.remaining OR wallet.held <> coalesce(newest.held_after, 0))
        """,
    ),
    Check(
        name="billing_hold_equals_entries",
        rule="A hold is placed once, in its wallet's currency; it captured what its entries say, and reserves nothing once it has ended.",
        statement="""
            SELECT hold.tenant_id, hold.id, hold.status, hold.amount, hold.captured, steps.placed, steps.captured AS captured_entries,
                steps.freed
            FROM billing_wallethold hold
            LEFT JOIN billing_wallet wallet ON wallet.tenant_id = hold.tenant_id AND wallet.id = hold.wallet_id
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(amount) FILTER (WHERE kind = 'placed'), 0) AS placed,
                    coalesce(sum(amount) FILTER (WHERE kind = 'captured'), 0) AS captured,
                    coalesce(sum(amount) FILTER (WHERE kind IN ('released', 'expired')), 0) AS freed,
                    count(*) FILTER (WHERE kind = 'placed') AS starts, count(*) FILTER (WHERE is_final) AS finals,
                    count(*) FILTER (WHERE kind = 'released' AND facts_digest IS NOT NULL) AS releases,
                    count(*) FILTER (WHERE kind = 'expired') AS expiries, bool_and(wallet_id = hold.wallet_id) AS are_in_wallet
                FROM billing_walletholdentry
                WHERE tenant_id = hold.tenant_id AND hold_id = hold.id
            ) AS steps
            WHERE (%(tenant)s::uuid IS NULL OR hold.tenant_id = %(tenant)s) AND (
                wallet.currency IS DISTINCT FROM hold.currency OR steps.are_in_wallet IS NOT TRUE
                OR steps.starts <> 1 OR steps.placed <> hold.amount OR steps.captured <> hold.captured
                OR steps.freed <> CASE hold.status WHEN 'active' THEN 0 ELSE hold.amount - hold.captured END
                OR steps.finals <> (hold.status = 'captured')::int OR steps.releases <> (hold.status = 'released')::int
                OR steps.expiries <> (hold.status = 'expired')::int)
        """,
    ),
    Check(
        name="billing_running_held",
        rule="held_after of each hold entry is that of the wallet's entry before, plus what was placed, or less what was taken or freed; "
        "captured_after is what the hold's captures took until then.",
        statement="""
            SELECT tenant_id, id, wallet_id, hold_id, kind, amount, held_before, held_after, captured_so_far, captured_after
            FROM (
                SELECT tenant_id, id, wallet_id, hold_id, kind, amount, held_after, captured_after,
                    coalesce(lag(held_after) OVER (PARTITION BY tenant_id, wallet_id ORDER BY created_at, id), 0) AS held_before,
                    sum(CASE kind WHEN 'captured' THEN amount ELSE 0 END)
                        OVER (PARTITION BY tenant_id, hold_id ORDER BY created_at, id) AS captured_so_far
                FROM billing_walletholdentry
                WHERE %(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s
            ) AS entry
            WHERE held_after <> held_before + CASE kind WHEN 'placed' THEN amount WHEN 'extended' THEN 0 ELSE -amount END
                OR captured_after <> captured_so_far OR kind = 'extended' AND amount <> 0
        """,
    ),
    Check(
        name="billing_hold_debit",
        rule="Each capture is one debit of its amount in the hold's wallet, under the capture's key; both say the same of its amount.",
        statement=f"""
            SELECT entry.tenant_id, entry.id, entry.hold_id, entry.amount, entry.reference_id, debit.id AS transaction_id, debit.effect
            FROM billing_walletholdentry entry
            LEFT JOIN billing_transaction debit ON debit.tenant_id = entry.tenant_id AND debit.id = entry.transaction_id
            WHERE (%(tenant)s::uuid IS NULL OR entry.tenant_id = %(tenant)s) AND entry.kind = 'captured' AND (
                entry.reference_id IS NULL OR entry.facts_digest IS NULL OR (entry.amount > 0) <> (debit.id IS NOT NULL)
                OR debit.id IS NOT NULL AND (
                    debit.effect <> -entry.amount OR debit.type <> 'usage' OR debit.wallet_id <> entry.wallet_id
                    OR debit.reference_id <> entry.reference_id OR debit.reverses_id IS NOT NULL
                    OR substring(debit.facts_digest FOR {SIZE}) <> substring(entry.facts_digest FOR {SIZE})))
        """,  # noqa: S608 - constants
    ),
    Check(
        name="billing_hold_moments",
        rule="A hold has the end of its newest entry; it was placed and closed when its entries say.",
        statement="""
            SELECT hold.tenant_id, hold.id, hold.status, hold.expires_at, hold.closed_at, newest.expires_at AS entry_expires_at,
                newest.occurred_at AS entry_occurred_at
            FROM billing_wallethold hold
            CROSS JOIN LATERAL (
                SELECT expires_at, occurred_at, kind FROM billing_walletholdentry
                WHERE tenant_id = hold.tenant_id AND hold_id = hold.id ORDER BY created_at DESC, id DESC LIMIT 1
            ) AS newest
            CROSS JOIN LATERAL (
                SELECT occurred_at FROM billing_walletholdentry WHERE tenant_id = hold.tenant_id AND hold_id = hold.id AND kind = 'placed'
                LIMIT 1
            ) AS first
            WHERE (%(tenant)s::uuid IS NULL OR hold.tenant_id = %(tenant)s) AND (
                hold.expires_at <> newest.expires_at OR hold.occurred_at <> first.occurred_at
                OR hold.status <> 'active' AND hold.closed_at IS DISTINCT FROM newest.occurred_at
                OR hold.status = 'expired' AND hold.closed_at <> hold.expires_at)
        """,
    ),
    Check(
        name="billing_daily_total",
        rule="The totals of each currency, type and UTC day are those of the entries that happened on it.",
        statement="""
            SELECT coalesce(stored.tenant_id, counted.tenant_id) AS tenant_id, coalesce(stored.currency, counted.currency) AS currency,
                coalesce(stored.type, counted.type) AS type, coalesce(stored.day, counted.day) AS day,
                stored.entries, counted.entries AS true_entries, stored.credits, counted.credits AS true_credits,
                stored.debits, counted.debits AS true_debits
            FROM (SELECT * FROM billing_dailytotal WHERE %(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s) AS stored
            FULL JOIN (
                SELECT tenant_id, currency, type, ledger_day(occurred_at) AS day, count(*) AS entries,
                    sum(greatest(effect, 0)) AS credits, sum(greatest(-effect, 0)) AS debits
                FROM billing_transaction
                WHERE %(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s
                GROUP BY tenant_id, currency, type, ledger_day(occurred_at)
            ) AS counted ON stored.tenant_id = counted.tenant_id AND stored.currency = counted.currency AND stored.type = counted.type
                AND stored.day = counted.day
            WHERE (stored.entries, stored.credits, stored.debits) IS DISTINCT FROM (counted.entries, counted.credits, counted.debits)
        """,
    ),
    Check(
        name="billing_unique_key",
        rule="A tenant has each type and reference once.",
        statement="""
            SELECT tenant_id, type, reference_id, count(*) AS entries FROM billing_transaction
            WHERE %(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s
            GROUP BY tenant_id, type, reference_id HAVING count(*) > 1
        """,
    ),
)
