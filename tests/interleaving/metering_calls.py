"""Books of metered transactions and the metering calls that may meet in them."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from kernel.ledger.outcomes import Posted
from metering import services as metering
from metering.models import Agent, Cost, Fact, Policy, Price, Rollup, Service, StatusChange, Trace, Transaction
from tests.factories import TenantFactory
from tests.interleaving.harness import Key, Lock, Row, Scene, Table, number

RUN = "run:imported"
NAMES = {"service_name": "openai", "action_name": "chat", "resource_name": "gpt-4"}
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
HAPPENED = datetime(2026, 1, 1, 12, tzinfo=UTC)
ESTIMATE = {"fiat_amount": Decimal(7), "fiat_asset_symbol": "USD", "is_estimate": True}
SUMS = ("transactions", "succeeded", "failed", "denied", "cancelled", "costs", "amount", "estimated")


class MeteringBook:
    """A tenant with a price of 1 a token, and a limit after which open transactions are stale."""

    def __init__(self) -> None:
        self.tenant_id = TenantFactory().id
        self.who = {"tenant_id": self.tenant_id, "actor": "command:test", "request_id": "test"}
        self.repricing = uuid4()
        self.price = self.set_price(1, LONG_AGO)
        metering.set_policy(**self.who, stale_after=timedelta(hours=1))

    def set_price(self, amount: int, valid_from: datetime) -> UUID:
        return metering.set_price(**self.who, units=[{"fact_key": "tokens", "amount": Decimal(amount)}], valid_from=valid_from)

    def record(self, **more: Any) -> Any:
        return metering.record_transaction(**self.who, **NAMES | more)

    def its(self) -> dict[str, Any]:
        return self.who | {"transaction_id": self.transaction}


def open_one() -> MeteringBook:
    """An imported transaction that is open for long, with an estimate."""
    book = MeteringBook()
    imported = book.who | {"request_id": RUN}
    row = metering.record_transaction(**imported, **NAMES, agent_name="agent", occurred_at=HAPPENED, costs=[ESTIMATE]).row
    book.transaction, book.agent, book.estimate = row["id"], row["agent_id"], row["costs"][0]["id"]
    return book


def computed_one() -> MeteringBook:
    """The same with a cost computed from facts, by a price that a later one replaces."""
    book = open_one()
    report(book, "partial", 3)
    book.price = book.set_price(2, LONG_AGO + timedelta(days=1))
    return book


def repriced_one() -> MeteringBook:
    """The same after a re-pricing."""
    book = computed_one()
    reprice(book)
    return book


def pending_one() -> MeteringBook:
    """A transaction that somebody is deciding on, with an estimate."""
    book = MeteringBook()
    metering.set_policy(**book.who, authorizes_at_once=False)
    row = book.record(costs=[ESTIMATE], agent_name="agent").row
    book.transaction, book.agent, book.estimate = row["id"], row["agent_id"], row["costs"][0]["id"]
    metering.prepare_transaction(**book.its())
    return book


def transaction_row(book: MeteringBook) -> dict[str, Lock]:
    return {"transaction": Row("metering_transaction", book.tenant_id, book.transaction)}


def price_rows(book: MeteringBook) -> dict[str, Lock]:
    units = Table("metering_unitprice")
    return {"price": Row("metering_price", book.tenant_id, book.price), "units": units}


def sums(book: MeteringBook) -> dict[str, Lock]:
    return {"agent": Row("metering_agent", book.tenant_id, book.agent), "sums": Table("metering_rollup")}


def names(book: MeteringBook) -> dict[str, Lock]:
    its = {"id": uuid4(), "tenant_id": book.tenant_id}
    return {
        "key of a service": Key("metering_service", its | {"name": "new"}),
        "key of an agent": Key("metering_agent", its | {"name": "new", "label": "new", "status": "active"}),
        "key of a trace": Key("metering_trace", its | {"reference": uuid4(), "external_id": "new"}),
    }


def state(book: MeteringBook) -> Any:
    """Every row of the ledger without ids and times."""
    its = {"tenant_id": book.tenant_id}
    services = dict(Service.objects.filter(**its).values_list("id", "name"))
    agents = {None: ""} | dict(Agent.objects.filter(**its).values_list("id", "name"))
    rollups: Counter[Any] = Counter()
    for row in Rollup.objects.filter(**its):
        # A sum is spread over several rows by connection.
        rollups.update({(row.grain, row.currency, name): getattr(row, name) for name in SUMS})
    return {
        "transactions": sorted(
            (row.status, str(row.outcome), services[row.service_id], agents[row.agent_id], str(row.decline_reason))
            for row in Transaction.objects.filter(**its)
        ),
        "moves": sorted((str(row.from_status), row.to_status, row.reason) for row in StatusChange.objects.filter(**its)),
        "costs": sorted(
            (
                number(row.fiat_amount),
                row.fiat_asset_symbol,
                row.is_estimate,
                row.is_active,
                row.supersedes_id is None,
                row.repricing is None,
            )
            for row in Cost.objects.filter(**its)
        ),
        "facts": sorted((row.phase, row.pricing) for row in Fact.objects.filter(**its)),
        "agents": sorted(Agent.objects.filter(**its).values_list("name", "status")),
        "names": (Service.objects.filter(**its).count(), Trace.objects.filter(**its, external_id__isnull=False).count()),
        "prices": sorted((str(row.valid_from), str(row.valid_to)) for row in Price.objects.filter(**its)),
        "policy": list(Policy.objects.filter(**its).values_list("authorizes_at_once", "stale_after")),
        "sums": sorted((*key, number(Decimal(total))) for key, total in rollups.items() if total),
    }


def report(book: MeteringBook, phase: str, tokens: int) -> Any:
    """How a fact was priced. What its cost superseded is in the ledger; the reply reads it again after the commit."""
    reported = {"source": "sdk", "version": "1", "fact_phase": phase, "facts": f'{{"tokens": {tokens}}}'}
    return metering.record_fact(**book.its(), **reported).row["pricing"]


def add_cost(book: MeteringBook, amount: int, **more: Any) -> bool:
    """Whether the call was a replay. The reply's row is read after the commit, and may show what came next."""
    cost = {"fiat_amount": Decimal(amount), "fiat_asset_symbol": "USD", "is_estimate": False}
    return metering.record_cost(**book.its(), **cost, supersedes_cost_id=book.estimate, **more).replayed


