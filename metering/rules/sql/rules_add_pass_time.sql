-- Adds two times to a limit that was compared: when its window is empty again (resetsAt), and, where it refuses, when it would let the same
-- transaction through (passesAt).
-- Takes: the tenant, the transaction, what is measured, and the limit's object (rules_check_limits).
-- Returns: the object with resetsAt and passesAt, which are null where that doesn't happen.
-- Locks: nothing.
-- Never: writes.
CREATE OR REPLACE FUNCTION rules_add_pass_time(tenant uuid, transaction uuid, measured rules_measured[], checked jsonb)
RETURNS jsonb
LANGUAGE plpgsql STABLE
AS $$
DECLARE
    one rules_measured;
    measure rules_rulemeasure;
    ceiling CONSTANT numeric := (checked ->> 'limit')::numeric;
    amount CONSTANT numeric := (checked ->> 'amount')::numeric;
    newest timestamptz;
    passes_at timestamptz;
BEGIN
    SELECT * INTO one FROM unnest(measured) AS found WHERE found.measure_id = (checked ->> 'measure')::uuid;
    IF one.counter_id IS NULL THEN
        RETURN checked || '{"resetsAt": null, "passesAt": null}';
    END IF;
    SELECT * INTO measure FROM rules_rulemeasure AS seen WHERE seen.tenant_id = tenant AND seen.id = one.measure_id;
    SELECT max(entry.at) INTO newest FROM rules_rulecounterentry AS entry
    WHERE entry.tenant_id = tenant AND entry.counter_id = one.counter_id AND entry.at > one.tail_at;
    IF NOT (checked ->> 'isAllowed')::boolean AND coalesce(amount, 0) <= ceiling AND (amount IS NOT NULL OR ceiling > 0) THEN
        -- What has no known cost passes once there is any room: a step of the smallest amount.
        passes_at := rules_limit_passes_at(
            tenant, transaction, measure, one.counter_id, one.tail_at, one.used - ceiling + coalesce(amount, 0.000000000000000001)
        );
    END IF;
    RETURN checked || jsonb_build_object('resetsAt', coalesce(one.ends_at, rules_entry_leaves_at(measure, newest)), 'passesAt', passes_at);
END
$$;
