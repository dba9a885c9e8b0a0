-- Makes deliveries for the events that an endpoint missed, the oldest first.
--
-- Takes: a tenant; its endpoint, whose row the caller has locked; from which moment on, and before which one (null: until now), by the time
-- of recording; whether only events that were tried count, or also those without any delivery; how many at most.
-- Returns: how many were made, and when the last of these events was recorded.
-- Locks: nothing more.
-- Never: makes a delivery of an event that was delivered to the endpoint, or whose delivery is open.
CREATE OR REPLACE FUNCTION events_recover(
    tenant uuid, target uuid, since timestamptz, until timestamptz, only_failed boolean, at_most integer,
    OUT made bigint, OUT last_at timestamptz
) LANGUAGE sql VOLATILE
AS $$
    WITH wanted AS (
        SELECT endpoint.enabled_events FROM events_endpoint endpoint WHERE endpoint.tenant_id = tenant AND endpoint.id = target
    ), missed AS (
        SELECT event.id, event.account, event.sequence, event.created_at, row_number() OVER (ORDER BY event.position) - 1 AS ordinal
        FROM events_event event, wanted
        WHERE event.tenant_id = tenant AND event.position IS NOT NULL
            AND event.created_at >= since AND event.created_at < coalesce(until, 'infinity')
            AND events_wanted(wanted.enabled_events, event.type)
            AND NOT EXISTS (
                SELECT FROM events_delivery sent
                WHERE sent.tenant_id = tenant AND sent.event_id = event.id AND sent.endpoint_id = target
                    AND sent.state IN ('pending', 'leased', 'waiting', 'delivered')
            )
            AND (NOT only_failed OR EXISTS (
                SELECT FROM events_delivery tried
                WHERE tried.tenant_id = tenant AND tried.event_id = event.id AND tried.endpoint_id = target
            ))
        ORDER BY event.position
        LIMIT at_most
    ), inserted AS (
        INSERT INTO events_delivery (
            id, tenant_id, event_id, endpoint_id, origin, state, attempts, next_at, account, sequence, released_by_age, last_error
        )
        SELECT events_new_id(clock_timestamp(), missed.ordinal), tenant, missed.id, target, 'recover', 'pending', 0, clock_timestamp(),
            missed.account, missed.sequence, false, ''
        FROM missed ORDER BY missed.ordinal
        RETURNING event_id
    )
    SELECT (SELECT count(*) FROM inserted), (SELECT max(missed.created_at) FROM missed)
$$;
