-- Records what came of leased deliveries: the attempts, the state of each delivery, and what they say about their endpoints.
-- Takes: results as JSON, each with its ordinal in the order in which they came in, tenant_id, delivery_id, endpoint_id, number (the
-- delivery's attempts at its lease), is_test, outcome: delivered; waiting, with the seconds to the next attempt (delay); failed, for good;
-- or unsent, where it was not begun. All but unsent ones have the attempt: attempt_id, duration_ms, status_code, error, request_headers,
-- response_head, ip, and the pause in seconds that the receiver asked for.
-- Returns: each endpoint with its status, failures, whether it may be sent to now, and the moment.
-- Locks: endpoints by id, as events_lease_deliveries before deliveries; then the deliveries.
-- Never: changes a delivery that is over. A worker whose lease ended meanwhile finds it leased again, or over: its success still counts,
-- because the receiver has the event; its failure is only logged.
CREATE OR REPLACE FUNCTION events_record_attempts(results json) RETURNS TABLE (
    tenant_id uuid, endpoint_id uuid, status text, consecutive_failures integer, first_failure_at timestamp with time zone, is_open boolean,
    moment timestamp with time zone
) LANGUAGE plpgsql
AS $$
#variable_conflict use_column
DECLARE
    given events_result[];
BEGIN
    given := ARRAY(SELECT json_populate_recordset(NULL::events_result, results));
    PERFORM FROM events_endpoint endpoint
    WHERE (endpoint.tenant_id, endpoint.id) IN (SELECT each.tenant_id, each.endpoint_id FROM unnest(given) each)
    ORDER BY endpoint.id FOR NO KEY UPDATE;
    moment := clock_timestamp();
    INSERT INTO events_attempt (
        id, tenant_id, delivery_id, number, at, duration_ms, status_code, error, request_headers, response_head, ip
    )
    SELECT each.attempt_id, each.tenant_id, each.delivery_id, each.number, moment - each.duration_ms * interval '1 millisecond',
        each.duration_ms, each.status_code, each.error, each.request_headers, each.response_head, each.ip
    FROM unnest(given) each WHERE each.outcome <> 'unsent' ORDER BY each.ordinal
    -- A worker that doesn't know whether it recorded them does so once more.
    ON CONFLICT (tenant_id, delivery_id, number) DO NOTHING;
    UPDATE events_delivery delivery
    SET state = 'delivered', finished_at = moment, last_status_code = each.status_code, last_error = ''
    FROM unnest(given) each
    WHERE each.outcome = 'delivered' AND delivery.tenant_id = each.tenant_id AND delivery.id = each.delivery_id
        AND delivery.state IN ('pending', 'leased', 'waiting');
    UPDATE events_delivery delivery
    SET state = each.outcome, failures = delivery.failures + 1, last_status_code = each.status_code, last_error = each.error,
        finished_at = CASE each.outcome WHEN 'failed' THEN moment END,
        next_at = CASE each.outcome WHEN 'waiting' THEN moment + each.delay * interval '1 second' ELSE delivery.next_at END
    FROM unnest(given) each
    WHERE each.outcome IN ('waiting', 'failed') AND delivery.tenant_id = each.tenant_id AND delivery.id = each.delivery_id
        AND delivery.state = 'leased' AND delivery.attempts = each.number;
    UPDATE events_delivery delivery
    SET state = CASE WHEN delivery.failures > 0 THEN 'waiting' ELSE 'pending' END, attempts = delivery.attempts - 1, next_at = moment,
        first_attempt_at = CASE WHEN delivery.attempts > 1 THEN delivery.first_attempt_at END
    FROM unnest(given) each
    WHERE each.outcome = 'unsent' AND delivery.tenant_id = each.tenant_id AND delivery.id = each.delivery_id
        AND delivery.state = 'leased' AND delivery.attempts = each.number;
    UPDATE events_endpoint endpoint
    SET consecutive_failures = CASE WHEN health.has_success THEN 0 ELSE endpoint.consecutive_failures END + health.failures,
        first_failure_at = CASE
            WHEN NOT health.has_success THEN coalesce(endpoint.first_failure_at, moment) WHEN health.failures > 0 THEN moment
        END,
        last_success_at = CASE WHEN health.has_success THEN moment ELSE endpoint.last_success_at END,
        not_before = greatest(endpoint.not_before, moment + health.pause * interval '1 second')
    FROM (
        -- Failures: those after the last success.
        SELECT each.tenant_id, each.endpoint_id, bool_or(each.outcome = 'delivered') AS has_success, max(each.pause) AS pause,
            count(*) FILTER (WHERE each.outcome <> 'delivered' AND each.ordinal > coalesce(last.ordinal, -1)) AS failures
        FROM unnest(given) each
        LEFT JOIN (
            SELECT success.tenant_id, success.endpoint_id, max(success.ordinal) AS ordinal FROM unnest(given) success
            WHERE success.outcome = 'delivered' AND NOT success.is_test GROUP BY success.tenant_id, success.endpoint_id
        ) last ON last.tenant_id = each.tenant_id AND last.endpoint_id = each.endpoint_id
        WHERE each.outcome <> 'unsent' AND NOT each.is_test
        GROUP BY each.tenant_id, each.endpoint_id
    ) health
    WHERE endpoint.tenant_id = health.tenant_id AND endpoint.id = health.endpoint_id;
    RETURN QUERY SELECT endpoint.tenant_id, endpoint.id, endpoint.status::text, endpoint.consecutive_failures, endpoint.first_failure_at,
        endpoint.status = 'enabled' AND coalesce(endpoint.not_before, moment) <= moment, moment
    FROM events_endpoint endpoint
    WHERE (endpoint.tenant_id, endpoint.id) IN (SELECT each.tenant_id, each.endpoint_id FROM unnest(given) each);
END
$$;
