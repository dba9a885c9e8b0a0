-- Makes the object that says what one rule decided in a decision.
--
-- Takes: the rule, its version, whether a person decides where it denies, why it denies (null: it allows), the limits it compared, and the
-- override of a person, where one overruled it.
-- Returns: the object that a round of authorization keeps. A denial has an id of its own.
-- Locks: nothing.
CREATE OR REPLACE FUNCTION rules_execution(
    rule uuid, version integer, is_manual boolean, denial text, limits jsonb, override jsonb
)
RETURNS jsonb
LANGUAGE plpgsql VOLATILE
AS $$
BEGIN
    IF denial IS NULL THEN
        RETURN jsonb_build_object('rule', rule, 'version', version, 'decision', 'ALLOWED', 'limits', limits);
    END IF;
    IF override IS NOT NULL THEN
        RETURN jsonb_build_object(
            'rule', rule, 'version', version, 'decision', 'ALLOWED', 'limits', limits, 'reason', denial, 'override', override
        );
    END IF;
    RETURN jsonb_build_object(
        'id', ledger_new_id(), 'rule', rule, 'version', version, 'decision', 'DENIED', 'limits', limits, 'reason', denial,
        'waits', is_manual
    );
END
$$;
