-- Adds to transactions that exist: a move of the status, a fact, a cost, or several of these at once. One array, one database transaction,
-- one outcome for each item, in order:
--   done                the rows are written
--   replayed            the idempotency key was used before with the same facts: the ids are the first rows'
--   conflict            the key was used before with other facts: `first_digest` is the first one
--   not_found           no such transaction of the tenant
--   wrong_status        the status doesn't allow the move; `status` says which it is
--   not_open            denied and cancelled transactions take no facts and no costs
--   cost_not_found      the cost to supersede isn't in the tenant's book
--   cost_of_another     it is, but belongs to another transaction
--   already_superseded  it was superseded before
-- An item that isn't done leaves nothing behind.
CREATE OR REPLACE FUNCTION metering_amend(amendments jsonb)
RETURNS TABLE (
    outcome text, status text, moment timestamp with time zone, change_id uuid, fact_id uuid, cost_id uuid, superseded_id uuid,
    first_digest bytea, pricing text, pricing_note text
)
LANGUAGE plpgsql
SET enable_seqscan = off
SET enable_hashjoin = off
SET enable_mergejoin = off
SET jit = off
SET plan_cache_mode = force_generic_plan
AS $$
#variable_conflict use_column
DECLARE
    item record;
    owner record;
    prior record;
    target metering_cost%ROWTYPE;
    is_known boolean;
    deltas metering_delta[] := '{}';
