-- The steps of billing_post for an array of postings. Called by it alone, and under its settings.
--
-- Takes, returns, locks, never: as billing_post. The steps: lock the wallets (opening those that are missing), end their overdue holds,
-- decide each posting in memory, write types, entries, wallets, totals and reversed amounts with one statement each, remove wallets that
-- stayed empty, write the events where somebody listens, reply.
CREATE OR REPLACE FUNCTION billing_post_array(tenant uuid, postings jsonb) RETURNS SETOF billing_outcome
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    items billing_posting[];
    currencies text[];
    wallets billing_wallet[];
    opened uuid[];
    decisions billing_decision[];
BEGIN
    SELECT array_agg(posting) INTO items FROM jsonb_populate_recordset(NULL::billing_posting, postings) AS posting;
    SELECT locked.currencies, locked.wallets, locked.opened INTO currencies, wallets, opened
    FROM billing_lock_wallets(tenant, items) AS locked;
    FOR ordinal IN 1 .. cardinality(wallets) LOOP
        IF wallets[ordinal].held > 0 THEN
            wallets[ordinal] := billing_expire_overdue_holds(
                tenant, wallets[ordinal], coalesce(items[1].now, ledger_now()), items[1].actor, items[1].request_id
            );
        END IF;
    END LOOP;
    decisions := billing_decide(tenant, items, currencies, wallets, clock_timestamp());
    PERFORM billing_write_types(tenant, items, decisions);
    PERFORM billing_write_entries(tenant, items, decisions);
    PERFORM billing_write_wallets(tenant, decisions);
    PERFORM billing_write_totals(tenant, decisions);
    PERFORM billing_mark_reversed(tenant, items, decisions);
    -- A wallet takes the id of the posting that opened it. If that one and all others were refused, nothing of it may stay.
    IF opened <> '{}' THEN
        PERFORM billing_remove_unused_wallets(tenant, opened);
    END IF;
    IF EXISTS (SELECT FROM events_listener listener WHERE listener.tenant_id = tenant) THEN
        PERFORM billing_write_events(
            tenant, items[1].request_id, ARRAY(SELECT entry_id FROM unnest(decisions) WHERE outcome = 'posted')
        );
        PERFORM billing_write_refusals(tenant, items[1].request_id, decisions);
    END IF;
    RETURN QUERY SELECT * FROM billing_reply(tenant, decisions);
END;
$$;
