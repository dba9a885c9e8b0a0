-- Locks the grants of a customer that can pay for a draw: chooses them, locks them, and looks again until no other grant can pay.
-- Takes: a tenant, a draw.
-- Returns: the grants as they are under their locks, after their overdue holds were released; the sum of their balances, and of what is
-- available of them; and the moment at which all of it was decided, taken under the locks.
-- Locks: grants by id. A grant that becomes usable meanwhile (an empty one that was credited, a new one) is locked after the others. Where
-- its id is lower than one that is locked already, waiting for it could deadlock: raise deadlock_detected, and the posting layer repeats
-- the call. Nothing was written by then.
-- Never: changes a balance.
CREATE OR REPLACE FUNCTION credits_lock_customer_grants(
    tenant uuid, draw credits_draw, OUT accounts credits_grant[], OUT moment timestamp with time zone, OUT balance numeric,
    OUT available numeric
)
LANGUAGE plpgsql
AS $$
DECLARE
    today date := ledger_day(ledger_now());
    locked uuid[];
    missing uuid[];
BEGIN
    locked := ARRAY(
        SELECT account.id FROM credits_grant account
        WHERE account.tenant_id = tenant AND account.customer_id = draw.customer_id
          AND credits_has_unit(account, draw.currency, draw.metric_id) AND credits_is_usable(account, today)
        ORDER BY account.id
        FOR NO KEY UPDATE
    );
    LOOP
        moment := ledger_now();
        today := ledger_day(moment);
        SELECT coalesce(array_agg(account ORDER BY account.id), '{}'),
               array_agg(account.id ORDER BY account.id) FILTER (WHERE account.id <> ALL (locked))
        INTO accounts, missing
        FROM credits_grant account
        WHERE account.tenant_id = tenant AND account.customer_id = draw.customer_id
          AND credits_has_unit(account, draw.currency, draw.metric_id) AND credits_is_usable(account, today);
        EXIT WHEN missing IS NULL;
        IF missing[1] < locked[cardinality(locked)] THEN
            RAISE EXCEPTION 'a grant became usable out of the order of locks' USING ERRCODE = 'deadlock_detected';
        END IF;
        PERFORM FROM credits_grant WHERE tenant_id = tenant AND id = ANY (missing) ORDER BY id FOR NO KEY UPDATE;
        locked := locked || missing;
    END LOOP;
    FOR ordinal IN 1 .. cardinality(accounts) LOOP
        IF accounts[ordinal].held > 0 THEN
            accounts[ordinal] := credits_release_overdue(tenant, accounts[ordinal], moment, draw.actor, draw.request_id);
        END IF;
    END LOOP;
    SELECT coalesce(sum(account.balance), 0), coalesce(sum(credits_available(account.balance, account.held)), 0) INTO balance, available
    FROM unnest(accounts) account;
END
$$;
