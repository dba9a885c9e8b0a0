-- Lets go of what overdue holds reserve of the given grants, which the caller has locked, and returns the grants as they are then.
-- The holds themselves are closed by their own job: nothing waits for it, because an overdue hold reserves nothing.
CREATE OR REPLACE FUNCTION credits_release_overdue(accounts credits_grant[], moment timestamp with time zone, who text, request text)
RETURNS credits_grant[]
LANGUAGE plpgsql
AS $$
DECLARE
    account credits_grant;
    released numeric;
BEGIN
    FOR place IN 1 .. cardinality(accounts) LOOP
        account := accounts[place];
        CONTINUE WHEN account.held = 0;
        WITH overdue AS (
            SELECT line.tenant_id, line.id, line.hold_id, line.grant_id, line.remaining,
                   sum(line.remaining) OVER (ORDER BY line.expires_at, line.id) AS released_so_far,
                   row_number() OVER (ORDER BY line.expires_at, line.id) AS number
            FROM credits_holdline line
            WHERE line.tenant_id = account.tenant_id AND line.grant_id = account.id
              AND line.remaining > 0 AND line.expires_at <= moment
        ), emptied AS (
            UPDATE credits_holdline line SET remaining = 0 FROM overdue
            WHERE line.tenant_id = overdue.tenant_id AND line.id = overdue.id
        ), written AS (
            INSERT INTO credits_holdentry
                (tenant_id, id, hold_id, grant_id, kind, amount, held_after, reason, occurred_at, created_at, actor, request_id)
            SELECT overdue.tenant_id, credits_new_id(), overdue.hold_id, overdue.grant_id, 'expired', overdue.remaining,
                   account.held - overdue.released_so_far, '', moment,
                   clock_timestamp() + overdue.number * interval '1 microsecond', who, request
            FROM overdue
        )
        SELECT sum(overdue.remaining) INTO released FROM overdue;
        CONTINUE WHEN released IS NULL;
        account.held := account.held - released;
        UPDATE credits_grant SET held = account.held WHERE tenant_id = account.tenant_id AND id = account.id;
        accounts[place] := account;
    END LOOP;
    RETURN accounts;
END
$$;
