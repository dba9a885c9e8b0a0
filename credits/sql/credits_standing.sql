-- Decides a grant's balance and what is reserved of it at a past instant. By the book's clock each is one index probe, whatever the grant's
-- age. By the world's clock the book's balance is put right by the few transactions whose two times differ; holds are as the book has them.
-- Takes: a grant; `booked_by`, up to which moment entries count ('infinity': all); `instant`, by which holds are overdue; book or world.
-- Returns: one row. Locks: nothing.
CREATE OR REPLACE FUNCTION credits_standing(
    account credits_grant, booked_by timestamp with time zone, instant timestamp with time zone, clock text
)
RETURNS TABLE (balance numeric, held numeric)
LANGUAGE sql STABLE
AS $$
    SELECT coalesce(booked.balance_after, 0) + coalesce(moved.amount, 0), credits_held_at(account, booked_by, instant)
    FROM (SELECT) one
    LEFT JOIN LATERAL (
        SELECT entry.balance_after
        FROM credits_transaction entry
        WHERE entry.tenant_id = account.tenant_id AND entry.grant_id = account.id AND entry.created_at <= booked_by
        ORDER BY entry.created_at DESC, entry.id DESC
        LIMIT 1
    ) booked ON true
    LEFT JOIN LATERAL (
        SELECT sum(
            CASE entry.type WHEN 'CREDIT' THEN entry.amount ELSE -entry.amount END
            * ((entry.occurred_at <= booked_by)::int - (entry.created_at <= booked_by)::int)
        ) AS amount
        FROM credits_transaction entry
        WHERE entry.tenant_id = account.tenant_id AND entry.grant_id = account.id AND NOT (entry.occurred_at = entry.created_at)
    ) moved ON clock = 'world'
$$;
