-- Credits the next period's grant with what expired of a recurring grant, up to its cap, less what was rolled over before. So
-- the total that rolls over is the same, whichever comes first: the end of the period, the end of a hold, or credit given back.
-- Takes: a tenant, a grant that the caller has locked, the moment taken under that lock, the actor and request id to record.
-- Returns: nothing. Locks: the next period's grant, if it has been issued; callers lock it before, in the order of ids, unless it was
-- issued after they had chosen what to lock. Never: rolls over to a grant that was voided or deleted.
CREATE OR REPLACE FUNCTION credits_roll_over(
    tenant uuid, closed credits_grant, moment timestamp with time zone, for_actor text, for_request text
)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    next_grant credits_grant;
    cap numeric;
    expired numeric;
    rolled numeric;
    item credits_posting;
BEGIN
    SELECT rollover_cap INTO cap FROM credits_recurringgrant WHERE tenant_id = tenant AND id = closed.recurring_grant_id;
    IF coalesce(cap, 0) = 0 THEN
        RETURN;
    END IF;
    SELECT * INTO next_grant FROM credits_grant
    WHERE tenant_id = tenant AND recurring_grant_id = closed.recurring_grant_id AND period = closed.period + 1
        AND status IN ('open', 'expired')
    FOR NO KEY UPDATE;
    SELECT coalesce(sum(amount), 0) INTO expired FROM credits_transaction
    WHERE tenant_id = tenant AND grant_id = closed.id AND kind = 'expiry';
    SELECT coalesce(sum(amount), 0) INTO rolled FROM credits_transaction
    WHERE tenant_id = tenant AND grant_id = next_grant.id AND kind = 'rollover';
    IF next_grant.id IS NULL OR least(cap, expired) <= rolled THEN
        RETURN;
    END IF;
    item.id := ledger_new_id();
    item.grant_id := next_grant.id;
    item.kind := 'rollover';
    item.type := 'CREDIT';
    item.amount := least(cap, expired) - rolled;
    item.reason := 'left of grant ' || closed.id;
    item.invoice_id := '';
    item.now := moment;
    -- By the world's clock, what is left of a period belongs to the next one from its first day.
    item.occurred_at := least(moment, next_grant.effective_date::timestamp AT TIME ZONE 'UTC');
    item.actor := for_actor;
    item.request_id := for_request;
    PERFORM credits_post_single(tenant, item);
END
$$;
