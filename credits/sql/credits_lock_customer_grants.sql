-- Locks the grants of a customer that can pay for a draw: chooses them, locks them, and looks again until no other grant can pay.
-- Takes: a tenant, a draw.
-- Returns: the grants as they are under their locks, after their overdue holds were released; the sum of their balances, and of what is
-- available of them; and the moment at which all of it was decided, taken under the locks.
-- Locks: grants by id. A grant that becomes usable meanwhile (an empty one that was credited, a new one) is locked after the others. Where
-- its id is lower than one that is locked already, waiting for it could deadlock: raise deadlock_detected, and the posting layer repeats
-- the call. Nothing was written by then.
-- Never: changes a balance.
CREATE OR REPLACE FUNCTION credits_lock_customer_grants(
    tenant uuid, draw credits_draw, OUT grant_rows credits_grant[], OUT moment timestamp with time zone, OUT balance numeric,
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
        SELECT grant_row.id FROM credits_grant grant_row
        WHERE grant_row.tenant_id = tenant AND grant_row.customer_id = draw.customer_id
          AND credits_has_unit(grant_row, draw.currency, draw.metric_id) AND credits_is_usable(grant_row, today)
        ORDER BY grant_row.id
        FOR NO KEY UPDATE
    );
    LOOP
        moment := ledger_now();
        today := ledger_day(moment);
        SELECT coalesce(array_agg(grant_row ORDER BY grant_row.id), '{}'),
               array_agg(grant_row.id ORDER BY grant_row.id) FILTER (WHERE grant_row.id <> ALL (locked))
        INTO grant_rows, missing
        FROM credits_grant grant_row
        WHERE grant_row.tenant_id = tenant AND grant_row.customer_id = draw.customer_id
          AND credits_has_unit(grant_row, draw.currency, draw.metric_id) AND credits_is_usable(grant_row, today);
        EXIT WHEN missing IS NULL;
        IF missing[1] < locked[cardinality(locked)] THEN
            RAISE EXCEPTION 'a grant became usable out of the order of locks' USING ERRCODE = 'deadlock_detected';
        END IF;
        PERFORM FROM credits_grant WHERE tenant_id = tenant AND id = ANY (missing) ORDER BY id FOR NO KEY UPDATE;
        locked := locked || missing;
    END LOOP;
    FOR ordinal IN 1 .. cardinality(grant_rows) LOOP
        IF grant_rows[ordinal].held > 0 THEN
            grant_rows[ordinal] := credits_expire_overdue_lines(tenant, grant_rows[ordinal], moment, draw.actor, draw.request_id);
        END IF;
    END LOOP;
    SELECT coalesce(sum(grant_row.balance), 0), coalesce(sum(credits_available(grant_row.balance, grant_row.held)), 0)
    INTO balance, available
    FROM unnest(grant_rows) grant_row;
END
$$;
