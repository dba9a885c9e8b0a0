-- Locks the counters of all postings of an array at once, in the order of their ids: locked one posting after the other, two arrays could
-- wait for each other.
-- Takes: the tenant, the postings and their resolutions. Returns: nothing.
-- Locks: the counters (rules_lock_counters). Never: decides or counts anything.
CREATE OR REPLACE FUNCTION metering_lock_counters(tenant uuid, items metering_posting[], resolved metering_resolution[])
RETURNS void
LANGUAGE plpgsql
AS $$
DECLARE
    measured rules_measured[] := '{}';
    trace metering_trace;
BEGIN
    FOR ordinal IN 1 .. cardinality(items) LOOP
        CONTINUE WHEN resolved[ordinal].posting_outcome <> 'posted';
        trace.reference := resolved[ordinal].known_reference;
        trace.external_id := resolved[ordinal].known_external_id;
        measured := measured || rules_amounts_by_measure(tenant, rules_new_subject(
            items[ordinal].id, items[ordinal].service_name, items[ordinal].action_name, items[ordinal].resource_name,
            (resolved[ordinal].agent).id, (resolved[ordinal].agent).name, (resolved[ordinal].agent).customer_id, trace,
            items[ordinal].customer_id, items[ordinal].qualifiers::json, items[ordinal].metadata::json, to_jsonb(items[ordinal].costs)
        ));
    END LOOP;
    PERFORM rules_lock_counters(tenant, measured, NULL);
END
$$;
