-- How an amount is drawn across grants: which pays how much, and the ordering values that chose it. Rows stop where the amount is covered.
CREATE OR REPLACE FUNCTION credits_plan(accounts credits_grant[], amount numeric)
RETURNS TABLE (
    rank integer, grant_id uuid, name text, available numeric, taken numeric, chosen_by jsonb
)
LANGUAGE sql STABLE
AS $$
    WITH ranked AS (
        SELECT account.*, account.balance - account.held AS available, row_number() OVER burn_down AS rank,
               sum(account.balance - account.held) OVER burn_down - (account.balance - account.held) AS covered
        FROM unnest(accounts) account
        WHERE account.balance > account.held
        WINDOW burn_down AS (
            -- METRIC before CURRENCY and promotional before paid: both are the later word.
            ORDER BY account.priority, account.unit_type COLLATE "C" DESC, account.expiry_date NULLS LAST, account.category COLLATE "C" DESC,
                     account.effective_date, account.created_at, account.id
        )
    )
    SELECT rank::int, id, ranked.name::text, ranked.available, least(ranked.available, amount - covered),
           jsonb_build_object(
               'rank', rank, 'priority', priority, 'unit_type', unit_type, 'expiry_date', expiry_date, 'category', category,
               'effective_date', effective_date, 'available', trim_scale(ranked.available)::text,
               'created_at', to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
           )
    FROM ranked
    WHERE covered < amount
    ORDER BY rank
$$;
