-- Writes a capture or release: takes the amount as a debit, and releases the rest where the call is final. Second step of
-- billing_capture_or_end_hold.
--
-- Takes: the tenant, the call, the wallet that the caller has locked, the hold's id, the amount to take, which may be zero, and the moment.
-- Returns: nothing.
-- Locks: under the wallet's lock, whatever billing_post locks.
-- Never: decides: the amount is within what the hold reserves, and the caller has asked billing_posting_refusal about the debit.
--
-- Where another call took the key of the debit since the caller looked, or defined its type otherwise, it raises unique_violation, as the
-- index would, and the whole call is made again. Any other refusal of the debit means that the caller and billing_post decided by different
-- rules: it raises an error that nothing repeats.
CREATE OR REPLACE FUNCTION billing_write_capture_or_release(
    tenant uuid, item billing_hold_end, wallet billing_wallet, of_hold uuid, taken numeric, moment timestamp with time zone
) RETURNS void
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    ends CONSTANT boolean := item.kind = 'released' OR item.final;
    step billing_hold_step;
    debit billing_outcome;
    rest numeric;
BEGIN
    UPDATE billing_wallethold hold
    SET captured = hold.captured + taken, status = CASE WHEN ends THEN item.kind ELSE hold.status END,
        closed_at = CASE WHEN ends THEN moment END
    WHERE hold.tenant_id = tenant AND hold.id = of_hold
    RETURNING hold.amount - hold.captured INTO rest;
    step.held_after := wallet.held - taken - CASE WHEN ends THEN rest ELSE 0 END;
    UPDATE billing_wallet wallet_row SET held = step.held_after WHERE wallet_row.tenant_id = tenant AND wallet_row.id = wallet.id;
    IF taken > 0 THEN
        SELECT * INTO debit FROM billing_post(tenant, jsonb_build_array(billing_usage_debit() || jsonb_build_object(
            'id', item.id, 'currency', wallet.currency, 'amount', taken, 'reference_id', item.reference_id,
            'agent_id', item.agent_id, 'description', item.description, 'metadata', item.metadata,
            'facts_digest', item.debit_digest, 'now', moment, 'actor', item.actor, 'request_id', item.request_id
        )));
        IF debit.outcome = 'exists' OR debit.effect <> -taken THEN
            RAISE EXCEPTION 'another call took the key of the debit of a capture, or defined its type'
                USING ERRCODE = 'unique_violation', CONSTRAINT = 'billing_transaction_reference_key';
        ELSIF debit.outcome <> 'posted' THEN
            RAISE EXCEPTION 'the debit of a capture was refused, though the capture was not: %', debit.outcome;
        END IF;
    END IF;
    step.happened := moment;
    step.booked := billing_next_hold_entry_time(tenant, wallet.id, moment);
    step.actor := item.actor;
    step.request_id := item.request_id;
    step.facts_digest := item.facts_digest;
    IF item.kind = 'captured' THEN
        step.kind := 'captured';
        step.amount := taken;
        step.held_after := wallet.held - taken;
        step.reference_id := item.reference_id;
        step.transaction_id := debit.id;
        step.is_final := item.final;
        PERFORM billing_write_hold_entry(tenant, of_hold, step);
        step.facts_digest := NULL;
        step.reference_id := NULL;
        step.transaction_id := NULL;
        step.is_final := false;
        step.booked := step.booked + interval '1 microsecond';
    END IF;
    IF ends AND (rest > 0 OR item.kind = 'released') THEN
        step.kind := 'released';
        step.amount := rest;
        step.held_after := wallet.held - taken - rest;
        step.reason := item.reason;
        PERFORM billing_write_hold_entry(tenant, of_hold, step);
    END IF;
    IF EXISTS (SELECT FROM events_listener listener WHERE listener.tenant_id = tenant) THEN
        PERFORM billing_write_hold_events(tenant, item.request_id, ARRAY[of_hold], item.kind, moment);
    END IF;
END;
$$;
