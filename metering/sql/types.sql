-- The composite types that metering's functions take, return and pass to each other. A JSON object becomes one by its member names
-- (jsonb_populate_record), so the services' dictionaries carry these names.

-- One change to the hourly and daily sums. `amount` sums active costs in `currency`, `estimated` the estimates among them.
CREATE TYPE metering_delta AS (
    occurred_at timestamptz, service_id uuid, agent_id uuid, currency text, transactions integer, succeeded integer,
    failed integer, denied integer, cancelled integer, costs integer, amount numeric, estimated numeric
);

-- A cost to write. `supersedes_ids`: the costs it replaces, the one to name in its row first. `is_from_report`: true for a cost computed
-- from a report, which replaces what metering_choose_superseded_costs finds, stated estimates too. `superseded_by_id`: of a call that is
-- recorded finished, the cost of the same posting that takes this one's place. `payment_id`: the payment of a 402 that it is held or taken
-- for.
CREATE TYPE metering_new_cost AS (
    id uuid, amount numeric, currency text, is_estimate boolean, details text, supersedes_ids uuid[], is_from_report boolean,
    inferred_from_id uuid, repricing uuid, superseded_by_id uuid, payment_id uuid
);

-- A move to another status. With `stale_after` it happens only if the transaction has been authorized for longer than that. `round`: the
-- round of authorization that it begins or belongs to; null for the transaction's present one. `asks_rules`: the spending rules decide
-- whether a move to `authorized` becomes one to `denied`; `overruled` are the rules whose denial a person has overruled, and
-- `override` who did and why, as JSON.
CREATE TYPE metering_new_move AS (
    id uuid, to_status text, call_outcome text, reason text, stale_after interval, round smallint, asks_rules boolean, overruled uuid[],
    override text
);

-- What was reported about a transaction. `call_id`: the model call that it is about. `facts_digest`, hexadecimal: only of a report that is
-- recorded together with its transaction; one that is added later has that of its amendment.
CREATE TYPE metering_new_fact AS (
    id uuid, source text, version text, phase text, facts text, integration text, pricing text, pricing_note text, pricing_fields text,
    call_id text, facts_digest text
);

-- What is added to a transaction by one call: a move, a fact, a cost, or several of these. `facts_digest` is hexadecimal.
-- `checks_occurred_at`: the tenant's policy says how far `occurred_at` may be from the present.
CREATE TYPE metering_amendment AS (
    transaction_id uuid, actor text, request_id text, occurred_at timestamptz, checks_occurred_at boolean, idempotency_key text,
    facts_digest text, move metering_new_move, fact metering_new_fact, cost metering_new_cost
);

CREATE TYPE metering_amend_outcome AS (
    outcome text, id uuid, first_digest bytea, status text, created_at timestamptz, change_id uuid, fact_id uuid, cost_id uuid,
    pricing text, pricing_note text, pricing_fields text, occurred_at timestamptz
);

-- Another round of authorization for a transaction, with the payment it asks for: the chosen option as JSON (paying_hold_challenge reads
-- it), its amount and currency. `change_id` is the id of the step, if its status changes; both digests are hexadecimal.
CREATE TYPE metering_reauthorization AS (
    id uuid, change_id uuid, transaction_id uuid, actor text, request_id text, idempotency_key text, facts_digest text,
    challenge_digest text, payment text, amount numeric, currency text
);

-- What metering_amend_single did: the outcome, and what it changes in the sums.
CREATE TYPE metering_amended AS (
    reply metering_amend_outcome, deltas metering_delta[]
);

-- What changed of a transaction in one call, for the events: `status`: the one it has now, if that is new; the costs that were recorded or
-- superseded are those whose times are `moment`.
CREATE TYPE metering_change AS (
    transaction_id uuid, moment timestamptz, status text, is_stale boolean
);

-- Which active costs a new cost supersedes. `outcome`: why it can't be written, or null. `pricing`: why facts make no cost, or null.
-- `note`: what the reply says of it, or null.
CREATE TYPE metering_supersession AS (
    outcome text, pricing text, costs metering_cost[], note text
);