def complete(book: MeteringBook, **more: Any) -> Any:
    reported = {"source": "sdk", "version": "1", "facts": '{"tokens": 5}'}
    moved = metering.complete_transaction(**book.its(), outcome="success", response_facts=reported, **more)
    return moved.row["pricing"], moved.replayed


def move(book: MeteringBook, call: Any, **more: Any) -> bool:
    """Whether the call was a replay. The reply's row is read after the commit, and may show what came next."""
    return call(**book.its(), **more).replayed


def close_stale(book: MeteringBook) -> Any:
    return list(metering.close_stale_transactions(actor="job:test", request_id="job", tenant_id=book.tenant_id).values())


def reverse_run(book: MeteringBook) -> None:
    """How many it found isn't compared: a transaction that another call closed meanwhile may be counted or not."""
    metering.reverse_run(**book.who | {"request_id": "undo"}, run_request_id=RUN, at_most=10)


def reprice(book: MeteringBook) -> int:
    """How many costs it changed. Those that another call superseded meanwhile are skipped, or not seen at all."""
    return metering.reprice_transactions(run=book.repricing, apply=True, tenant_id=book.tenant_id).changed


def undo_repricing(book: MeteringBook) -> int:
    return metering.undo_repricing(undone=book.repricing, run=uuid4(), apply=True).changed


