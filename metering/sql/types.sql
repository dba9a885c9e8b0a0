CREATE TYPE metering_delta AS (
    tenant_id uuid, occurred_at timestamptz, service_id uuid, agent_id uuid, currency text, transactions integer, succeeded integer,
    failed integer, denied integer, cancelled integer, costs integer, amount numeric, estimated numeric
);

CREATE TYPE metering_posted_cost AS (
    id uuid, amount numeric, currency text, is_estimate boolean, details text
);

CREATE TYPE metering_posting AS (
    tenant_id uuid, id uuid, actor text, request_id text, occurred_at timestamptz, completed_at timestamptz, idempotency_key text,
    digest text, service_name text, new_service_id uuid, agent_id uuid, agent_name text, new_agent_id uuid, trace_reference uuid,
    trace_external_id text, new_trace_id uuid, action_name text, resource_name text, status text, outcome text, qualifiers text,
    metadata text, request_facts text, payment_data text, change_id uuid, costs metering_posted_cost[]
);

CREATE TYPE metering_known AS (
    verdict text, first_id uuid, first_digest bytea, service_id uuid, agent metering_agent, trace_id uuid, found_reference uuid,
    found_external_id text, decided text, reason text
);

CREATE TYPE metering_outcome AS (
    outcome text, id uuid, first_digest bytea, status text, decline_reason text, moment timestamptz, service_id uuid, agent_id uuid,
    agent_label text, agent_name text, agent_description text, agent_status text, agent_created_at timestamptz,
    agent_updated_at timestamptz, trace_reference uuid, trace_external_id text
);
