-- Counts the usage of transactions: writes what each counts for now, and changes the sums by the difference.
-- Takes: the tenant, what was read of each transaction (an array of objects: transaction_id, model, keys by their number, tokens), the notes
-- that are dealt with by it, the numbers of the tenant's dimensions in ascending order, and until when all transactions are counted then.
-- Returns: nothing.
-- Locks: the tenant's lock of counting, which the caller holds already (metering_lock_usage); the rows of usage and the sums.
-- Never: changes a row of the ledger. The state that it counts is read after the notes, so that no change is missed: whatever changes a
-- transaction later leaves another note.
CREATE OR REPLACE FUNCTION metering_count_usage(
    tenant uuid, readings jsonb, notes uuid[], numbers smallint[], counted_until timestamptz
)
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    gone jsonb;
    counted jsonb;
BEGIN
    WITH deleted AS (
        DELETE FROM metering_usage kept
        WHERE kept.tenant_id = tenant
            AND kept.transaction_id = ANY (ARRAY(SELECT (one ->> 'transaction_id')::uuid FROM jsonb_array_elements(readings) one))
        RETURNING kept.*
    )
    SELECT jsonb_agg(to_jsonb(deleted)) INTO gone FROM deleted;

    WITH inserted AS (
        INSERT INTO metering_usage (
            id, tenant_id, transaction_id, currency, occurred_at, recorded_at, service, action, resource, model, agent, customer, trace,
            outcome, keys, transactions, repeated, amount, estimated, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
            input_audio_tokens, output_audio_tokens, reasoning_tokens
        )
        SELECT gen_random_uuid(), tenant, owner.id, spent.currency, owner.occurred_at, owner.created_at, service.name, owner.action_name,
            owner.resource_name, reading.model, owner.agent_id, owner.customer_id, trace.reference, owner.outcome, reading.keys, 1,
            1 - spent.is_first, spent.amount, spent.estimated, spent.is_first * reading.input_tokens,
            spent.is_first * reading.output_tokens, spent.is_first * reading.cache_read_tokens,
            spent.is_first * reading.cache_write_tokens, spent.is_first * reading.input_audio_tokens,
            spent.is_first * reading.output_audio_tokens, spent.is_first * reading.reasoning_tokens
        FROM jsonb_to_recordset(readings) AS reading (
            transaction_id uuid, model text, keys jsonb, input_tokens numeric, output_tokens numeric, cache_read_tokens numeric,
            cache_write_tokens numeric, input_audio_tokens numeric, output_audio_tokens numeric, reasoning_tokens numeric
        )
        JOIN metering_transaction owner ON owner.tenant_id = tenant AND owner.id = reading.transaction_id
        JOIN metering_service service ON service.tenant_id = tenant AND service.id = owner.service_id
        JOIN metering_trace trace ON trace.tenant_id = tenant AND trace.id = owner.trace_id
        CROSS JOIN LATERAL (
            SELECT coalesce(cost.fiat_asset_symbol, '') AS currency, coalesce(sum(cost.fiat_amount), 0) AS amount,
                coalesce(sum(cost.fiat_amount) FILTER (WHERE cost.is_estimate), 0) AS estimated,
                (row_number() OVER (ORDER BY cost.fiat_asset_symbol) = 1)::integer AS is_first
            FROM (VALUES (1)) one
            LEFT JOIN metering_cost cost ON cost.tenant_id = tenant AND cost.transaction_id = owner.id AND cost.is_active
            GROUP BY cost.fiat_asset_symbol
        ) spent
        RETURNING *
    )
    SELECT jsonb_agg(to_jsonb(inserted)) INTO counted FROM inserted;

    PERFORM metering_add_usage(tenant, numbers, coalesce(gone, '[]'), coalesce(counted, '[]'));
    DELETE FROM metering_usagenote note WHERE note.tenant_id = tenant AND note.id = ANY (notes);
    INSERT INTO metering_usageprogress AS kept (id, tenant_id, counted_until)
    VALUES (gen_random_uuid(), tenant, metering_count_usage.counted_until)
    ON CONFLICT (tenant_id) DO UPDATE SET counted_until = greatest(kept.counted_until, excluded.counted_until)
    WHERE kept.tenant_id = excluded.tenant_id;
END
$$;
