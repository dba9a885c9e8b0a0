"""Scenes of the credits ledger: books, and the calls that are run against each other in them."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import time_machine
from django.db import transaction

from credits import services
from credits.models import BalanceAlert, Consumption, CreditTransaction, Grant, Hold, HoldLine, RecurringGrant
from kernel.events.models import Endpoint, Event
from kernel.events.services.listeners import refresh_listeners
from kernel.ledger import posting
from tests.credits.book import Book
from tests.factories import TenantFactory
from tests.interleaving.harness import START, Row, Scene, number

ACME = {"customer_id": "acme", "currency": "USD"}
RUN = "run:imported"
JOB: dict[str, Any] = {"actor": "job:test", "request_id": "job"}


class CreditsBook(Book):
    """A ledger with a name for each row that calls lock."""

    def __init__(self) -> None:
        super().__init__(TenantFactory().id)
        self.named: dict[str, Any] = {}
        self.tables: dict[str, str] = {}

    def name(self, table: str, **rows: Any) -> None:
        self.named.update(rows)
        self.tables.update(dict.fromkeys(rows, table))


def rows(book: CreditsBook) -> dict[str, Row]:
    return {name: Row(book.tables[name], book.tenant_id, row_id) for name, row_id in book.named.items()}


def state(book: CreditsBook) -> Any:
    """Every row of the ledger by names and amounts, without ids and times, which differ between two books."""
    mine = {"tenant_id": book.tenant_id}
    grants = {row.id: f"{row.name} {row.period or ''}" for row in Grant.objects.filter(**mine)}
    entries = sorted(CreditTransaction.objects.filter(**mine), key=lambda row: (grants[row.grant_id], row.entry_number))
    return {
        "grants": sorted((grants[row.id], number(row.balance), number(row.held), row.status) for row in Grant.objects.filter(**mine)),
        "entries": [
            (grants[row.grant_id], row.kind, row.type, number(row.amount), number(row.balance_after), row.invoice_id) for row in entries
        ],
        "holds": sorted((number(row.amount), number(row.captured), row.status) for row in Hold.objects.filter(**mine)),
        "lines": sorted((grants[row.grant_id], number(row.amount), number(row.remaining)) for row in HoldLine.objects.filter(**mine)),
        "draws": sorted((number(row.amount), number(row.taken)) for row in Consumption.objects.filter(**mine)),
        "recurring_grants": sorted((row.name, row.next_period, row.status) for row in RecurringGrant.objects.filter(**mine)),
    }


def drawn() -> CreditsBook:
    """Three grants in burn-down order: an empty one, one of 70 of which an invoice took 10, and one of 40."""
    book = CreditsBook()
    empty = book.grant(5, name="empty", priority=0)
    book.debit(empty, 5)
    first, second = book.grant(70, name="first", priority=10), book.grant(40, name="second", priority=20)
    taken = services.consume(**book.context, **ACME, amount=Decimal(10), invoice_id="inv")
    book.taken = taken.row.transactions[0]["id"]
    book.name("credits_grant", empty=empty, first=first, second=second)
    return book


def reserved() -> CreditsBook:
    """A hold of 100 over two grants, which becomes overdue within the hour."""
    book = CreditsBook()
    first, second = book.grant(60, name="first"), book.grant(60, name="second")
    end = datetime.now(UTC) + timedelta(minutes=30)
    hold = services.place_hold(**book.context, **ACME, amount=Decimal(100), expires_at=end).row.id
    book.name("credits_grant", first=first, second=second)
    book.name("credits_hold", hold=hold)
    return book


def period_over() -> CreditsBook:
    """A monthly grant of 100 whose first period has ended and whose second is due: 20 left, 60 on hold, 20 taken by an invoice."""
    book = CreditsBook()
    with time_machine.travel(datetime(2026, 5, 1, 12, tzinfo=UTC)):
        order = {"name": "monthly", "unit_type": "CURRENCY", "amount": Decimal(100), "rollover_cap": Decimal(90), **ACME}
        recurring_grant = services.create_recurring_grant(**book.context, **order, starts_on=date(2026, 5, 1)).row.id
        hold = services.place_hold(**book.context, **ACME, amount=Decimal(60), expires_at=START + timedelta(days=9)).row.id
        services.consume(**book.context, **ACME, amount=Decimal(20), invoice_id="inv")
    book.name("credits_grant", may=Grant.objects.get(tenant_id=book.tenant_id).id)
    book.name("credits_hold", hold=hold)
    book.name("credits_recurringgrant", recurring_grant=recurring_grant)
    return book


def imported() -> CreditsBook:
    """A run that imported two grants, and on a third one two debits for an invoice and a credit."""
    book = CreditsBook()
    run = {**book.context, "request_id": RUN}
    terms = {"customer_id": "acme", "unit_type": "CURRENCY", "currency": "USD"}
    own = book.grant(100, name="own")
    new = [services.create_grant(**run, **terms, name=name, amount=Decimal(50)).row.id for name in ("one", "two")]
    posted = [("DEBIT", 30, "inv"), ("DEBIT", 20, "inv"), ("CREDIT", 5, "")]
    book.taken, *_ = [
        services.record_transaction(**run, grant_id=own, type=kind, amount=Decimal(amount), invoice_id=invoice).row.id
        for kind, amount, invoice in posted
    ]
    book.name("credits_grant", own=own, one=new[0], two=new[1])
    return book


def imported_period() -> CreditsBook:
    """A monthly grant whose first period has ended. The second period's grant was imported with an id that is lower than the first's."""
    book = CreditsBook()
    order = {"name": "monthly", "unit_type": "CURRENCY", "amount": Decimal(100), **ACME}
    with time_machine.travel(datetime(2026, 5, 1, 12, tzinfo=UTC)):
        recurring_grant = services.create_recurring_grant(
            **book.context, **order, rollover_cap=Decimal(90), starts_on=date(2026, 5, 1)
        ).row.id
        hold = services.place_hold(**book.context, **ACME, amount=Decimal(30), expires_at=START + timedelta(days=9)).row.id
        services.consume(**book.context, **ACME, amount=Decimal(20), invoice_id="inv")
    may, june = Grant.objects.get(tenant_id=book.tenant_id).id, UUID(int=uuid4().int >> 8)
    period = {
        "recurring_grant_id": recurring_grant,
        "period": 1,
        "effective_date": date(2026, 6, 1),
        "expiry_date": date(2026, 6, 30),
        "priority": 50,
        "category": "PAID",
    }
    line = services.grant_line({**order, **period, "id": june})
    services.create_imported_grants(tenant_id=book.tenant_id, lines=[posting.encoded({**line, **JOB})])
    RecurringGrant.objects.filter(tenant_id=book.tenant_id).update(next_period=2, next_on=date(2026, 7, 1))
    book.name("credits_grant", june=june, may=may)
    book.name("credits_hold", hold=hold)
    return book


def watched() -> CreditsBook:
    """Two grants of 60 each, and an alert for a balance below 90, to which somebody listens."""
    book = CreditsBook()
    first, second = book.grant(60, name="first"), book.grant(60, name="second")
    with transaction.atomic():
        Endpoint.objects.create(tenant_id=book.tenant_id, enabled_events=["credits.*"], created_by="test")
        refresh_listeners(tenant_id=book.tenant_id)
    alert = services.set_balance_alert(
        tenant_id=book.tenant_id, actor="test", request_id="", customer_id="acme", currency="USD", alert_below=Decimal(90)
    )
    book.name("credits_grant", first=first, second=second)
    book.name("credits_balancealert", alert=alert.id)
    return book


def watched_state(book: CreditsBook) -> Any:
    """The ledger, whether the balance counts as low, and the events by type and account."""
    grants = {f"grant:{row.id}": row.name for row in Grant.objects.filter(tenant_id=book.tenant_id)}
    events = Event.objects.filter(tenant_id=book.tenant_id)
    return {
        **state(book),
        "is_low": BalanceAlert.objects.get(tenant_id=book.tenant_id).is_low,
        "low": events.filter(type="credits.balance.low").count(),
        "events": sorted((event.type, grants.get(event.account, event.account)) for event in events),
    }


def items(book: CreditsBook, type_: str, **facts: Any) -> list[dict[str, Any]]:
    grants = [book.named["first"], book.named["second"]]
    return [{"grant_id": grants[turn % 2], "type": type_, "amount": Decimal(1), "reason": "r"} | facts for turn in range(8)]


def hold_of(book: CreditsBook) -> dict[str, Any]:
    return {**book.context, "customer_id": "acme", "hold_id": book.named["hold"]}


def expire_everything(book: CreditsBook) -> Any:
    """How many grants and holds the two jobs closed. Other outcomes depend on which call came first, so they are left out."""
    grants = sum(closing.is_new for batch in services.expire_grants(**JOB, tenant_id=book.tenant_id) for closing in batch)
    holds = sum(hold.is_new for hold in services.expire_holds(**JOB, tenant_id=book.tenant_id))
    return grants, holds


def reverse_run(book: CreditsBook) -> int:
    return services.reverse_run(**book.context | {"request_id": "undo"}, of=RUN, at_most=10)[0]


def delete_run_grants(book: CreditsBook) -> int:
    return services.delete_run_grants(**book.context | {"request_id": "undo"}, of=RUN, at_most=10)[0]


def credit_both(book: CreditsBook) -> Any:
    credit = {"type": "CREDIT", "amount": Decimal(1), "reason": "r"}
    return services.record_transactions(**book.context, transactions=[{"grant_id": book.named[name], **credit} for name in ("may", "june")])


def issue(book: CreditsBook) -> Any:
    return sum(len(rows) for rows in services.issue_due_grants(**JOB, tenant_id=book.tenant_id))


SCENES = (
    Scene(
        name="watched",
        make=watched,
        rows=rows,
        state=watched_state,
        calls={
            "debit the first": lambda book: book.debit(book.named["first"], 20),
            "debit the second": lambda book: book.debit(book.named["second"], 20),
            "credit": lambda book: book.credit(book.named["first"], 25),
            "consume": lambda book: services.consume(**book.context, **ACME, amount=Decimal(35)),
            # Not "open": a new grant waits for nothing but the alert, so it may be counted there after a consumption looked for grants.
            "void": lambda book: services.void_grant(**book.context, grant_id=book.named["second"], reason="r"),
        },
    ),
    Scene(
        name="drawn",
        make=drawn,
        rows=rows,
        state=state,
        calls={
            "debit": lambda book: book.debit(book.named["second"], 30),
            "credit": lambda book: book.credit(book.named["empty"], 10),
            "credit for an invoice": lambda book: book.credit(book.named["first"], 10, invoice_id="inv"),
            "eight debits": lambda book: services.record_transactions(**book.context, transactions=items(book, "DEBIT")),
            "consume": lambda book: services.consume(**book.context, **ACME, amount=Decimal(100), invoice_id="inv", idempotency_key="k"),
            "consume what there is": lambda book: services.consume(**book.context, **ACME, amount=Decimal(500), partial=True),
            "hold": lambda book: (
                services.place_hold(
                    **book.context, **ACME, amount=Decimal(65), expires_at=START + timedelta(days=9), idempotency_key="k"
                ).replayed
            ),
            "reinstate": lambda book: services.reinstate(**book.context, customer_id="acme", invoice_id="inv"),
            "reverse": lambda book: services.reverse_transaction(**book.context, transaction_id=book.taken, reason="r"),
            "void": lambda book: services.void_grant(**book.context, grant_id=book.named["first"], reason="r"),
            "delete": lambda book: services.delete_grant(**book.context, grant_id=book.named["second"]),
            "open": lambda book: book.grant(50, name="new", priority=0, idempotency_key="k"),
        },
    ),
    Scene(
        name="reserved",
        make=reserved,
        rows=rows,
        state=state,
        lapses=True,
        calls={
            "capture": lambda book: services.capture_hold(**hold_of(book), invoice_id="inv"),
            "part of a capture": lambda book: (
                services.capture_hold(**hold_of(book), amount=Decimal(5), final=False, idempotency_key="part").row.taken
            ),
            "extend": lambda book: (
                services.extend_hold(**hold_of(book), expires_at=START + timedelta(days=20), idempotency_key="later").row.status
            ),
            "capture all": lambda book: services.capture_hold(**hold_of(book), amount=Decimal(100)),
            "release": lambda book: services.release_hold(**hold_of(book)),
            "debit": lambda book: book.debit(book.named["second"], 1),
            "consume": lambda book: services.consume(**book.context, **ACME, amount=Decimal(50)),
            "hold": lambda book: (
                services.place_hold(**book.context, **ACME, amount=Decimal(20), expires_at=START + timedelta(days=9)).replayed
            ),
            "void": lambda book: services.void_grant(**book.context, grant_id=book.named["first"], reason="r"),
            "expire": expire_everything,
        },
    ),
    Scene(
        name="period over",
        make=period_over,
        rows=rows,
        state=state,
        calls={
            "issue": issue,
            "release": lambda book: services.release_hold(**hold_of(book)),
            "capture": lambda book: services.capture_hold(**hold_of(book), amount=Decimal(50)),
            "reinstate": lambda book: services.reinstate(**book.context, customer_id="acme", invoice_id="inv"),
            "expire": expire_everything,
            "consume": lambda book: services.consume(**book.context, **ACME, amount=Decimal(50), partial=True),
            "cancel": lambda book: services.cancel_recurring_grant(**book.context, recurring_grant_id=book.named["recurring_grant"]),
        },
    ),
    Scene(
        name="imported",
        make=imported,
        rows=rows,
        state=state,
        calls={
            "reversal of a run": reverse_run,
            "deletion of a run's grants": delete_run_grants,
            "reverse": lambda book: services.reverse_transaction(**book.context, transaction_id=book.taken, reason="r"),
            "reverse a part": lambda book: services.reverse_transaction(
                **book.context, transaction_id=book.taken, reason="r", amount=Decimal(12), idempotency_key="k"
            ),
            "reinstate": lambda book: services.reinstate(**book.context, customer_id="acme", invoice_id="inv"),
            "debit": lambda book: book.debit(book.named["one"], 1),
            "delete": lambda book: services.delete_grant(**book.context, grant_id=book.named["one"]),
            "hold": lambda book: (
                services.place_hold(**book.context, **ACME, amount=Decimal(110), expires_at=START + timedelta(days=9)).replayed
            ),
        },
    ),
    Scene(
        name="imported period",
        make=imported_period,
        rows=rows,
        state=state,
        calls={
            "expire": expire_everything,
            "credit both": credit_both,
            "credit": lambda book: book.credit(book.named["may"], 5),
            "release": lambda book: services.release_hold(**hold_of(book)),
            "reinstate": lambda book: services.reinstate(**book.context, customer_id="acme", invoice_id="inv"),
            "consume": lambda book: services.consume(**book.context, **ACME, amount=Decimal(50), partial=True),
        },
    ),
)
