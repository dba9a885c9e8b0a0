-- Chooses the earliest deliveries of one account, up to the first one that isn't due, or that isn't fanned out yet.
-- Takes: a tenant, its endpoint, whose row the caller has locked, the account, the moment, how many at most. Returns: ids, in their order.
-- Locks: the deliveries, without waiting. Never: leaves one out between two that it chooses.
CREATE OR REPLACE FUNCTION events_choose_batch(
    tenant uuid, endpoint uuid, of_account text, moment timestamp with time zone, length integer
) RETURNS uuid[] LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    -- Where an event without a number stands: behind the others.
    at_the_end constant bigint := 9223372036854775807;
    listed uuid[];
    locked uuid[];
    unmade record;
BEGIN
    SELECT event.sequence, event.id INTO unmade FROM events_event event
    WHERE event.tenant_id = tenant AND event.account = of_account AND event.fanned_out_at IS NULL
    ORDER BY event.sequence, event.id LIMIT 1;
    SELECT array_agg(due.id ORDER BY due.ordinal) INTO listed FROM (
        SELECT early.id, row_number() OVER in_order AS ordinal, bool_and(early.next_at <= moment AND (
            unmade.id IS NULL
            OR (coalesce(early.sequence, at_the_end), early.event_id) < (coalesce(unmade.sequence, at_the_end), unmade.id)
        )) OVER in_order AS is_due
        FROM (
            SELECT open.id, open.sequence, open.event_id, open.next_at FROM events_delivery open
            WHERE open.tenant_id = tenant AND open.endpoint_id = endpoint AND open.account = of_account AND open.account <> ''
                AND NOT open.released_by_age AND open.state IN ('pending', 'leased', 'waiting')
            ORDER BY open.sequence, open.event_id, open.id LIMIT length
        ) early
        WINDOW in_order AS (ORDER BY early.sequence, early.event_id, early.id)
    ) due WHERE due.is_due;
    SELECT array_agg(taken.id) INTO locked FROM (
        SELECT open.id FROM events_delivery open
        WHERE open.tenant_id = tenant AND open.id = ANY (listed) AND open.next_at <= moment
            AND open.state IN ('pending', 'leased', 'waiting')
        FOR NO KEY UPDATE SKIP LOCKED
    ) taken;
    -- Up to the first that another transaction holds.
    RETURN coalesce(
        listed[: coalesce((
            SELECT min(ordinal) - 1 FROM unnest(listed) WITH ORDINALITY AS member (id, ordinal)
            WHERE member.id <> ALL (coalesce(locked, '{}'))
        ), cardinality(listed))], '{}'
    );
END
$$;