BEGIN
    -- One order everywhere, before the first write.
    PERFORM locked.id
    FROM metering_transaction AS locked
    WHERE (locked.tenant_id, locked.id) IN (
        SELECT wanted.tenant_id, wanted.transaction_id
        FROM jsonb_to_recordset(amendments) AS wanted (tenant_id uuid, transaction_id uuid)
    )
    ORDER BY locked.tenant_id, locked.id
    FOR NO KEY UPDATE;

    FOR item IN
        SELECT given.*, decode(given.digest, 'hex') AS digest_bytes,
            (given.move ->> 'to') AS to_status,
            (given.fact ->> 'id')::uuid AS new_fact_id,
            (given.cost ->> 'id')::uuid AS new_cost_id,
            (given.cost ->> 'amount')::numeric AS amount,
            (given.cost ->> 'currency') AS currency,
            (given.cost ->> 'is_estimate')::boolean AS is_estimate,
            (given.cost ->> 'supersedes')::uuid AS supersedes_id,
            COALESCE((given.cost ->> 'supersedes_current')::boolean, false) AS supersedes_current
        FROM jsonb_to_recordset(amendments) AS given (
            tenant_id uuid, transaction_id uuid, actor text, request_id text, idempotency_key text, digest text,
            occurred_at timestamptz, move jsonb, fact jsonb, cost jsonb
        )
    LOOP
        outcome := NULL; status := NULL; change_id := NULL; fact_id := NULL; cost_id := NULL; superseded_id := NULL; first_digest := NULL;
        pricing := item.fact ->> 'pricing'; pricing_note := item.fact ->> 'pricing_note';
        moment := clock_timestamp();

        -- The key stands on every row that its call wrote; the first of them tells whether the call is the same.
        IF item.idempotency_key IS NOT NULL THEN
            SELECT change.id AS change_id, fact.id AS fact_id, fact.pricing, fact.pricing_note, cost.id AS cost_id, cost.supersedes_id AS superseded_id,
                COALESCE(change.facts_digest, fact.facts_digest, cost.facts_digest) AS digest
            INTO prior
            FROM (SELECT) AS one
            LEFT JOIN metering_statuschange AS change
                ON change.tenant_id = item.tenant_id AND change.idempotency_key = item.idempotency_key
            LEFT JOIN metering_fact AS fact ON fact.tenant_id = item.tenant_id AND fact.idempotency_key = item.idempotency_key
            LEFT JOIN metering_cost AS cost ON cost.tenant_id = item.tenant_id AND cost.idempotency_key = item.idempotency_key;
            IF prior.digest IS NOT NULL THEN
                outcome := CASE WHEN prior.digest = item.digest_bytes THEN 'replayed' ELSE 'conflict' END;
                change_id := prior.change_id; fact_id := prior.fact_id; cost_id := prior.cost_id;
                superseded_id := prior.superseded_id; first_digest := prior.digest;
                pricing := prior.pricing; pricing_note := prior.pricing_note;
                RETURN NEXT;
                CONTINUE;
            END IF;
        END IF;

        SELECT kept.status, kept.occurred_at, kept.service_id, kept.agent_id, kept.updated_at INTO owner
        FROM metering_transaction AS kept
        WHERE kept.tenant_id = item.tenant_id AND kept.id = item.transaction_id;
        IF NOT FOUND THEN
            outcome := 'not_found';
            RETURN NEXT;
            CONTINUE;
        END IF;
        status := owner.status;
        moment := GREATEST(moment, owner.updated_at);

        IF item.to_status IS NOT NULL AND NOT metering_may_move(owner.status, item.to_status) THEN
            outcome := 'wrong_status';
        ELSIF (item.new_fact_id IS NOT NULL OR item.new_cost_id IS NOT NULL) AND owner.status IN ('denied', 'cancelled') THEN
            outcome := 'not_open';
        END IF;

        -- The cost to supersede: the one named, or the one that facts replace: what earlier facts said, else the latest estimate. Where
        -- neither is left but an actual cost is known, facts make no second one.
        target := NULL;
        is_known := false;
        IF outcome IS NULL AND item.supersedes_id IS NOT NULL THEN
            SELECT earlier.* INTO target
            FROM metering_cost AS earlier
            WHERE earlier.tenant_id = item.tenant_id AND earlier.id = item.supersedes_id;
            outcome := CASE
                WHEN target.id IS NULL THEN 'cost_not_found'
                WHEN target.transaction_id <> item.transaction_id THEN 'cost_of_another'
                WHEN NOT target.is_active THEN 'already_superseded'
            END;
        ELSIF outcome IS NULL AND item.supersedes_current THEN
            SELECT earlier.* INTO target
            FROM metering_cost AS earlier
            WHERE earlier.tenant_id = item.tenant_id AND earlier.transaction_id = item.transaction_id AND earlier.is_active
            ORDER BY earlier.inferred_from_id IS NOT NULL DESC, earlier.is_estimate DESC, earlier.fiat_asset_symbol = item.currency DESC,
                earlier.id DESC
            LIMIT 1;
            IF target.id IS NOT NULL AND NOT target.is_estimate AND target.inferred_from_id IS NULL THEN
                target := NULL;
                is_known := true;
                pricing := 'already_known';
            END IF;
        END IF;

        IF outcome IS NOT NULL THEN
            RETURN NEXT;
            CONTINUE;
        END IF;

        IF item.to_status IS NOT NULL THEN
            WITH moved AS (
                UPDATE metering_transaction AS kept SET
                    status = item.to_status,
                    outcome = item.move ->> 'outcome',
                    decline_reason = CASE WHEN item.to_status = 'denied' THEN item.move ->> 'reason' END,
                    updated_at = moment,
                    preparing_at = CASE WHEN item.to_status = 'preparing' THEN moment ELSE kept.preparing_at END,
                    authorized_at = CASE WHEN item.to_status = 'authorized' THEN moment ELSE kept.authorized_at END,
                    denied_at = CASE WHEN item.to_status = 'denied' THEN moment ELSE kept.denied_at END,
                    cancelled_at = CASE WHEN item.to_status = 'cancelled' THEN moment ELSE kept.cancelled_at END,
                    completed_at = CASE WHEN item.to_status = 'completed' THEN moment ELSE kept.completed_at END
                WHERE kept.tenant_id = item.tenant_id AND kept.id = item.transaction_id AND kept.status = owner.status
                RETURNING kept.id
            )
            INSERT INTO metering_statuschange (
                id, tenant_id, occurred_at, created_at, actor, request_id, transaction_id, from_status, to_status, reason,
                idempotency_key, facts_digest
            )
            SELECT (item.move ->> 'id')::uuid, item.tenant_id, COALESCE(item.occurred_at, moment), moment, item.actor, item.request_id,
                moved.id, owner.status, item.to_status, COALESCE(item.move ->> 'reason', ''), item.idempotency_key, item.digest_bytes
            FROM moved;
            change_id := (item.move ->> 'id')::uuid;
            status := item.to_status;
            deltas := deltas || (
                item.tenant_id, owner.occurred_at, owner.service_id, owner.agent_id, '', 0,
                CASE WHEN item.move ->> 'outcome' = 'success' THEN 1 ELSE 0 END,
                CASE WHEN item.move ->> 'outcome' = 'error' THEN 1 ELSE 0 END,
                CASE WHEN item.to_status = 'denied' THEN 1 ELSE 0 END,
                CASE WHEN item.to_status = 'cancelled' THEN 1 ELSE 0 END,
                0, 0, 0
            )::metering_delta;
        END IF;

        IF item.new_fact_id IS NOT NULL THEN
            INSERT INTO metering_fact (
                id, tenant_id, occurred_at, created_at, actor, request_id, transaction_id, source, version, phase, facts, integration,
                pricing, pricing_note, idempotency_key, facts_digest
            ) VALUES (
                item.new_fact_id, item.tenant_id, COALESCE(item.occurred_at, moment), moment, item.actor, item.request_id,
                item.transaction_id, item.fact ->> 'source', item.fact ->> 'version', item.fact ->> 'phase', (item.fact ->> 'facts')::json,
                (item.fact ->> 'integration')::json, pricing, pricing_note,
                item.idempotency_key, item.digest_bytes
            );
            fact_id := item.new_fact_id;
        END IF;

        IF target.id IS NOT NULL THEN
            UPDATE metering_cost AS earlier SET is_active = false, superseded_at = moment
            WHERE earlier.tenant_id = item.tenant_id AND earlier.id = target.id AND earlier.is_active;
            superseded_id := target.id;
            deltas := deltas || (
                item.tenant_id, owner.occurred_at, owner.service_id, owner.agent_id, target.fiat_asset_symbol, 0, 0, 0, 0, 0,
                -1, -target.fiat_amount, CASE WHEN target.is_estimate THEN -target.fiat_amount ELSE 0 END
            )::metering_delta;
        END IF;

        IF item.new_cost_id IS NOT NULL AND NOT is_known THEN
            INSERT INTO metering_cost (
                id, tenant_id, occurred_at, created_at, actor, request_id, transaction_id, fiat_amount, fiat_asset_symbol, is_estimate,
                is_active, supersedes_id, inferred_from_id, cost_details, repricing, idempotency_key, facts_digest
            ) VALUES (
                item.new_cost_id, item.tenant_id, COALESCE(item.occurred_at, moment), moment, item.actor, item.request_id,
                item.transaction_id, item.amount, item.currency, item.is_estimate, true, target.id,
                COALESCE((item.cost ->> 'inferred_from')::uuid, item.new_fact_id), (item.cost ->> 'details')::json,
                (item.cost ->> 'repricing')::uuid, item.idempotency_key, item.digest_bytes
            );
            cost_id := item.new_cost_id;
            deltas := deltas || (
                item.tenant_id, owner.occurred_at, owner.service_id, owner.agent_id, item.currency, 0, 0, 0, 0, 0,
                1, item.amount, CASE WHEN item.is_estimate THEN item.amount ELSE 0 END
            )::metering_delta;
        END IF;

        outcome := 'done';
        RETURN NEXT;
    END LOOP;

    IF cardinality(deltas) > 0 THEN
        PERFORM metering_roll_up(deltas);
    END IF;
END;
$$;
