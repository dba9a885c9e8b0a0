-- When an event about a rule's group was last written.
--
-- Takes: the tenant, the event's type, the rule, the group in the API's form (null: none), and the limit and the share of it that the event
-- names (null: any).
-- Returns: the moment; null where there is no such event.
-- Locks: nothing.
-- Never: writes. An event keeps its object in its snapshot until its body is made, and in the body afterwards.
CREATE OR REPLACE FUNCTION rules_last_report_at(tenant uuid, kind text, rule uuid, named_group jsonb, parameter uuid, share numeric)
RETURNS timestamptz
LANGUAGE sql STABLE
AS $$
    SELECT max(sent.created_at)
    FROM events_event AS sent
    CROSS JOIN LATERAL (SELECT coalesce(sent.snapshot, sent.body::json #> '{data,object}')::jsonb AS object) AS written
    WHERE sent.tenant_id = tenant AND sent.object_id = rule::text AND sent.type = kind
        AND coalesce(written.object -> 'group', 'null') = coalesce(named_group, 'null')
        AND (parameter IS NULL OR written.object ->> 'parameterId' = parameter::text)
        AND (share IS NULL OR (written.object ->> 'threshold')::numeric = share)
$$;
