-- Computes how an amount is drawn across grants: how much of each, and the values by which it was chosen.
-- Takes: the grants that may be drawn on, from which overdue holds were already released; an amount.
-- Returns: one row for each grant drawn on, in burn-down order, until the amount is covered. Locks: nothing.
CREATE OR REPLACE FUNCTION credits_split_draw(grant_rows credits_grant[], amount numeric)
RETURNS TABLE (
    rank integer, grant_id uuid, name text, available numeric, taken numeric, chosen_by jsonb
)
LANGUAGE sql STABLE
AS $$
    WITH ranked AS (
        SELECT grant_row.*, row_number() OVER burn_down AS rank, credits_available(grant_row.balance, grant_row.held) AS available,
               sum(credits_available(grant_row.balance, grant_row.held)) OVER burn_down
                   - credits_available(grant_row.balance, grant_row.held) AS drawn_before
        FROM unnest(grant_rows) grant_row
        WHERE credits_available(grant_row.balance, grant_row.held) > 0
        WINDOW burn_down AS (ORDER BY credits_burn_down_order(grant_row))
    )
    SELECT rank::int, id, ranked.name::text, ranked.available, least(ranked.available, amount - drawn_before),
           jsonb_build_object(
               'rank', rank, 'priority', priority, 'unit_type', unit_type, 'expiry_date', expiry_date, 'category', category,
               'effective_date', effective_date, 'available', trim_scale(ranked.available)::text,
               'created_at', to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
           )
    FROM ranked
    WHERE drawn_before < amount
    ORDER BY rank
$$;
