"""Tenants with spending rules and the calls that may meet at a rule's counters."""

import hashlib
import json
from decimal import Decimal
from typing import Any
from uuid import uuid4

from metering import services as metering
from metering.models import Cost, Transaction
from metering.rules import services as rules
from metering.rules.models import AuthorizationRequest, RuleCounter, RuleCounterEntry, RuleExecution, RuleMeasure
from tests.interleaving.harness import Key, Lock, Row, Scene, number
from tests.rules.book import COUNT, NAMES, RuleBook, cost, limit

OPTION = {"scheme": "upto", "network": "sapiom:main", "asset": "USD", "payTo": "shop"}


def limited() -> RuleBook:
    """At most 10 in a day and 3 a service; a transaction of 7 is open."""
    book = RuleBook().fund()
    book.rule = book.add_rule(limit(10), limit(3, **COUNT, group_by=["service"]))
    row = book.record(cost(7))
    book.transaction, book.estimate = row["id"], row["costs"][0]["id"]
    return book


def waiting() -> RuleBook:
    """The same with a transaction of 20 that waits for a person."""
    book = RuleBook()
    book.rule = book.add_rule(limit(10), resolution_strategy="manual")
    book.add_rule(limit(25))
    book.transaction = book.record(cost(20))["id"]
    return book


def counter_rows(book: RuleBook) -> dict[str, Lock]:
    its = {"tenant_id": book.tenant_id}
    whole = RuleCounter.objects.get(**its, group_key="[]")
    rows: dict[str, Lock] = {
        "transaction": Row("metering_transaction", book.tenant_id, book.transaction),
        "counter": Row("rules_rulecounter", book.tenant_id, whole.id),
    }
    for counter in RuleCounter.objects.filter(**its).exclude(group_key="[]"):
        rows["counter of a group"] = Row("rules_rulecounter", book.tenant_id, counter.id)
        digest = hashlib.sha256(b'["new"]').digest()
        moment = "1900-01-01T00:00:00Z"
        values = {"id": uuid4(), **its, "measure_id": counter.measure_id, "group_key": '["new"]', "group_digest": digest}
        rows["key of a counter"] = Key("rules_rulecounter", values | {"used": 0, "tail_at": moment, "last_at": moment})
        rows["measure"] = Row("rules_rulemeasure", book.tenant_id, counter.measure_id)
    return rows


def state(book: RuleBook) -> Any:
    its = {"tenant_id": book.tenant_id}
    book.is_sound()
    return {
        "transactions": sorted(
            (row.status, str(row.decline_reason), row.round, row.service.name)
            for row in Transaction.objects.filter(**its).select_related("service")
        ),
        "costs": sorted((number(row.fiat_amount), row.is_estimate, row.is_active) for row in Cost.objects.filter(**its)),
        "rounds": sorted((row.round, row.status, str(row.decline_reason)) for row in AuthorizationRequest.objects.filter(**its)),
        "denials": sorted(row.reason for row in RuleExecution.objects.filter(**its)),
        "measures": sorted(
            (row.measurement_type, row.groups, row.is_counting, row.is_seeding) for row in RuleMeasure.objects.filter(**its)
        ),
        "counters": sorted((row.group_key, number(row.used)) for row in RuleCounter.objects.filter(**its)),
        "entries": sorted(number(row.amount) for row in RuleCounterEntry.objects.filter(**its)),
    }


def record(book: RuleBook, amount: int, **more: Any) -> str:
    return book.record(cost(amount), **more)["status"]


def record_several(book: RuleBook, *amounts: int) -> list[str]:
    items = [NAMES | {"costs": [cost(amount)]} for amount in amounts]
    return [one.row["status"] for one in metering.record_transactions(**book.who, transactions=items)]


def its(book: RuleBook) -> dict[str, Any]:
    return book.who | {"transaction_id": book.transaction}


def reauthorize(book: RuleBook, amount: int) -> bool:
    """Whether it was a replay. The reply's row is read after the commit, and may show what came next."""
    challenge = {"x402Version": 2, "accepts": [OPTION | {"amount": str(amount)}]}
    return metering.reauthorize_transaction(**its(book), x402=json.dumps(challenge)).replayed


def report(book: RuleBook) -> Any:
    reported = {"source": "sdk", "version": "1", "fact_phase": "response", "facts": '{"model": "unknown"}'}
    return metering.record_fact(**its(book), **reported).row["pricing"]


def add_actual(book: RuleBook, amount: int) -> None:
    book.add_cost({"id": book.transaction}, Decimal(amount), supersedes_cost_id=book.estimate)


def change(book: RuleBook, **changes: Any) -> None:
    book.change_rule(book.rule, **changes)


def add_rule(book: RuleBook) -> None:
    book.add_rule(limit(12, interval_value=3), limit(100, interval_value=2, group_by=["service"]))


def clean(book: RuleBook) -> None:
    rules.clean_counters(actor="job:test", tenant_id=book.tenant_id)


def decide(book: RuleBook, *, allow: bool) -> None:
    metering.decide_waiting(**its(book), allow=allow, reason="r")


SCENES = (
    Scene(
        name="limits",
        make=limited,
        rows=counter_rows,
        state=state,
        calls={
            "record 3": lambda book: record(book, 3, idempotency_key="three"),
            "record 4": lambda book: record(book, 4),
            "record in a new group": lambda book: record(book, 1, service_name="new"),
            "record several": lambda book: record_several(book, 4, 2, 1),
            "reauthorize": lambda book: reauthorize(book, 9),
            "actual cost": lambda book: add_actual(book, 2),
            "complete": lambda book: metering.complete_transaction(**its(book), outcome="success").replayed,
            "cancel": lambda book: metering.cancel_transaction(**its(book)).replayed,
            "raise the limit": lambda book: change(book, limit_value=11),
            "new rule": add_rule,
            "clean": clean,
        },
    ),
    Scene(
        name="waiting for a person",
        make=waiting,
        rows=counter_rows,
        state=state,
        calls={
            "allow": lambda book: decide(book, allow=True),
            "deny": lambda book: decide(book, allow=False),
            "cancel": lambda book: metering.cancel_transaction(**its(book)).replayed,
            "record 9": lambda book: record(book, 9),
        },
    ),
)
