CREATE TYPE billing_posting AS (
    id uuid, tenant_id uuid, currency text, type text, shipped_label text, shipped_direction text, amount numeric, reference_id text,
    agent_id text, description text, metadata text, occurred_at timestamptz, reverses uuid, reason_code text, reason text,
    facts_digest text, actor text, request_id text
);
