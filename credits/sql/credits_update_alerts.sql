-- Decides whether the balances of the customers of some grants went below their alerts, or are back, and writes the events of that.
-- Takes: a tenant, the request id of the postings, the grants that they changed. Returns: nothing.
-- Locks: after the grants, which the caller has locked, the alerts by id. The balance is summed under the alert's lock: of two postings on
-- two grants of a customer at once, the later one sees both. Never: writes where nobody listens.
CREATE OR REPLACE FUNCTION credits_update_alerts(tenant uuid, request text, changed uuid[]) RETURNS void LANGUAGE plpgsql
AS $$
DECLARE
    alert credits_balancealert;
    now_in record;
    moment timestamptz;
    patterns CONSTANT text[] := events_wanted_patterns(tenant, request);
    item events_item;
    items events_item[] := '{}';
BEGIN
    IF (events_wanted(patterns, 'credits.balance.low') OR events_wanted(patterns, 'credits.balance.recovered')) IS NOT TRUE THEN
        RETURN;
    END IF;
    FOR alert IN
        SELECT * FROM credits_balancealert watched
        WHERE watched.tenant_id = tenant AND watched.alert_below IS NOT NULL AND watched.customer_id IN (
            SELECT grant_row.customer_id FROM credits_grant grant_row WHERE grant_row.tenant_id = tenant AND grant_row.id = ANY (changed)
        )
        ORDER BY watched.id
        FOR NO KEY UPDATE
    LOOP
        moment := ledger_now();
        SELECT * INTO now_in FROM credits_unit_balance(
            tenant, alert.customer_id, nullif(alert.currency, ''), nullif(alert.metric_id, ''), ledger_day(moment)
        );
        CONTINUE WHEN (now_in.balance < alert.alert_below) = alert.is_low;
        UPDATE credits_balancealert watched SET is_low = NOT alert.is_low WHERE watched.tenant_id = tenant AND watched.id = alert.id;
        item.type := CASE WHEN alert.is_low THEN 'credits.balance.recovered' ELSE 'credits.balance.low' END;
        IF events_wanted(patterns, item.type) THEN
            item.account := 'customer:' || alert.customer_id;
            item.sequence := events_moment_number(moment);
            item.happened := moment;
            item.object_id := alert.customer_id;
            item.snapshot := json_build_object(
                'customer_id', alert.customer_id, 'id', coalesce(nullif(alert.metric_id, ''), alert.currency),
                'type', CASE alert.metric_id WHEN '' THEN 'CASH' ELSE 'USAGE' END, 'balance', now_in.balance, 'held', now_in.held,
                'available', credits_available(now_in.balance, now_in.held), 'alert_below', alert.alert_below
            );
            items := items || item;
        END IF;
    END LOOP;
    IF cardinality(items) > 0 THEN
        PERFORM events_insert(tenant, items);
    END IF;
END
$$;
