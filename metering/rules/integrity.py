"""What must hold of the sums of spending rules; every counter is rebuilt from the transactions, their costs and the decisions."""

from collections.abc import Iterator
from uuid import UUID

from kernel.ledger.integrity import checks
from kernel.ledger.integrity.checks import Check, Violation


def find_violations(*, tenant_id: UUID | None = None, at_most: int = 1) -> Iterator[Violation]:
    """The first violations of each check, over all tenants or one tenant."""
    return checks.find_violations(CHECKS, tenant_id=tenant_id, at_most=at_most)


# What an import brought in is counted by when it happened, though its row may say that it was authorized later. A transaction that asked
# for authorization again is counted once, by its first round. A second of slack: a row is dated a little later than the decision on it.
MISSING = """
SELECT measure.tenant_id, measure.id, past.id AS transaction_id, past.dated
FROM rules_rulemeasure AS measure
CROSS JOIN LATERAL rules_list_history(measure.tenant_id, measure, NULL) AS past
JOIN metering_transaction AS owner ON owner.tenant_id = measure.tenant_id AND owner.id = past.id
WHERE measure.is_counting AND NOT measure.is_seeding AND measure.groups < 100000
    AND (%(tenant)s::uuid IS NULL OR measure.tenant_id = %(tenant)s::uuid)
    AND NOT (owner.round > 1 AND measure.measurement_type = 'count_transactions')
    AND CASE WHEN owner.request_id LIKE 'run:%%' THEN least(past.dated, owner.occurred_at) ELSE past.dated END
        > (rules_window(measure, ledger_now())).tail_at + interval '1 second'
    AND NOT EXISTS (
        SELECT FROM rules_rulecounterentry AS entry
        JOIN rules_rulecounter AS counter ON counter.tenant_id = entry.tenant_id AND counter.id = entry.counter_id
        WHERE entry.tenant_id = measure.tenant_id AND entry.transaction_id = past.id AND counter.measure_id = measure.id
            AND counter.group_key = rules_group_key(past.subject, measure.group_by)
    )
ORDER BY measure.tenant_id, measure.id, past.id
"""

CHECKS = (
    Check(
        name="rules_counter_sum",
        rule="A counter holds the sum of its entries that are within its window.",
        statement="""
            SELECT counter.tenant_id, counter.id, counter.group_key, counter.used, summed.amount AS entries
            FROM rules_rulecounter AS counter
            JOIN rules_rulemeasure AS measure ON measure.tenant_id = counter.tenant_id AND measure.id = counter.measure_id
            CROSS JOIN LATERAL (
                SELECT coalesce(sum(entry.amount), 0) AS amount FROM rules_rulecounterentry AS entry
                WHERE entry.tenant_id = counter.tenant_id AND entry.counter_id = counter.id AND entry.at > counter.tail_at
            ) AS summed
            WHERE measure.is_counting AND counter.used <> summed.amount
                AND (%(tenant)s::uuid IS NULL OR counter.tenant_id = %(tenant)s::uuid)
            ORDER BY counter.tenant_id, counter.id
        """,
    ),
    Check(
        name="rules_entry_amount",
        rule="A counter's entry within its window is what its transaction's costs and payments are now.",
        statement="""
            SELECT entry.tenant_id, entry.id, entry.transaction_id, entry.amount, computed.amount AS costs
            FROM rules_rulecounterentry AS entry
            JOIN rules_rulecounter AS counter ON counter.tenant_id = entry.tenant_id AND counter.id = entry.counter_id
            JOIN rules_rulemeasure AS measure ON measure.tenant_id = entry.tenant_id AND measure.id = counter.measure_id
            CROSS JOIN LATERAL (
                SELECT coalesce(rules_measured_amount(
                    rules_read_subject(entry.tenant_id, entry.transaction_id), measure.measurement_type, measure.currency,
                    measure.include_estimates
                ), 0) AS amount
            ) AS computed
            WHERE measure.is_counting AND entry.at > counter.tail_at AND entry.amount <> computed.amount
                AND (%(tenant)s::uuid IS NULL OR entry.tenant_id = %(tenant)s::uuid)
            ORDER BY entry.tenant_id, entry.id
        """,
    ),
    Check(
        name="rules_missing_entry", rule="Every transaction that was let through within a measure's window is counted.", statement=MISSING
    ),
    Check(
        name="rules_entry_date",
        rule="An entry of a decided transaction has the date of a decision.",
        statement="""
            SELECT entry.tenant_id, entry.id, entry.transaction_id, entry.at, first.decided_at
            FROM rules_rulecounterentry AS entry
            JOIN rules_rulecounter AS counter ON counter.tenant_id = entry.tenant_id AND counter.id = entry.counter_id
            JOIN rules_rulemeasure AS measure ON measure.tenant_id = entry.tenant_id AND measure.id = counter.measure_id
            JOIN rules_authorizationrequest AS first ON first.tenant_id = entry.tenant_id AND first.transaction_id = entry.transaction_id
                AND first.round = 1 AND first.status = 'authorized'
            WHERE (%(tenant)s::uuid IS NULL OR entry.tenant_id = %(tenant)s::uuid) AND entry.at > counter.tail_at AND NOT EXISTS (
                SELECT FROM rules_authorizationrequest AS request
                WHERE request.tenant_id = entry.tenant_id AND request.transaction_id = entry.transaction_id
                    AND request.decided_at = entry.at
            )
            ORDER BY entry.tenant_id, entry.id
        """,
    ),
    Check(
        name="rules_counter_count",
        rule="A measure knows how many counters it has.",
        statement="""
            SELECT measure.tenant_id, measure.id, measure.groups, counted.number
            FROM rules_rulemeasure AS measure
            CROSS JOIN LATERAL (
                SELECT count(*) AS number FROM rules_rulecounter AS counter
                WHERE counter.tenant_id = measure.tenant_id AND counter.measure_id = measure.id
            ) AS counted
            WHERE measure.groups <> counted.number AND (%(tenant)s::uuid IS NULL OR measure.tenant_id = %(tenant)s::uuid)
            ORDER BY measure.tenant_id, measure.id
        """,
    ),
    Check(
        name="rules_policy_flag",
        rule="A tenant's policy says whether it has active rules or sums to keep.",
        statement="""
            SELECT needed.tenant_id, needed.tenant_id AS id
            FROM (
                SELECT rule.tenant_id FROM rules_spendingrule AS rule WHERE rule.status = 'active'
                UNION SELECT measure.tenant_id FROM rules_rulemeasure AS measure WHERE measure.is_counting
            ) AS needed
            WHERE (%(tenant)s::uuid IS NULL OR needed.tenant_id = %(tenant)s::uuid) AND NOT EXISTS (
                SELECT FROM metering_policy AS policy WHERE policy.tenant_id = needed.tenant_id AND policy.has_rules
            )
            ORDER BY needed.tenant_id
        """,
    ),
)
