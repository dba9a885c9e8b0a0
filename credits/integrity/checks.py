"""The rules that the credits ledger must obey; `find_violations` recomputes stored values from the entries."""

from collections.abc import Iterator
from uuid import UUID

from kernel.ledger.integrity import checks
from kernel.ledger.integrity.checks import Check, Violation


def find_violations(*, tenant_id: UUID | None = None, at_most: int = 1) -> Iterator[Violation]:
    """The first `at_most` violations of each check, in the whole ledger or one tenant's."""
    return checks.find_violations(CHECKS, tenant_id=tenant_id, at_most=at_most)


CHECKS = (
    Check(
        name="credits_running_balance",
        rule="A grant's transactions are numbered 1, 2, 3 in the order of time; each balance is the one before plus or minus the amount.",
        statement="""
            SELECT tenant_id, grant_id, id, entry_number, number_before, balance_before, type, amount, balance_after
            FROM (
                SELECT tenant_id, grant_id, id, entry_number, type, amount, balance_after, created_at,
                    coalesce(lag(entry_number) OVER chain, 0) AS number_before,
                    coalesce(lag(balance_after) OVER chain, 0) AS balance_before,
                    lag(created_at) OVER chain AS time_before
                FROM credits_transaction
                WHERE %(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s
                WINDOW chain AS (PARTITION BY tenant_id, grant_id ORDER BY entry_number)
            ) AS entry
            WHERE entry_number <> number_before + 1 OR created_at < time_before
                OR balance_after <> balance_before + CASE type WHEN 'CREDIT' THEN amount ELSE -amount END
        """,
    ),
    Check(
        name="credits_grant_equals_last_entry",
        rule="A grant opens with its original amount at its own moments, and its balance is that of its newest transaction.",
        statement="""
            SELECT grant_row.tenant_id, grant_row.id, grant_row.balance, newest.balance_after, grant_row.last_entry_number,
                newest.entry_number, grant_row.original_amount, first.amount AS opened_with
            FROM credits_grant grant_row
            LEFT JOIN LATERAL (
                SELECT entry_number, balance_after, created_at FROM credits_transaction
                WHERE tenant_id = grant_row.tenant_id AND grant_id = grant_row.id ORDER BY entry_number DESC LIMIT 1
            ) AS newest ON true
            LEFT JOIN credits_transaction first
                ON first.tenant_id = grant_row.tenant_id AND first.grant_id = grant_row.id AND first.entry_number = 1
            WHERE (%(tenant)s::uuid IS NULL OR grant_row.tenant_id = %(tenant)s) AND (
                grant_row.balance IS DISTINCT FROM newest.balance_after OR grant_row.last_entry_number IS DISTINCT FROM newest.entry_number
                OR grant_row.last_entry_at IS DISTINCT FROM newest.created_at OR first.kind IS DISTINCT FROM 'opening'
                OR first.amount IS DISTINCT FROM grant_row.original_amount OR first.created_at IS DISTINCT FROM grant_row.created_at
                OR first.occurred_at IS DISTINCT FROM grant_row.occurred_at)
        """,
    ),
    Check(
        name="credits_reversal",
        rule="Reversals are on their original's grant, in the other direction, and together reverse no more than its amount.",
        statement="""
            SELECT reversal.tenant_id, reversal.id, reversal.grant_id, reversal.type, reversal.amount, original.id AS original_id,
                original.grant_id AS original_grant_id, original.type AS original_type, original.amount AS original_amount
            FROM credits_transaction reversal
            LEFT JOIN credits_transaction original
                ON original.tenant_id = reversal.tenant_id AND original.id = reversal.reverses_id
            WHERE reversal.reverses_id IS NOT NULL AND (%(tenant)s::uuid IS NULL OR reversal.tenant_id = %(tenant)s) AND (
                original.id IS NULL OR original.grant_id <> reversal.grant_id OR original.type = reversal.type
                OR (SELECT amount FROM credits_left_to_reverse(reversal.tenant_id, original.id)) < 0)
        """,
    ),
    Check(
        name="credits_transaction_customer",
        rule="A transaction belongs to its grant's customer.",
        statement="""
            SELECT entry.tenant_id, entry.id, entry.customer_id, grant_row.customer_id AS grants_customer_id
            FROM credits_transaction entry
            LEFT JOIN credits_grant grant_row ON grant_row.tenant_id = entry.tenant_id AND grant_row.id = entry.grant_id
            WHERE (%(tenant)s::uuid IS NULL OR entry.tenant_id = %(tenant)s) AND grant_row.customer_id IS DISTINCT FROM entry.customer_id
        """,
    ),
    Check(
        name="credits_held_equals_lines",
        rule="A grant's held amount is the sum of what its hold lines still reserve.",
        statement="""
            SELECT grant_row.tenant_id, grant_row.id, grant_row.held, coalesce(line.remaining, 0) AS remaining
            FROM credits_grant grant_row
            LEFT JOIN (
                SELECT tenant_id, grant_id, sum(remaining) AS remaining FROM credits_holdline GROUP BY tenant_id, grant_id
            ) AS line ON line.tenant_id = grant_row.tenant_id AND line.grant_id = grant_row.id
            WHERE (%(tenant)s::uuid IS NULL OR grant_row.tenant_id = %(tenant)s) AND grant_row.held <> coalesce(line.remaining, 0)
        """,
    ),
    Check(
        name="credits_entry_cost_basis",
        rule="A transaction's cost basis is the change of the cost of the grant's balance, as credits_cost_basis computes it.",
        statement="""
            SELECT entry.tenant_id, entry.id, entry.grant_id, entry.cost_basis,
                credits_cost_basis(grant_row, entry.balance_before, entry.balance_after) AS difference
            FROM (
                SELECT tenant_id, id, grant_id, cost_basis, balance_after, coalesce(lag(balance_after) OVER chain, 0) AS balance_before
                FROM credits_transaction
                WHERE %(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s
                WINDOW chain AS (PARTITION BY tenant_id, grant_id ORDER BY entry_number)
            ) AS entry
            JOIN credits_grant grant_row ON grant_row.tenant_id = entry.tenant_id AND grant_row.id = entry.grant_id
            WHERE entry.cost_basis IS DISTINCT FROM credits_cost_basis(grant_row, entry.balance_before, entry.balance_after)
        """,
    ),
    Check(
        name="credits_draw_total",
        rule="What a draw took is the sum of its transactions: its amount, or less if it was partial.",
        statement="""
            SELECT draw.tenant_id, draw.id, draw.taken, coalesce(sum(entry.amount), 0) AS transactions
            FROM credits_consumption draw
            LEFT JOIN credits_transaction entry ON entry.tenant_id = draw.tenant_id AND entry.consumption_id = draw.id
            WHERE %(tenant)s::uuid IS NULL OR draw.tenant_id = %(tenant)s
            GROUP BY draw.tenant_id, draw.id
            HAVING draw.taken <> coalesce(sum(entry.amount), 0) OR draw.taken > draw.amount OR draw.taken < draw.amount AND NOT draw.partial
        """,
    ),
    Check(
        name="credits_hold_line",
        rule="What a hold line still reserves is what was placed, less what was captured, released or expired.",
        statement="""
            SELECT line.tenant_id, line.id, line.hold_id, line.grant_id, line.amount, line.remaining, entries.placed, entries.ended
            FROM credits_holdline line
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(amount) FILTER (WHERE kind = 'placed'), 0) AS placed,
                       coalesce(sum(amount) FILTER (WHERE kind <> 'placed'), 0) AS ended
                FROM credits_holdentry
                WHERE tenant_id = line.tenant_id AND hold_id = line.hold_id AND grant_id = line.grant_id
            ) AS entries
            WHERE (%(tenant)s::uuid IS NULL OR line.tenant_id = %(tenant)s)
                AND (line.amount <> entries.placed OR line.remaining <> entries.placed - entries.ended)
        """,
    ),
    Check(
        name="credits_hold_equals_lines",
        rule="A hold's amount is the sum of its lines, and what it captured is the sum of its debits; a closed hold reserves nothing.",
        statement="""
            SELECT hold.tenant_id, hold.id, hold.status, hold.amount, hold.captured, lines.amount AS lines, lines.remaining,
                entries.captured AS debited
            FROM credits_hold hold
            CROSS JOIN LATERAL (
                SELECT sum(amount) AS amount, sum(remaining) AS remaining FROM credits_holdline
                WHERE tenant_id = hold.tenant_id AND hold_id = hold.id
            ) AS lines
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(amount), 0) AS captured FROM credits_transaction
                WHERE tenant_id = hold.tenant_id AND hold_id = hold.id AND kind = 'capture'
            ) AS entries
            WHERE (%(tenant)s::uuid IS NULL OR hold.tenant_id = %(tenant)s) AND (
                hold.amount IS DISTINCT FROM lines.amount OR hold.captured <> entries.captured
                OR hold.status <> 'active' AND lines.remaining <> 0)
        """,
    ),
    Check(
        name="credits_invoice_refunds",
        rule="Credits that cite an invoice give back no more to a grant than the invoice took from it.",
        statement="""
            SELECT tenant_id, grant_id, invoice_id, sum(CASE type WHEN 'DEBIT' THEN amount ELSE -amount END) AS taken
            FROM credits_transaction
            WHERE invoice_id <> '' AND (%(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s)
            GROUP BY tenant_id, grant_id, invoice_id HAVING sum(CASE type WHEN 'DEBIT' THEN amount ELSE -amount END) < 0
        """,
    ),
    Check(
        name="credits_unique_key",
        rule="A tenant has at most one transaction with each idempotency key.",
        statement="""
            SELECT tenant_id, idempotency_key, count(*) AS transactions FROM credits_transaction
            WHERE idempotency_key IS NOT NULL AND (%(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s)
            GROUP BY tenant_id, idempotency_key HAVING count(*) > 1
        """,
    ),
    Check(
        name="credits_key_digest",
        rule="A debit, credit or reversal has a digest of its facts; a transaction that follows from another call has none.",
        statement="""
            SELECT tenant_id, id, kind, idempotency_key FROM credits_transaction
            WHERE (%(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s) AND CASE
                WHEN kind IN ('debit', 'credit', 'reversal') THEN coalesce(length(facts_digest), 0) = 0
                ELSE facts_digest IS NOT NULL AND request_id NOT LIKE 'run:%%'
            END
        """,
    ),
    Check(
        name="credits_references_exist",
        rule="The draw of a transaction exists, and the hold of a transaction, of a hold line and of a hold entry.",
        statement="""
            SELECT part.tenant_id, part.id, part.what, part.owner_id FROM (
                SELECT tenant_id, id, 'draw' AS what, consumption_id AS owner_id FROM credits_transaction WHERE consumption_id IS NOT NULL
                UNION ALL
                SELECT tenant_id, id, 'hold', hold_id FROM credits_transaction WHERE hold_id IS NOT NULL
                UNION ALL
                SELECT tenant_id, id, 'hold', hold_id FROM credits_holdline
                UNION ALL
                SELECT tenant_id, id, 'hold', hold_id FROM credits_holdentry
            ) AS part
            WHERE (%(tenant)s::uuid IS NULL OR part.tenant_id = %(tenant)s) AND NOT CASE part.what
                WHEN 'draw' THEN EXISTS (SELECT FROM credits_consumption WHERE tenant_id = part.tenant_id AND id = part.owner_id)
                ELSE EXISTS (SELECT FROM credits_hold WHERE tenant_id = part.tenant_id AND id = part.owner_id)
            END
        """,
    ),
    Check(
        name="credits_draw_facts",
        rule="The transactions of a draw repeat what the draw says, at the moment they were booked, in the ranks 1, 2, 3.",
        statement="""
            SELECT entry.tenant_id, entry.id, entry.consumption_id, entry.reason, entry.invoice_id, entry.billing_run_id, entry.rank
            FROM (
                SELECT *, (chosen_by ->> 'rank')::int AS rank, row_number() OVER of_draw AS place
                FROM credits_transaction
                WHERE kind = 'consumption' AND request_id NOT LIKE 'run:%%' AND (%(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s)
                WINDOW of_draw AS (PARTITION BY tenant_id, consumption_id ORDER BY (chosen_by ->> 'rank')::int)
            ) AS entry
            JOIN credits_consumption draw ON draw.tenant_id = entry.tenant_id AND draw.id = entry.consumption_id
            WHERE entry.rank IS DISTINCT FROM entry.place OR entry.occurred_at <> entry.created_at
                OR (entry.customer_id, entry.reason, entry.invoice_id, entry.billing_run_id)
                    <> (draw.customer_id, draw.reason, draw.invoice_id, draw.billing_run_id)
        """,
    ),
    Check(
        name="credits_rollover",
        rule="A rollover names the period before, counts from its own period's first day, and is no more than expired, or than the cap.",
        statement="""
            SELECT entry.tenant_id, entry.id, entry.grant_id, entry.amount, entry.reason, entry.occurred_at
            FROM credits_transaction entry
            JOIN credits_grant later ON later.tenant_id = entry.tenant_id AND later.id = entry.grant_id
            LEFT JOIN credits_recurringgrant recurring ON recurring.tenant_id = entry.tenant_id AND recurring.id = later.recurring_grant_id
            LEFT JOIN credits_grant earlier
                ON earlier.tenant_id = entry.tenant_id AND earlier.recurring_grant_id = later.recurring_grant_id
                    AND earlier.period = later.period - 1
            CROSS JOIN LATERAL (SELECT later.effective_date::timestamp AT TIME ZONE 'UTC' AS moment) first_day
            WHERE entry.kind = 'rollover' AND entry.request_id NOT LIKE 'run:%%'
                AND (%(tenant)s::uuid IS NULL OR entry.tenant_id = %(tenant)s) AND (
                    entry.reason IS DISTINCT FROM 'left of grant ' || earlier.id
                    OR (entry.occurred_at <> first_day.moment AND first_day.moment <= entry.created_at)
                    OR (
                        SELECT sum(amount) FROM credits_transaction
                        WHERE tenant_id = entry.tenant_id AND grant_id = entry.grant_id AND kind = 'rollover'
                    ) > coalesce(least(recurring.rollover_cap, (
                        SELECT sum(amount) FROM credits_transaction
                        WHERE tenant_id = entry.tenant_id AND grant_id = earlier.id AND kind = 'expiry'
                    )), 0)
                )
        """,
    ),
    Check(
        name="credits_grant_status",
        rule="A closed grant has no balance and has a closing time; an open one has no closing time, and no void or deletion.",
        statement="""
            SELECT grant_row.tenant_id, grant_row.id, grant_row.status, grant_row.closed_at, grant_row.balance
            FROM credits_grant grant_row
            WHERE (%(tenant)s::uuid IS NULL OR grant_row.tenant_id = %(tenant)s) AND (
                grant_row.status <> 'open' AND (grant_row.balance <> 0 OR grant_row.closed_at IS NULL)
                OR grant_row.status = 'open' AND grant_row.closed_at IS NOT NULL
                OR grant_row.status NOT IN ('voided', 'deleted') AND EXISTS (
                    SELECT FROM credits_transaction entry
                    WHERE entry.tenant_id = grant_row.tenant_id AND entry.grant_id = grant_row.id AND entry.kind IN ('void', 'deletion')))
        """,
    ),
    Check(
        name="credits_expiry_day",
        rule="An expiry counts from the day after the grant's last one, or later; and no transaction is booked later than now.",
        statement="""
            SELECT entry.tenant_id, entry.id, entry.grant_id, entry.kind, entry.occurred_at, entry.created_at, grant_row.expiry_date
            FROM credits_transaction entry
            JOIN credits_grant grant_row ON grant_row.tenant_id = entry.tenant_id AND grant_row.id = entry.grant_id
            WHERE (%(tenant)s::uuid IS NULL OR entry.tenant_id = %(tenant)s) AND (
                entry.created_at > clock_timestamp() + interval '1 minute'
                OR entry.kind = 'expiry' AND (entry.occurred_at >= (grant_row.expiry_date + 1)::timestamp AT TIME ZONE 'UTC') IS NOT TRUE)
        """,
    ),
    Check(
        name="credits_running_held",
        rule="held_after of each hold entry is that of the grant's entry before, plus what was placed, or less what ended.",
        statement="""
            SELECT tenant_id, grant_id, id, kind, amount, held_after, held_before
            FROM (
                SELECT tenant_id, grant_id, id, kind, amount, held_after, coalesce(lag(held_after) OVER chain, 0) AS held_before
                FROM credits_holdentry
                WHERE %(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s
                WINDOW chain AS (PARTITION BY tenant_id, grant_id ORDER BY created_at, id)
            ) AS entry
            WHERE held_after <> held_before + CASE kind WHEN 'placed' THEN amount ELSE -amount END
        """,
    ),
    Check(
        name="credits_hold_entries",
        rule="A hold captured of each grant what it debited; its lines end when it ends, and in the way that its status names.",
        statement="""
            SELECT line.tenant_id, line.id, line.hold_id, line.grant_id, hold.status, hold.expires_at, line.expires_at AS line_expires_at,
                ended.captured, debits.amount AS debited
            FROM credits_holdline line
            JOIN credits_hold hold ON hold.tenant_id = line.tenant_id AND hold.id = line.hold_id
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(entry.amount) FILTER (WHERE entry.kind = 'captured'), 0) AS captured,
                       coalesce(bool_or(entry.kind = 'released'), false) AS by_release,
                       coalesce(bool_or(entry.kind = 'expired'), false) AS by_time
                FROM credits_holdentry entry
                WHERE entry.tenant_id = line.tenant_id AND entry.hold_id = line.hold_id AND entry.grant_id = line.grant_id
            ) AS ended
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(entry.amount), 0) AS amount FROM credits_transaction entry
                WHERE entry.tenant_id = line.tenant_id AND entry.hold_id = line.hold_id AND entry.grant_id = line.grant_id
                    AND entry.kind = 'capture'
            ) AS debits
            WHERE (%(tenant)s::uuid IS NULL OR line.tenant_id = %(tenant)s) AND (
                line.expires_at <> hold.expires_at OR ended.captured <> debits.amount
                OR hold.status IN ('active', 'expired') AND ended.by_release OR hold.status IN ('captured', 'released') AND ended.by_time
                OR hold.status IN ('captured', 'released') AND coalesce(length(hold.close_digest), 0) = 0
                OR (hold.status = 'active') <> (hold.closed_at IS NULL))
        """,
    ),
    Check(
        name="credits_hold_moments",
        rule="The entries of a hold happened when it was placed, when a call captured it, and when it was closed.",
        statement="""
            SELECT entry.tenant_id, entry.id, entry.hold_id, entry.kind, entry.occurred_at, hold.occurred_at AS placed_at, hold.closed_at
            FROM credits_holdentry entry
            JOIN credits_hold hold ON hold.tenant_id = entry.tenant_id AND hold.id = entry.hold_id
            WHERE (%(tenant)s::uuid IS NULL OR entry.tenant_id = %(tenant)s) AND (
                entry.kind = 'placed' AND entry.occurred_at <> hold.occurred_at
                OR entry.kind = 'released' AND entry.occurred_at IS DISTINCT FROM hold.closed_at
                OR entry.kind = 'captured' AND NOT EXISTS (
                    SELECT FROM credits_holdcall call
                    WHERE call.tenant_id = entry.tenant_id AND call.hold_id = entry.hold_id AND call.kind = 'captured'
                        AND call.occurred_at = entry.occurred_at)
                OR entry.created_at < entry.occurred_at)
        """,
    ),
    Check(
        name="credits_hold_calls",
        rule="The captures of a hold took what it captured, one after the other; one call ended it, unless it is active or expired; its "
        "end is that of its newest call.",
        statement="""
            SELECT hold.tenant_id, hold.id, hold.status, hold.amount, hold.captured, hold.expires_at, calls.captured AS captures,
                calls.finals, calls.out_of_turn, newest.expires_at AS call_expires_at
            FROM credits_hold hold
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(amount), 0) AS captured, count(*) FILTER (WHERE is_final) AS finals,
                    count(*) FILTER (WHERE captured_after <> captured_so_far OR amount <> entries OR kind <> 'captured' AND amount <> 0)
                        AS out_of_turn,
                    max(occurred_at) FILTER (WHERE is_final) AS final_at
                FROM (
                    SELECT call.kind, call.amount, call.is_final, call.captured_after, call.occurred_at,
                        sum(call.amount) OVER (ORDER BY call.created_at, call.captured_after, call.id) AS captured_so_far, (
                            SELECT coalesce(sum(entry.amount), 0) FROM credits_holdentry entry
                            WHERE entry.tenant_id = call.tenant_id AND entry.hold_id = call.hold_id AND entry.kind = 'captured'
                                AND entry.occurred_at = call.occurred_at
                        ) AS entries
                    FROM credits_holdcall call
                    WHERE call.tenant_id = hold.tenant_id AND call.hold_id = hold.id
                ) AS call
            ) AS calls
            LEFT JOIN LATERAL (
                SELECT call.expires_at FROM credits_holdcall call
                WHERE call.tenant_id = hold.tenant_id AND call.hold_id = hold.id ORDER BY call.created_at DESC, call.id DESC LIMIT 1
            ) AS newest ON true
            WHERE (%(tenant)s::uuid IS NULL OR hold.tenant_id = %(tenant)s) AND (
                calls.captured <> hold.captured OR calls.out_of_turn > 0 OR calls.finals <> (hold.status IN ('captured', 'released'))::int
                OR calls.final_at IS DISTINCT FROM CASE WHEN hold.status IN ('captured', 'released') THEN hold.closed_at END
                OR hold.expires_at <> newest.expires_at)
        """,
    ),
    Check(
        name="credits_recurring_grant_period",
        rule="A recurring grant's next period follows the newest one that it issued, and its day is counted in months from the first.",
        statement="""
            SELECT recurring.tenant_id, recurring.id, recurring.next_period, recurring.next_on, issued.periods
            FROM credits_recurringgrant recurring
            CROSS JOIN LATERAL (
                SELECT coalesce(max(period) + 1, 0) AS periods FROM credits_grant
                WHERE tenant_id = recurring.tenant_id AND recurring_grant_id = recurring.id
            ) AS issued
            WHERE (%(tenant)s::uuid IS NULL OR recurring.tenant_id = %(tenant)s) AND (
                recurring.next_period < issued.periods
                -- An imported recurring grant may have issued its first periods elsewhere.
                OR recurring.next_period > issued.periods AND recurring.request_id NOT LIKE 'run:%%'
                OR recurring.next_on <> (recurring.starts_on + recurring.next_period * recurring.every_months * interval '1 month')::date)
        """,
    ),
)
