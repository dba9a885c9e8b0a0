-- Computes how much a transaction adds to each measure of its tenant. Whether a rule with that measure applies to it doesn't matter.
-- Takes: the tenant and the transaction.
-- Returns: the measures in the order of their ids, without counters yet. Transactions are counted in their first round only; payments are
-- measured where there is one. Locks: nothing.
CREATE OR REPLACE FUNCTION rules_amounts_by_measure(tenant uuid, subject rules_subject)
RETURNS rules_measured[]
LANGUAGE plpgsql STABLE
AS $$
BEGIN
    RETURN ARRAY(
        SELECT ROW(
            measure.id, key.written, sha256(convert_to(key.written, 'UTF8')),
            rules_measured_amount(subject, measure.measurement_type, measure.currency, measure.include_estimates), NULL, NULL, NULL, NULL
        )::rules_measured
        FROM rules_rulemeasure AS measure
        CROSS JOIN LATERAL (SELECT rules_group_key(subject, measure.group_by) AS written) AS key
        WHERE measure.tenant_id = tenant AND measure.is_counting
            AND (measure.scope = 'all' OR rules_matches(subject, measure.conditions::jsonb, measure.agent_ids))
            AND CASE measure.measurement_type
                WHEN 'count_transactions' THEN subject.round = 1
                WHEN 'sum_payment_amount' THEN subject.payment_amount IS NOT NULL
                ELSE true
            END
        ORDER BY measure.id
    );
END
$$;
