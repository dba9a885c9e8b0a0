-- Adds one item to its transaction, which the caller (metering_amend) has locked.
-- Takes: the tenant and the item, whose key is new.
-- Returns: the outcome, as metering_amend says, and the changes to the sums.
-- Locks: the costs that it supersedes; nobody else can hold them, because their transaction is locked.
-- Never: writes anything unless the outcome is `posted`.
CREATE OR REPLACE FUNCTION metering_amend_single(tenant uuid, item metering_amendment)
RETURNS metering_amended
LANGUAGE plpgsql
AS $$
DECLARE
    owner metering_transaction;
    superseded metering_supersession;
    amended metering_amended;
    done metering_amend_outcome;
    pricing text;
BEGIN
    amended.deltas := '{}';
    SELECT * INTO owner FROM metering_transaction kept WHERE kept.tenant_id = tenant AND kept.id = item.transaction_id;
    -- Read under the lock. A clock that was set back doesn't put a change before the transaction's last one.
    done.created_at := GREATEST(clock_timestamp(), owner.updated_at);
    done.status := owner.status;
    done.outcome := metering_refuse_amendment(owner, item, done.created_at);
    IF done.outcome IS NULL AND (item.cost).id IS NOT NULL THEN
        superseded := metering_choose_superseded(tenant, item);
        done.outcome := superseded.outcome;
    END IF;
    IF done.outcome IS NOT NULL THEN
        amended.done := done;
        RETURN amended;
    END IF;

    IF (item.move).id IS NOT NULL THEN
        PERFORM metering_insert_move(tenant, item, owner, done.created_at);
        amended.deltas := amended.deltas || metering_move_delta(owner, item.move);
        done.change_id := (item.move).id;
        done.status := (item.move).to_status;
        IF done.status IN ('denied', 'cancelled') THEN
            amended.deltas := amended.deltas || metering_void_estimates(tenant, item, owner, done.created_at);
        END IF;
    END IF;
    IF (item.fact).id IS NOT NULL THEN
        done.fact_id := (item.fact).id;
        done.pricing := coalesce(superseded.pricing, (item.fact).pricing);
        done.pricing_note := (item.fact).pricing_note;
        done.pricing_fields := (item.fact).pricing_fields;
        INSERT INTO metering_fact (
            id, tenant_id, occurred_at, created_at, actor, request_id, transaction_id, source, version, phase, facts, integration,
            pricing, pricing_note, pricing_fields, idempotency_key, facts_digest
        ) VALUES (
            done.fact_id, tenant, coalesce(item.occurred_at, done.created_at), done.created_at, item.actor, item.request_id,
            owner.id, (item.fact).source, (item.fact).version, (item.fact).phase, (item.fact).facts::json,
            (item.fact).integration::json, done.pricing, done.pricing_note, done.pricing_fields::json,
            item.idempotency_key, decode(item.digest, 'hex')
        );
    END IF;
    IF (item.cost).id IS NOT NULL AND superseded.pricing IS NULL THEN
        done.cost_id := (item.cost).id;
        amended.deltas := amended.deltas || metering_insert_cost(tenant, item, owner, superseded.costs, done.created_at);
    END IF;
    done.outcome := 'posted';
    amended.done := done;
    RETURN amended;
END
$$;
