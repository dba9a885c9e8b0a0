"""Fills billing and metering with millions of rows for the office's measurements: copies of a few rows that the API wrote, with ids, times,
amounts and names of their own. credits has `benchmarks.growth`."""

import psycopg

from benchmarks.book import Book, figures_of
from benchmarks.database import Database

AGENTS, SERVICES, CUSTOMERS = 200, 20, 2_000
# One call of each agent over the HTTP API, in process; 20 services.
FIRST = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
from django.test import Client
key, agents, services = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
api = Client(headers={"authorization": f"Bearer {key}", "x-api-key": key})
for number in range(agents):
    billed = {"amount": 0.01, "type": "usage", "reference_id": f"first {number}", "agent_id": f"agent {number}"}
    metered = {"serviceName": f"service {number % services}", "actionName": "complete", "resourceName": "model", "outcome": "success",
        "agentName": f"agent {number}", "customerId": "customer 0",
        "costs": [{"fiatAmount": "0.01", "fiatAssetSymbol": "USD", "isEstimate": False}]}
    for path, body in (("/v1/billing/transactions", billed), ("/v1/transactions", metered)):
        reply = api.post(path, body, content_type="application/json")
        assert reply.status_code in (200, 201), reply.content
print("{}")
"""
# Entries follow one another in time: what is copied must be older than its copies.
AGE = """
UPDATE billing_transaction entry
SET id = ledger_new_id(aged.moment), created_at = aged.moment, occurred_at = aged.moment, near_duplicate_of_id = NULL, flags = '{}'
FROM (SELECT id, now() - interval '91 days' + entry_number * interval '1 second' AS moment FROM billing_transaction) aged
WHERE entry.id = aged.id
"""
# In the order of time, over the last 90 days.
LINES = """
CREATE UNLOGGED TABLE seeded AS
SELECT number, moment, (number % 1000 + 1) * 0.01 AS amount, ledger_new_id(moment) AS entry, ledger_new_id(moment) AS call,
    ledger_new_id(moment) AS trace, ledger_new_id(moment) AS cost, ledger_new_id(moment) AS change,
    'agent ' || number % {agents} AS agent, 'customer ' || number % {customers} AS customer
FROM (SELECT number, now() - interval '90 days' + (number::float8 / {rows}) * interval '90 days' AS moment
      FROM generate_series(1, {rows}) AS number) numbered
ORDER BY number
"""
# What a copy has of its own; all else is as in the row that is copied.
OWN = {
    "billing_transaction": {
        "id": "line.entry",
        "entry_number": "copied.entry_number + line.number",
        "amount": "line.amount",
        "effect": "-line.amount",
        "balance_after": "copied.balance_after - sum(line.amount) OVER (ORDER BY line.number)",
        "reference_id": "'run ' || line.number",
        "agent_id": "line.agent",
        "occurred_at": "line.moment",
        "created_at": "line.moment",
        "flags": "'{}'::text[]",
        "near_duplicate_of_id": "NULL",
        "duplicate_bucket": "billing_duplicate_bucket(billing_hour(line.moment), copied.type, line.amount, line.agent)",
    },
    "metering_trace": {"id": "line.trace", "reference": "line.trace", "created_at": "line.moment"},
    "metering_transaction": {
        "id": "line.call",
        "trace_id": "line.trace",
        "customer_id": "line.customer",
        "idempotency_key": "'call ' || line.number",
        **dict.fromkeys(("occurred_at", "created_at", "updated_at", "authorized_at", "completed_at"), "line.moment"),
        "service_id": "(SELECT service_id FROM copied_call WHERE name = line.agent)",
        "agent_id": "(SELECT agent_id FROM copied_call WHERE name = line.agent)",
    },
    "metering_statuschange": {
        "id": "line.change",
        "transaction_id": "line.call",
        "occurred_at": "line.moment",
        "created_at": "line.moment",
    },
    "metering_cost": {
        "id": "line.cost",
        "transaction_id": "line.call",
        "fiat_amount": "line.amount",
        "occurred_at": "line.moment",
        "created_at": "line.moment",
    },
}
CALLS = """
CREATE UNLOGGED TABLE copied_call AS
SELECT agent.name, agent.id AS agent_id, call.service_id
FROM metering_transaction call JOIN metering_agent agent ON agent.tenant_id = call.tenant_id AND agent.id = call.agent_id
"""
REPAIR = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
from billing.services import rebuild_wallets
from metering.services import rebuild_rollups
rebuild_wallets(tenant_id=sys.argv[1])
rebuild_rollups(tenant_id=sys.argv[1])
print("{}")
"""


def fill(database: Database, book: Book, rows: int) -> None:
    """So many entries on the one wallet, and so many finished calls with a trace, a cost and a step of their status each."""
    figures_of(book, FIRST, book.key, str(AGENTS), str(SERVICES))
    with psycopg.connect(book.url, autocommit=True) as connection:
        # Without a look at each foreign key; the proof at the end looks at everything.
        connection.execute("SET synchronous_commit = off; SET session_replication_role = replica; SET work_mem = '512MB'")
        connection.execute(LINES.format(rows=rows, agents=AGENTS, customers=CUSTOMERS))
        connection.execute(CALLS)
        connection.execute(AGE)
        for table, own in OWN.items():
            columns = [name for (name,) in connection.execute(
                "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attgenerated = ''",
                [table],
            )]  # fmt: skip
            values = ", ".join(own.get(name, f"copied.{name}") for name in columns)
            connection.execute(
                f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} "  # noqa: S608 - named above
                f"FROM seeded line CROSS JOIN (SELECT * FROM {table} ORDER BY id DESC LIMIT 1) copied ORDER BY line.number"
            )
        connection.execute("DROP TABLE seeded, copied_call")
    figures_of(book, REPAIR, book.tenant)
    database.settle(book.name)
