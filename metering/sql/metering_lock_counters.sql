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
    FOR place IN 1 .. cardinality(items) LOOP
        CONTINUE WHEN resolved[place].posting_outcome <> 'posted';
        trace.reference := resolved[place].known_reference;
        trace.external_id := resolved[place].known_external_id;
        measured := measured || rules_measure(tenant, rules_new_subject(
            items[place].id, items[place].service_name, items[place].action_name, items[place].resource_name,
            (resolved[place].agent).id, (resolved[place].agent).name, (resolved[place].agent).customer_id, trace, items[place].customer_id,
            items[place].qualifiers::json, items[place].metadata::json, to_jsonb(items[place].costs)
        ));
    END LOOP;
    PERFORM rules_lock_counters(tenant, measured, NULL);
END
$$;
