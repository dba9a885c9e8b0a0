-- Writes how much a hold reserves of each grant, and reserves it.
-- Takes: a tenant, the draw of a hold whose row exists, the customer's usable grants, the moment taken under their locks. Returns: nothing.
-- Locks: nothing; the caller has locked the grants. Never: changes a balance.
CREATE OR REPLACE FUNCTION credits_place_hold_lines(
    tenant uuid, draw credits_draw, grant_rows credits_grant[], moment timestamp with time zone
)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    booked CONSTANT timestamptz := credits_next_hold_entry_time(tenant, ARRAY(SELECT id FROM unnest(grant_rows)), moment);
BEGIN
    WITH parts AS (
        SELECT part.grant_id, part.taken, part.chosen_by, grant_row.held + part.taken AS held_after
        FROM credits_split_draw(grant_rows, draw.amount) part JOIN unnest(grant_rows) grant_row ON grant_row.id = part.grant_id
    ), lines AS (
        INSERT INTO credits_holdline
            (tenant_id, id, hold_id, grant_id, amount, expires_at, chosen_by, remaining, occurred_at, created_at, actor, request_id)
        SELECT tenant, ledger_new_id(), draw.id, grant_id, taken, draw.expires_at, chosen_by, taken, moment, booked, draw.actor,
               draw.request_id
        FROM parts
    ), entries AS (
        INSERT INTO credits_holdentry
            (tenant_id, id, hold_id, grant_id, kind, amount, held_after, reason, occurred_at, created_at, actor, request_id)
        SELECT tenant, ledger_new_id(), draw.id, grant_id, 'placed', taken, held_after, draw.reason, moment, booked, draw.actor,
               draw.request_id
        FROM parts
    )
    UPDATE credits_grant grant_row SET held = parts.held_after
    FROM parts WHERE grant_row.tenant_id = tenant AND grant_row.id = parts.grant_id;
END
$$;
