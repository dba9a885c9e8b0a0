-- Expires the overdue lines of a grant's holds. The job expire_holds closes the holds themselves; until then they reserve nothing anyway.
-- Takes: a tenant, a grant that the caller has locked, the moment taken under that lock, the actor and request id to record.
-- Returns: the grant after it. Locks: overdue hold lines of the grant, which only a call that has locked the grant changes.
-- Never: changes a balance, or closes a hold.
CREATE OR REPLACE FUNCTION credits_expire_overdue_lines(
    tenant uuid, grant_row credits_grant, moment timestamp with time zone, for_actor text, for_request text
)
RETURNS credits_grant
LANGUAGE plpgsql
AS $$
DECLARE
    released numeric;
    booked timestamptz;
BEGIN
    IF NOT EXISTS (
        SELECT FROM credits_holdline
        WHERE tenant_id = tenant AND grant_id = grant_row.id AND remaining > 0 AND expires_at <= moment
    ) THEN
        RETURN grant_row;
    END IF;
    booked := credits_next_hold_entry_time(tenant, ARRAY[grant_row.id], moment);
    WITH overdue AS (
        SELECT line.id, line.hold_id, line.remaining, line.expires_at,
               sum(line.remaining) OVER in_turn AS released_so_far, row_number() OVER in_turn - 1 AS number
        FROM credits_holdline line
        WHERE line.tenant_id = tenant AND line.grant_id = grant_row.id AND line.remaining > 0 AND line.expires_at <= moment
        WINDOW in_turn AS (ORDER BY line.expires_at, line.id)
    ), emptied AS (
        UPDATE credits_holdline line SET remaining = 0 FROM overdue WHERE line.tenant_id = tenant AND line.id = overdue.id
    ), entries AS (
        INSERT INTO credits_holdentry
            (tenant_id, id, hold_id, grant_id, kind, amount, held_after, reason, occurred_at, created_at, actor, request_id)
        SELECT tenant, ledger_new_id(), overdue.hold_id, grant_row.id, 'expired', overdue.remaining,
               grant_row.held - overdue.released_so_far, '', overdue.expires_at, booked + overdue.number * interval '1 microsecond',
               for_actor, for_request
        FROM overdue
    )
    SELECT sum(overdue.remaining) INTO released FROM overdue;
    grant_row.held := grant_row.held - released;
    UPDATE credits_grant SET held = grant_row.held WHERE tenant_id = tenant AND id = grant_row.id;
    RETURN grant_row;
END
$$;
