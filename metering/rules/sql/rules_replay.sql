-- What a rule would look at in transactions that were recorded, for a dry run (metering/rules/selectors/dry_runs.py adds it up).
--
-- Takes: the tenant; from when, and how many transactions at most, the newest; the rule's conditions and agents, as rules_matches takes
-- them; and its limits, a JSON array of objects with the columns of rules_rulemeasure (without an interval: of one transaction alone).
-- Returns: for each transaction and each of the limits, by time: whether the rule applies to the transaction and names its agent, whether
-- it asked for a payment, and for the limit what the transaction adds, to which group, and where the window began. Denied transactions are
-- left out, and costs are those that are active now.
-- Locks: nothing.
-- Never: writes.
CREATE OR REPLACE FUNCTION rules_replay(tenant uuid, since timestamptz, most integer, stated jsonb, chosen uuid[], limits jsonb)
RETURNS TABLE (
    transaction_id uuid, at timestamptz, applies boolean, is_of_agents boolean, has_payment boolean, ordinal integer, amount numeric,
    group_key text, is_counted boolean, tail_at timestamptz
)
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN QUERY
    SELECT past.id, past.created_at, rules_matches(past.subject, stated, chosen), rules_matches(past.subject, NULL, chosen),
        (past.subject).payment_amount IS NOT NULL, listed.ordinal::integer,
        rules_measured_amount(past.subject, measure.measurement_type, measure.currency, measure.include_estimates),
        rules_group_key(past.subject, coalesce(measure.group_by, '{}')),
        measure.scope = 'all' OR rules_matches(past.subject, stated, chosen),
        CASE WHEN measure.interval_value IS NOT NULL THEN (rules_window(measure, past.created_at)).tail_at END
    FROM (
        SELECT owner.id, owner.created_at, rules_read_subject(tenant, owner.id) AS subject
        FROM metering_transaction AS owner
        WHERE owner.tenant_id = tenant AND owner.created_at > since AND owner.status <> 'denied'
        ORDER BY owner.created_at DESC, owner.id DESC
        LIMIT most
    ) AS past
    LEFT JOIN LATERAL jsonb_array_elements(limits) WITH ORDINALITY AS listed (content, ordinal) ON true
    LEFT JOIN LATERAL jsonb_populate_record(NULL::rules_rulemeasure, listed.content) AS measure ON listed.ordinal IS NOT NULL
    ORDER BY past.created_at, past.id, listed.ordinal;
END
$$;
