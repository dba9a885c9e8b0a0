-- Gives what a payment holds a later end.
-- Takes: the tenant, and an array of one {payment_id, transaction_id, expires_at, idempotency_key, facts_digest, actor, request_id}.
-- Returns: one row: the payment after the call, and `latest`, the last moment that the policies of the ledgers allow. `outcome` is posted;
-- exists (the key was used before: `first_digest`); not_found; closed; not_later; too_long; hold_ended (somebody ended a hold by itself).
-- Locks: the tenant's rules, shared; the transaction; as paying_lock_counters_and_money; the payment; then as
-- credits_extend_hold and billing_extend_hold.
-- Never: makes a hold shorter; changes what it reserves, or until when a payment of a 402 may be presented.
CREATE OR REPLACE FUNCTION paying_extend(tenant uuid, items jsonb)
RETURNS TABLE (outcome text, id uuid, status text, expires_at timestamptz, latest timestamptz, first_digest bytea)
LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    item record;
    payment paying_payment;
    earlier paying_paymentcall;
    leg paying_paymentleg;
    moment timestamptz;
    done record;
    asked jsonb;
BEGIN
    SELECT * INTO item FROM jsonb_to_record(items -> 0) AS asked (
        payment_id uuid, transaction_id uuid, expires_at timestamptz, idempotency_key text, facts_digest text, actor text, request_id text
    );
    PERFORM paying_lock_transactions(tenant, ARRAY[item.payment_id]);
    SELECT * INTO payment FROM paying_payment stored
    WHERE stored.tenant_id = tenant AND stored.id = item.payment_id AND stored.transaction_id = item.transaction_id
    FOR NO KEY UPDATE;
    moment := greatest(ledger_now(), payment.updated_at);
    earlier := paying_find_call(tenant, payment.id, 'extended', item.idempotency_key);
    latest := least(credits_longest_hold(tenant, payment.created_at), billing_longest_hold(tenant, payment.created_at));
    outcome := CASE
        WHEN payment.id IS NULL THEN 'not_found'
        WHEN earlier.id IS NOT NULL THEN 'exists'
        WHEN payment.closed_at IS NOT NULL OR payment.hold_expires_at <= moment THEN 'closed'
        WHEN item.expires_at <= payment.hold_expires_at THEN 'not_later'
        WHEN item.expires_at > latest THEN 'too_long'
        ELSE 'posted'
    END;
    IF outcome = 'posted' THEN
        BEGIN
            FOR leg IN
                SELECT * FROM paying_paymentleg part
                WHERE part.tenant_id = tenant AND part.payment_id = payment.id AND part.hold_id IS NOT NULL
                ORDER BY part.ordinal
            LOOP
                asked := jsonb_build_object(
                    'hold_id', leg.hold_id, 'expires_at', item.expires_at, 'actor', item.actor, 'request_id', item.request_id
                );
                -- Of the holds' extensions no caller stated a fact: credits_no_facts_digest says why their digests are empty.
                IF leg.kind = 'credits' THEN
                    SELECT * INTO done FROM credits_extend_hold(tenant, jsonb_build_array(asked || jsonb_build_object(
                        'idempotency_key', format('payment:%s:%s', payment.id, moment), 'facts_digest', '\x'
                    )));
                ELSE
                    SELECT * INTO done FROM billing_extend_hold(tenant, jsonb_build_array(asked || jsonb_build_object(
                        'reference_id', format('payment:%s:%s', payment.id, moment), 'facts_digest', ''
                    )));
                END IF;
                IF done.outcome <> 'posted' THEN
                    -- Undoes what was extended since BEGIN: all of the payment's holds or none.
                    RAISE EXCEPTION 'all or nothing' USING ERRCODE = 'PAY01';
                END IF;
            END LOOP;
        EXCEPTION WHEN SQLSTATE 'PAY01' THEN
            outcome := 'hold_ended';
        END;
    END IF;
    IF outcome = 'posted' THEN
        earlier := paying_write_call(
            tenant, payment, 'extended', 0, item.expires_at, false, item.idempotency_key, item.facts_digest, moment, item.actor,
            item.request_id
        );
        UPDATE paying_payment stored SET hold_expires_at = item.expires_at, updated_at = moment
        WHERE stored.tenant_id = tenant AND stored.id = payment.id
        RETURNING * INTO payment;
        PERFORM paying_write_events(tenant, item.request_id, ARRAY[payment.id], 'extended');
    END IF;
    id := payment.id;
    status := CASE WHEN payment.closed_at IS NULL AND payment.hold_expires_at <= moment THEN 'expired' ELSE payment.status::text END;
    expires_at := payment.hold_expires_at;
    first_digest := earlier.facts_digest;
    RETURN NEXT;
END
$$;
