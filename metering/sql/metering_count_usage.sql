-- Counts the usage of transactions: writes what each counts for now, and changes the sums by the difference.
--
-- Takes: the tenant, the transactions, what was read of each (an array of objects: transaction_id, and what it has of model, keys by their
-- number, and tokens), the notes that are dealt with by it, the numbers of the tenant's dimensions in ascending order, and the moment up
-- to which all transactions are counted once this is done.
-- Returns: nothing.
-- Locks: the tenant's lock of counting, which the caller holds already (metering_lock_usage); the rows of usage and the sums.
-- Never: changes a row of the ledger. The state that it counts is read after the notes, so that no change is missed: whatever changes a
-- transaction later leaves another note.
CREATE OR REPLACE FUNCTION metering_count_usage(
    tenant uuid, wanted uuid[], readings json, notes uuid[], numbers smallint[], counted_until timestamptz
)
RETURNS void
LANGUAGE plpgsql
SET jit = off
AS $$
DECLARE
    gone metering_counted[];
    counted metering_counted[];
BEGIN
    WITH deleted AS (
        DELETE FROM metering_usage stored WHERE stored.tenant_id = tenant AND stored.transaction_id = ANY (wanted)
        RETURNING ROW(
            stored.occurred_at, stored.recorded_at, stored.service, stored.action, stored.resource, stored.model, stored.agent,
            stored.customer, stored.currency, stored.outcome, stored.keys, stored.transactions, stored.repeated, stored.amount,
            stored.estimated, stored.input_tokens, stored.output_tokens, stored.cache_read_tokens, stored.cache_write_tokens,
            stored.input_audio_tokens, stored.output_audio_tokens, stored.reasoning_tokens
        )::metering_counted AS usage_row
    )
    SELECT array_agg(usage_row) INTO gone FROM deleted;

    WITH reading AS MATERIALIZED (
        SELECT *
        FROM json_to_recordset(readings) AS sent_reading (
            transaction_id uuid, model text, keys jsonb, input_tokens numeric, output_tokens numeric, cache_read_tokens numeric,
            cache_write_tokens numeric, input_audio_tokens numeric, output_audio_tokens numeric, reasoning_tokens numeric
        )
    ), spent AS MATERIALIZED (
        SELECT cost.transaction_id, cost.fiat_asset_symbol AS currency, sum(cost.fiat_amount) AS amount,
            coalesce(sum(cost.fiat_amount) FILTER (WHERE cost.is_estimate), 0) AS estimated,
            row_number() OVER (PARTITION BY cost.transaction_id ORDER BY cost.fiat_asset_symbol) = 1 AS is_first
        FROM metering_cost cost
        WHERE cost.tenant_id = tenant AND cost.transaction_id = ANY (wanted) AND cost.is_active
        GROUP BY cost.transaction_id, cost.fiat_asset_symbol
    ), inserted AS (
        INSERT INTO metering_usage AS stored (
            id, tenant_id, transaction_id, currency, occurred_at, recorded_at, service, action, resource, model, agent, customer, trace,
            outcome, keys, transactions, repeated, amount, estimated, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
            input_audio_tokens, output_audio_tokens, reasoning_tokens
        )
        SELECT gen_random_uuid(), tenant, owner.id, coalesce(spent.currency, ''), owner.occurred_at, owner.created_at, service.name,
            owner.action_name, owner.resource_name, reading.model, owner.agent_id, owner.customer_id, trace.reference, owner.outcome,
            reading.keys, 1, 1 - first.is_one, coalesce(spent.amount, 0), coalesce(spent.estimated, 0),
            first.is_one * coalesce(reading.input_tokens, 0), first.is_one * coalesce(reading.output_tokens, 0),
            first.is_one * coalesce(reading.cache_read_tokens, 0), first.is_one * coalesce(reading.cache_write_tokens, 0),
            first.is_one * coalesce(reading.input_audio_tokens, 0), first.is_one * coalesce(reading.output_audio_tokens, 0),
            first.is_one * coalesce(reading.reasoning_tokens, 0)
        FROM reading
        JOIN metering_transaction owner ON owner.tenant_id = tenant AND owner.id = reading.transaction_id
        JOIN metering_service service ON service.tenant_id = tenant AND service.id = owner.service_id
        JOIN metering_trace trace ON trace.tenant_id = tenant AND trace.id = owner.trace_id
        LEFT JOIN spent ON spent.transaction_id = owner.id
        CROSS JOIN LATERAL (SELECT (spent.is_first IS NOT FALSE)::integer AS is_one) first
        RETURNING ROW(
            stored.occurred_at, stored.recorded_at, stored.service, stored.action, stored.resource, stored.model, stored.agent,
            stored.customer, stored.currency, stored.outcome, stored.keys, stored.transactions, stored.repeated, stored.amount,
            stored.estimated, stored.input_tokens, stored.output_tokens, stored.cache_read_tokens, stored.cache_write_tokens,
            stored.input_audio_tokens, stored.output_audio_tokens, stored.reasoning_tokens
        )::metering_counted AS usage_row
    )
    SELECT array_agg(usage_row) INTO counted FROM inserted;

    PERFORM metering_add_usage(tenant, numbers, gone, counted);
    DELETE FROM metering_usagenote note WHERE note.tenant_id = tenant AND note.id = ANY (notes);
    INSERT INTO metering_usageprogress AS stored (id, tenant_id, counted_until)
    VALUES (gen_random_uuid(), tenant, metering_count_usage.counted_until)
    ON CONFLICT (tenant_id) DO UPDATE SET counted_until = greatest(stored.counted_until, excluded.counted_until)
    WHERE stored.tenant_id = excluded.tenant_id;
END
$$;
