-- Computes a grant's balance and how much of it holds reserve at a past instant, by one of two clocks.
-- book: what was booked by then. One index probe each, however old the grant is.
-- world: what had happened by then. Takes the balance by book time and corrects it by the few transactions whose two times differ
-- (occurred_at and created_at; they have an index). Holds have no second time, so they are read by book time.
-- Takes: a grant; `booked_by`, up to which moment entries count ('infinity': all); `instant`, by which holds are overdue; book or world.
-- Returns: one row. Locks: nothing.
CREATE OR REPLACE FUNCTION credits_balances_at(
    grant_row credits_grant, booked_by timestamp with time zone, instant timestamp with time zone, clock text
)
RETURNS TABLE (balance numeric, held numeric)
LANGUAGE sql STABLE
AS $$
    SELECT coalesce(booked.balance_after, 0) + coalesce(moved.amount, 0), credits_held_at(grant_row, booked_by, instant)
    -- One row without columns: a grant that has no entries yet still gets a row, with a balance of 0.
    FROM (SELECT) result
    LEFT JOIN LATERAL (
        SELECT entry.balance_after
        FROM credits_transaction entry
        WHERE entry.tenant_id = grant_row.tenant_id AND entry.grant_id = grant_row.id AND entry.created_at <= booked_by
        ORDER BY entry.created_at DESC, entry.id DESC
        LIMIT 1
    ) booked ON true
    LEFT JOIN LATERAL (
        SELECT sum(
            CASE entry.type WHEN 'CREDIT' THEN entry.amount ELSE -entry.amount END
            * ((entry.occurred_at <= booked_by)::int - (entry.created_at <= booked_by)::int)
        ) AS amount
        FROM credits_transaction entry
        WHERE entry.tenant_id = grant_row.tenant_id AND entry.grant_id = grant_row.id AND NOT (entry.occurred_at = entry.created_at)
    ) moved ON clock = 'world'
$$;
