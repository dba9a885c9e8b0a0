"""A decision reads as many rows in a full ledger as in an empty one, whatever the planner knows of the tables."""

from metering import services
from tests.rows_read import rows_read
from tests.rules.book import COUNT, NAMES, RuleBook, cost, limit

TABLES = (
    *("rules_rulecounter", "rules_rulecounterentry", "rules_rulemeasure", "rules_authorizationrequest", "rules_ruleexecution"),
    *("rules_spendingrule", "rules_ruleparameter", "rules_rulecondition", "rules_agentrule", "metering_transaction", "metering_cost"),
)


def new_book():
    book = RuleBook()
    book.add_rule(limit(1_000_000, interval_value=30), limit(1_000_000, **COUNT, group_by=["agent"]))
    return book


def post(book, number):
    items = [NAMES | {"agent_name": f"agent {place % 20}", "costs": [cost("0.01")]} for place in range(number)]
    return services.record_transactions(**book.who, transactions=items)


def test_a_decision_reads_a_few_rows_however_many_there_are(planner_knows):
    book = new_book()
    planner_knows(*TABLES, first_rows=lambda: post(book, 50), small_tenant=lambda: post(new_book(), 1))
    seen = []
    for _ in range(4):
        before = rows_read(*TABLES)
        assert all(one.row["status"] == "authorized" for one in post(book, 500))
        seen.append((rows_read(*TABLES) - before) / 500)
        before = rows_read(*TABLES)
        for number in range(10):
            book.record(cost("0.01"), agent_name=f"agent {number}")
        seen.append((rows_read(*TABLES) - before) / 10)
    assert max(seen) < 100, seen
    assert max(seen[4:]) < 1.5 * max(seen[:4]), seen
