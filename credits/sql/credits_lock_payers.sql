-- The grants that could pay, locked in the order of their keys, without what overdue holds seemed to reserve of them.
CREATE OR REPLACE FUNCTION credits_lock_payers(draw credits_draw) RETURNS credits_grant[] LANGUAGE plpgsql
AS $$
DECLARE
    accounts credits_grant[];
BEGIN
    SELECT array_agg(locked) INTO accounts FROM (
        SELECT account.*
        FROM credits_grant account
        WHERE account.tenant_id = draw.tenant_id AND account.customer_id = draw.customer_id
          AND credits_could_pay(account, draw.currency, draw.metric_id, credits_day(draw.now))
        ORDER BY account.tenant_id, account.id
        FOR NO KEY UPDATE
    ) locked;
    IF EXISTS (SELECT FROM unnest(accounts) WHERE held > 0) THEN
        accounts := credits_release_overdue(accounts, draw.now, draw.actor, draw.request_id);
    END IF;
    RETURN coalesce(accounts, '{}');
END
$$;