-- A new transaction. `facts_digest` is hexadecimal; `new_trace_id` is used where the trace doesn't exist yet. `checks_occurred_at`:
-- the tenant's policy says how far `occurred_at` may be from the present. A posting with a `call_outcome` and no `status` is a call that is
-- over: it begins as completed where it would be authorized. `fact` is what was reported of it. `ending_digest`: that of the facts with
-- which a call of its own would have completed it; where there is a report, the report has it. `decided_at`: when an imported
-- transaction reached its first status, if not when it happened.
CREATE TYPE metering_posting AS (
    id uuid, actor text, request_id text, occurred_at timestamptz, checks_occurred_at boolean, decided_at timestamptz,
    completed_at timestamptz, idempotency_key text, facts_digest text, service_name text, agent_id uuid, agent_name text,
    trace_reference uuid, trace_external_id text, new_trace_id uuid, action_name text, resource_name text, status text,
    call_outcome text, qualifiers text, metadata text, request_facts text, payment_data text, customer_id text, change_id uuid,
    costs metering_new_cost[], fact metering_new_fact, ending_digest text
);

-- Many metering_posting as one array for each attribute that they have in a call of the API: read in two thirds of the time of an array of
-- objects. `fact_...`: of what was reported of each. `cost_...`: of all their costs, one posting's after the other's; `cost_posting` says
-- whose each is, counted from 1, and a posting without costs has one without id. `cost_supersedes_ids`: each in PostgreSQL's form `{a,b}`.
CREATE TYPE metering_posting_columns AS (
    id uuid[], actor text[], request_id text[], occurred_at timestamptz[], checks_occurred_at boolean[], completed_at timestamptz[],
    idempotency_key text[], facts_digest text[], service_name text[], agent_id uuid[], agent_name text[], trace_reference uuid[],
    trace_external_id text[], new_trace_id uuid[], action_name text[], resource_name text[], status text[], call_outcome text[],
    qualifiers text[], metadata text[], request_facts text[], payment_data text[], customer_id text[], change_id uuid[],
    ending_digest text[],
    fact_id uuid[], fact_source text[], fact_version text[], fact_phase text[], fact_facts text[], fact_integration text[],
    fact_pricing text[], fact_pricing_note text[], fact_pricing_fields text[], fact_call_id text[], fact_facts_digest text[],
    cost_posting integer[], cost_id uuid[], cost_amount numeric[], cost_currency text[], cost_is_estimate boolean[], cost_details text[],
    cost_supersedes_ids text[], cost_inferred_from_id uuid[], cost_superseded_by_id uuid[]
);

-- The costs of one posting, to have them in an array by their postings.
CREATE TYPE metering_costs_of_posting AS (costs metering_new_cost[]);

-- An agent as postings read it. Not the type of the table's rows: on Citus a row read from a shard has the shard's own type, which no
-- function takes.
CREATE TYPE metering_found_agent AS (
    id uuid, label text, name text, description text, status text, created_at timestamptz, updated_at timestamptz, customer_id text
);

-- What metering_resolve finds out about a posting. `posting_outcome` is one of metering_post's, or `unnamed` where a service, agent or
-- trace must be inserted first; `begins_as` is the status it will have. None of its attributes has a name of
-- metering_posting's: the two are unnested side by side.
CREATE TYPE metering_resolution AS (
    posting_outcome text, first_id uuid, first_digest bytea, service_id uuid, agent metering_found_agent, trace_id uuid,
    known_reference uuid,
    known_external_id text, begins_as text, decline_reason text
);

CREATE TYPE metering_outcome AS (
    outcome text, id uuid, first_digest bytea, status text, decline_reason text, created_at timestamptz, service_id uuid, agent_id uuid,
    agent_label text, agent_name text, agent_description text, agent_status text, agent_created_at timestamptz,
    agent_updated_at timestamptz, agent_customer_id text, trace_reference uuid, trace_external_id text, requires_payment boolean,
    status_occurred_at timestamptz
);

-- What a transaction counts for in questions about usage, in one currency: the columns of metering_usage that its sums are made of.
CREATE TYPE metering_counted AS (
    occurred_at timestamptz, recorded_at timestamptz, service text, action text, resource text, model text, agent uuid, customer text,
    currency text, outcome text, keys jsonb, transactions bigint, repeated bigint, amount numeric, estimated numeric, input_tokens numeric,
    output_tokens numeric, cache_read_tokens numeric, cache_write_tokens numeric, input_audio_tokens numeric, output_audio_tokens numeric,
    reasoning_tokens numeric
);
