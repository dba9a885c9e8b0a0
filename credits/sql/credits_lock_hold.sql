-- Locks a hold for a call that changes it.
--
-- Takes: a tenant, a hold's id, its customer or null for any.
-- Returns: the hold and the grants that it reserves of, as they are under their locks; the moment taken under these; whether the hold is
-- active and overdue. Nulls where there is no such hold.
-- Locks: the hold, then by id the grants of its lines and those that they may roll over to.
-- Never: changes a row.
CREATE OR REPLACE FUNCTION credits_lock_hold(
    tenant uuid, of_hold uuid, of_customer text, OUT hold credits_hold, OUT hold_grants credits_grant[],
    OUT moment timestamp with time zone, OUT is_overdue boolean
)
LANGUAGE plpgsql
AS $$
DECLARE
    reserved_on uuid[];
BEGIN
    SELECT * INTO hold FROM credits_hold candidate
    WHERE candidate.tenant_id = tenant AND candidate.id = of_hold
      AND candidate.customer_id = coalesce(of_customer, candidate.customer_id)
    FOR NO KEY UPDATE;
    -- The lines of a hold never change their grants.
    reserved_on := ARRAY(SELECT line.grant_id FROM credits_holdline line WHERE line.tenant_id = tenant AND line.hold_id = hold.id);
    PERFORM FROM credits_grant grant_row
    WHERE grant_row.tenant_id = tenant AND grant_row.id = ANY (reserved_on || credits_later_periods(tenant, reserved_on))
    ORDER BY grant_row.id
    FOR NO KEY UPDATE;
    hold_grants := ARRAY(
        SELECT grant_row FROM credits_grant grant_row WHERE grant_row.tenant_id = tenant AND grant_row.id = ANY (reserved_on)
        ORDER BY grant_row.id
    );
    moment := ledger_now();
    -- A line that expired already decides it, even if the clock has since stepped back before the hold's end.
    is_overdue := coalesce(hold.status = 'active' AND (hold.expires_at <= moment OR EXISTS (
        SELECT FROM credits_holdentry entry WHERE entry.tenant_id = tenant AND entry.hold_id = hold.id AND entry.kind = 'expired'
    )), false);
END
$$;
