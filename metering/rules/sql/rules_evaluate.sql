-- Lets every active rule of a tenant decide on a transaction. The counters were read before. All rules run, so that the decision has every
-- reason.
-- Takes: the tenant, the transaction, what is measured, the rules whose denial a person has overruled, and who overruled them and why.
-- Returns: the executions, in the order in which the rules decide.
-- A blocklist denies what matches it; an allowlist for the transaction's agent must match, or the first of them denies; limits refuse as
-- rules_check_limits says; rules of the type payment_authorization are blocklists of payments.
-- Locks: nothing. Never: writes.
CREATE OR REPLACE FUNCTION rules_evaluate(
    tenant uuid, subject rules_subject, measured rules_measured[], overruled uuid[], override jsonb
)
RETURNS jsonb
LANGUAGE plpgsql VOLATILE
AS $$
DECLARE
    rule record;
    overruling jsonb;
    limits jsonb;
    denial text;
    unlisted jsonb;
    blocked jsonb := '[]';
    listed jsonb := '[]';
    limited jsonb := '[]';
BEGIN
    FOR rule IN SELECT * FROM rules_list_active(tenant) LOOP
        overruling := CASE WHEN rule.id = ANY (overruled) THEN override END;
        IF NOT rules_matches(subject, rule.conditions, rule.agents) THEN
            IF rule.rule_type = 'allowlist' AND unlisted IS NULL AND rules_matches(subject, NULL, rule.agents) THEN
                unlisted := rules_execution(
                    rule.id, rule.version, rule.is_manual, 'Not allowed by any allowlist rule', '[]', overruling
                );
            END IF;
            CONTINUE;
        END IF;
        CASE rule.rule_type
            WHEN 'allowlist' THEN
                listed := listed || rules_execution(rule.id, rule.version, rule.is_manual, NULL, '[]', NULL);
            WHEN 'usage_limit' THEN
                limits := rules_check_limits(tenant, rule.id, rule.label, subject, measured);
                denial := (
                    SELECT checked ->> 'reason' FROM jsonb_array_elements(limits) WITH ORDINALITY AS one (checked, ordinal)
                    WHERE NOT (checked ->> 'isAllowed')::boolean ORDER BY ordinal LIMIT 1
                );
                limited := limited || rules_execution(rule.id, rule.version, rule.is_manual, denial, limits, overruling);
            ELSE
                CONTINUE WHEN rule.rule_type = 'payment_authorization' AND subject.payment IS NULL;
                blocked := blocked || rules_execution(
                    rule.id, rule.version, rule.is_manual, format('Blocked by rule %s', rule.label), '[]', overruling
                );
        END CASE;
    END LOOP;
    IF unlisted IS NOT NULL AND listed = '[]' THEN
        listed := jsonb_build_array(unlisted);
    END IF;
    RETURN blocked || listed || limited;
END
$$;
