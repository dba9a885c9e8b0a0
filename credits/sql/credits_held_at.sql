-- Decides what holds reserve of a grant at an instant. A hold counts for nothing from its `expires_at` on, closed or not.
-- Takes: a grant; `booked_by`, up to which moment of the book entries count ('infinity': all); `instant`, by which holds are overdue.
-- Returns: units. Locks: nothing.
-- Two index probes: the newest entry by `booked_by` says what was reserved then. It left nothing reserved that was overdue by its own time,
-- because whoever writes such an entry lets go of the grant's overdue lines first. So only lines that came to their end since then are left
-- out; the minute is for a clock that stepped back, and does no harm, because what was let go of a line is taken off it.
CREATE OR REPLACE FUNCTION credits_held_at(account credits_grant, booked_by timestamp with time zone, instant timestamp with time zone)
RETURNS numeric
LANGUAGE sql STABLE
AS $$
    SELECT coalesce((
        SELECT newest.held_after - coalesce((
            SELECT sum(line.amount - coalesce(ended.amount, 0))
            FROM credits_holdline line
            CROSS JOIN LATERAL (
                SELECT sum(entry.amount) AS amount FROM credits_holdentry entry
                WHERE entry.tenant_id = account.tenant_id AND entry.hold_id = line.hold_id AND entry.grant_id = account.id
                  AND entry.kind <> 'placed' AND entry.created_at <= newest.created_at
            ) ended
            WHERE line.tenant_id = account.tenant_id AND line.grant_id = account.id
              AND line.expires_at > newest.created_at - interval '1 minute' AND line.expires_at <= instant
              AND line.created_at <= newest.created_at
        ), 0)
        FROM (
            SELECT entry.held_after, entry.created_at
            FROM credits_holdentry entry
            WHERE entry.tenant_id = account.tenant_id AND entry.grant_id = account.id AND entry.created_at <= booked_by
            ORDER BY entry.created_at DESC, entry.id DESC
            LIMIT 1
        ) newest
    ), 0)
$$;
