-- Computes how much of a grant holds reserve at an instant. A hold reserves nothing from its `expires_at` on, whether it is closed or not.
-- Takes: a grant; `booked_by`, the book time up to which hold entries count ('infinity': all); `instant`, at which holds are overdue.
-- Returns: units. Locks: nothing.
-- Reads the newest hold entry up to `booked_by`: its `held_after` is what was reserved then. Who writes a hold entry releases the
-- grant's overdue lines first, so `held_after` contains no line that was overdue at that time. Subtracts the lines that became overdue
-- after it. The minute allows for a clock that stepped back; lines of that minute that were already released subtract nothing, because what
-- a line's entries captured, released or expired is deducted from its amount.
CREATE OR REPLACE FUNCTION credits_held_at(grant_row credits_grant, booked_by timestamp with time zone, instant timestamp with time zone)
RETURNS numeric
LANGUAGE sql STABLE
AS $$
    SELECT coalesce((
        SELECT newest.held_after - coalesce((
            SELECT sum(line.amount - coalesce(ended.amount, 0))
            FROM credits_holdline line
            CROSS JOIN LATERAL (
                SELECT sum(entry.amount) AS amount FROM credits_holdentry entry
                WHERE entry.tenant_id = grant_row.tenant_id AND entry.hold_id = line.hold_id AND entry.grant_id = grant_row.id
                  AND entry.kind <> 'placed' AND entry.created_at <= newest.created_at
            ) ended
            WHERE line.tenant_id = grant_row.tenant_id AND line.grant_id = grant_row.id
              AND line.expires_at > newest.created_at - interval '1 minute' AND line.expires_at <= instant
              AND line.created_at <= newest.created_at
        ), 0)
        FROM (
            SELECT entry.held_after, entry.created_at
            FROM credits_holdentry entry
            WHERE entry.tenant_id = grant_row.tenant_id AND entry.grant_id = grant_row.id AND entry.created_at <= booked_by
            ORDER BY entry.created_at DESC, entry.id DESC
            LIMIT 1
        ) newest
    ), 0)
$$;
