-- Returns the outcome row of each posting of an array. Last step of billing_post_array.
--
-- Takes: the tenant, and the decisions on its postings, in order. Returns: a row for each, in that order, with the entry as it stands now.
-- Locks: nothing. Never: writes.
CREATE OR REPLACE FUNCTION billing_reply(tenant uuid, decisions billing_decision[]) RETURNS SETOF billing_outcome
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    line record;
BEGIN
    FOR line IN
        SELECT decision.*, entry
        FROM unnest(decisions) WITH ORDINALITY AS decision
        LEFT JOIN billing_transaction entry ON entry.id = decision.entry_id AND entry.tenant_id = tenant
        ORDER BY decision.ordinality
    LOOP
        RETURN NEXT billing_make_outcome(
            line.outcome, line.entry, line.wallet_currency, line.balance, line.wallet_held, line.wallet_floor, line.requested,
            line.remaining, line.blocking_id
        );
    END LOOP;
END;
$$;