def switch_agent(book: MeteringBook) -> None:
    metering.update_agent(**book.who, agent_id=book.agent, status="inactive")


def record_new_names(book: MeteringBook, *keys: str, **more: Any) -> Any:
    """What became of each posting: its status, its replay or its error."""
    items = [
        NAMES | {"service_name": "new", "agent_name": "new", "trace_external_id": "new", "idempotency_key": key} | more for key in keys
    ]
    recorded = metering.record_transactions(**book.who, transactions=items)
    return [(one.row["status"], one.replayed) if isinstance(one, Posted) else type(one).__name__ for one in recorded]


def record(book: MeteringBook, **more: Any) -> Any:
    recorded = book.record(**more)
    return recorded.row["status"], recorded.replayed


SCENES = (
    Scene(
        name="open",
        make=open_one,
        rows=transaction_row,
        state=state,
        calls={
            "complete": complete,
            "complete with a key": lambda book: complete(book, idempotency_key="key"),
            "cancel": lambda book: move(book, metering.cancel_transaction, reason="r"),
            "cost": lambda book: add_cost(book, 4),
            "cost with a key": lambda book: add_cost(book, 6, idempotency_key="key"),
            "partial fact": lambda book: report(book, "partial", 2),
            "response": lambda book: report(book, "response", 9),
            "close stale": close_stale,
            "reversal of a run": reverse_run,
        },
    ),
    Scene(
        name="pending",
        make=pending_one,
        rows=transaction_row,
        state=state,
        calls={
            "authorize": lambda book: move(book, metering.authorize_transaction),
            "deny": lambda book: move(book, metering.deny_transaction, reason="no"),
            "cancel": lambda book: move(book, metering.cancel_transaction, reason="r", idempotency_key="key"),
            "cost": lambda book: add_cost(book, 4),
            "complete": complete,
        },
    ),
    Scene(
        name="computed",
        make=computed_one,
        rows=transaction_row,
        state=state,
        calls={
            "reprice": reprice,
            "response": lambda book: report(book, "response", 9),
            "cancel": lambda book: move(book, metering.cancel_transaction, reason="r"),
            "reversal of a run": reverse_run,
        },
    ),
    Scene(
        name="repriced",
        make=repriced_one,
        rows=transaction_row,
        state=state,
        calls={
            "undo": undo_repricing,
            "partial fact": lambda book: report(book, "partial", 9),
            "cancel": lambda book: move(book, metering.cancel_transaction, reason="r"),
        },
    ),
    Scene(
        name="price",
        make=computed_one,
        rows=price_rows,
        state=state,
        calls={
            "price from March": lambda book: book.set_price(3, datetime(2026, 3, 1, tzinfo=UTC)) is None,
            "price from June": lambda book: book.set_price(4, datetime(2026, 6, 1, tzinfo=UTC)) is None,
            "end": lambda book: metering.end_price(**book.who, price_id=book.price, valid_to=datetime(2026, 4, 1, tzinfo=UTC)),
            "response": lambda book: report(book, "response", 9),
        },
    ),
    Scene(
        name="sums",
        make=open_one,
        rows=sums,
        state=state,
        calls={
            "record": lambda book: record(book, agent_name="agent", idempotency_key="key", costs=[ESTIMATE]),
            "record several": lambda book: record_new_names(book, "key 1", "key 2", agent_name="agent"),
            "complete": complete,
            "agent": switch_agent,
            "rebuild": lambda book: metering.rebuild_rollups(tenant_id=book.tenant_id),
        },
    ),
    Scene(
        name="names",
        make=open_one,
        rows=names,
        state=state,
        calls={
            "record": lambda book: record_new_names(book, "key 1"),
            "record several": lambda book: record_new_names(book, "key 2", "key 1"),
            "other facts": lambda book: record_new_names(book, "key 1", action_name="other"),
            "agent": lambda book: metering.create_agent(**book.who, label="new", status="inactive")["status"],
        },
    ),
)
