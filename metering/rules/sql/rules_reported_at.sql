-- When an event about a rule's group was last written.
-- Takes: the tenant, the event's type, the rule, the group (null: none), and the share of the limit that it names (null: none).
-- Returns: the moment; null where there is no such event. Locks nothing. Never writes.
-- An event keeps its object in its snapshot until its body is made, and in the body afterwards.
CREATE OR REPLACE FUNCTION rules_reported_at(tenant uuid, kind text, rule uuid, counted_group jsonb, share numeric)
RETURNS timestamptz
LANGUAGE sql STABLE
AS $$
    SELECT max(sent.created_at)
    FROM events_event AS sent
    CROSS JOIN LATERAL (SELECT coalesce(sent.snapshot, sent.body::json #> '{data,object}')::jsonb AS object) AS written
    WHERE sent.tenant_id = tenant AND sent.object_id = rule::text AND sent.type = kind
        AND coalesce(written.object -> 'group', 'null') = coalesce(counted_group, 'null')
        AND (share IS NULL OR (written.object ->> 'threshold')::numeric = share)
$$;
