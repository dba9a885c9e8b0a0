"""Books of wallets and the billing calls that may meet in them."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from billing import services
from billing.models import DailyTotal, Policy, Transaction, TransactionType, Wallet, WalletHold
from tests.factories import TenantFactory
from tests.interleaving.harness import START, Key, Lock, Row, Scene, number

RUN = "run:imported"


class BillingBook:
    """A tenant with a wallet of 100 USD in two top-ups of one import, and one of 50 EUR."""

    def __init__(self) -> None:
        self.tenant_id = TenantFactory().id
        self.who = {"tenant_id": self.tenant_id, "actor": "command:test", "request_id": "test"}
        imported = self.who | {"request_id": RUN}
        self.first = services.record_transaction(**imported, **entry("topup", 60, "first")).row.id
        self.second = services.record_transaction(**imported, **entry("topup", 40, "second")).row.id
        services.record_transaction(**self.who, **entry("topup", 50, "third", "EUR"))
        services.set_floor(**self.who, currency="USD", floor=Decimal(0))
        services.set_floor(**self.who, currency="EUR", floor=Decimal(0))
        self.holds: dict[str, Any] = {}
        self.ends: dict[str, Any] = {}
        self.wallets = dict(Wallet.objects.filter(tenant_id=self.tenant_id).values_list("currency", "id"))


def entry(type_: str, amount: int, reference: str, currency: str = "USD") -> dict[str, Any]:
    return {"type": type_, "amount": Decimal(amount), "reference_id": reference, "currency": currency}


def with_policy() -> BillingBook:
    """New wallets have a floor of zero."""
    book = BillingBook()
    services.set_policy(**book.who, default_floor=Decimal(0))
    return book


def with_holds() -> BillingBook:
    """Of the 100 USD one hold reserves 40 for half an hour, and another one 20 for days."""
    book = BillingBook()
    book.ends = {"short": START + timedelta(minutes=30), "long": START + timedelta(days=9)}
    book.holds = {name: place(book, amount, name, end) for (name, end), amount in zip(book.ends.items(), (40, 20), strict=True)}
    return book


def place(book: BillingBook, amount: int, reference: str, end: Any = START + timedelta(days=9)) -> Any:
    facts = {"amount": Decimal(amount), "currency": "USD", "expires_at": end, "reference_id": reference}
    return services.place_hold(**book.who, **facts).row.id


def placed(book: BillingBook, amount: int, reference: str) -> str:
    place(book, amount, reference)
    return "placed"


def capture(book: BillingBook, name: str, **facts: Any) -> Any:
    row = services.capture_hold(**book.who, hold_id=book.holds[name], **facts).row
    return row.status, row.taken


def expire(book: BillingBook) -> None:
    """How many it ended isn't compared: another call may have ended some meanwhile."""
    list(services.expire_holds(actor="job:test", request_id="", tenant_id=book.tenant_id))


def wallet_rows(book: BillingBook) -> dict[str, Lock]:
    return {currency: Row("billing_wallet", book.tenant_id, wallet) for currency, wallet in book.wallets.items()}


def new_rows(book: BillingBook) -> dict[str, Lock]:
    policy = Policy.objects.get(tenant_id=book.tenant_id).id
    its = {"id": uuid4(), "tenant_id": book.tenant_id}
    wallet = its | {"currency": "GBP", "balance": 0, "last_entry_number": 0}
    own_type = its | {"code": "own", "label": "own", "direction": "signed", "is_catalogued": False, "created_by": ""}
    return {
        "policy": Row("billing_policy", book.tenant_id, policy),
        "key of a wallet": Key("billing_wallet", wallet),
        "key of a type": Key("billing_transactiontype", own_type),
    }


def state(book: BillingBook) -> Any:
    """Every row of the ledger without ids and times."""
    its = {"tenant_id": book.tenant_id}
    policy = Policy.objects.filter(**its).first()
    return {
        "wallets": sorted(
            (row.currency, number(row.balance), number(row.held), row.last_entry_number, str(row.floor and number(row.floor)))
            for row in Wallet.objects.filter(**its)
        ),
        "entries": [
            (
                *(row.currency, row.entry_number, row.type, row.direction, number(row.amount), number(row.effect)),
                *(number(row.balance_after), number(row.reversed_amount), row.reversed_by_id is not None, row.reverses_id is not None),
                *(row.flags, row.reason_code),
            )
            for row in Transaction.objects.filter(**its).order_by("currency", "entry_number")
        ],
        "totals": sorted(
            (row.currency, row.type, row.entries, number(row.credits), number(row.debits)) for row in DailyTotal.objects.filter(**its)
        ),
        "holds": sorted(
            (row.reference_id, row.status, number(row.amount), number(row.captured), row.entries.filter(**its).count(), row.expires_at)
            for row in WalletHold.objects.filter(**its)
        ),
        "types": sorted((row.code, row.label, row.direction, row.is_catalogued) for row in TransactionType.objects.filter(**its)),
        "policy": policy and (policy.strict_types, policy.near_duplicate_seconds, str(policy.default_floor)),
    }


def record(book: BillingBook, *facts: Any) -> Any:
    return services.record_transaction(**book.who, **entry(*facts))


def record_many(book: BillingBook, *items: tuple[Any, ...], atomic: bool = False) -> Any:
    return services.record_transactions(**book.who, transactions=[entry(*item) for item in items], atomic=atomic)


def reverse(book: BillingBook, **part: Any) -> Any:
    return services.reverse_transaction(**book.who, transaction_id=book.first, reason_code="other", **part)


def reverse_run(book: BillingBook) -> Any:
    """How many it reversed isn't compared: a transaction that another call reversed meanwhile may be counted or not."""
    services.reverse_run(**book.who | {"request_id": "undo"}, run_request_id=RUN, at_most=10)


def set_floor(book: BillingBook, floor: int, currency: str = "USD") -> Any:
    return services.set_floor(**book.who, currency=currency, floor=Decimal(floor)).floor


def define_type(book: BillingBook) -> Any:
    return services.define_type(**book.who, code="own", label="Own", direction="debit").direction


def set_policy(book: BillingBook) -> Any:
    services.set_policy(**book.who, strict_types=True, default_floor=Decimal(-20))


SCENES = (
    Scene(
        name="wallets",
        make=BillingBook,
        rows=wallet_rows,
        state=state,
        calls={
            "debit": lambda book: record(book, "usage", 80, "debit"),
            "debit of the rest": lambda book: record(book, "usage", 100, "rest"),
            "debits of two wallets": lambda book: record_many(
                book, ("usage", 30, "a", "EUR"), ("usage", 45, "b"), ("usage", 30, "c", "EUR"), ("usage", 45, "d")
            ),
            "all or nothing": lambda book: record_many(book, ("usage", 30, "e"), ("usage", 40, "f", "EUR"), atomic=True),
            "reversal": reverse,
            "part of a reversal": lambda book: reverse(book, amount=Decimal(35), reference_id="part"),
            "reversal of a run": reverse_run,
            "floor": lambda book: set_floor(book, 50),
            "rebuild": lambda book: services.rebuild_wallets(tenant_id=book.tenant_id),
        },
    ),
    Scene(
        name="openings",
        make=with_policy,
        rows=new_rows,
        state=state,
        calls={
            "opening": lambda book: record(book, "topup", 30, "open", "GBP"),
            "opening by a debit": lambda book: record(book, "usage", 10, "debit", "GBP"),
            "opening of several": lambda book: record_many(book, ("own", 5, "a", "GBP"), ("topup", 9, "b"), ("usage", 20, "c", "CHF")),
            "first use of a type": lambda book: record(book, "own", 20, "own"),
            "definition of a type": define_type,
            "floor of a new wallet": lambda book: set_floor(book, -50, "GBP"),
            "policy": set_policy,
            "rebuild": lambda book: services.rebuild_wallets(tenant_id=book.tenant_id),
        },
    ),
    Scene(
        name="wallet holds",
        make=with_holds,
        rows=wallet_rows,
        state=state,
        lapses=True,
        calls={
            "hold": lambda book: placed(book, 35, "new"),
            "capture": lambda book: capture(book, "short", amount=Decimal(10)),
            "part of a capture": lambda book: capture(book, "short", amount=Decimal(25), final=False, reference_id="part"),
            "capture of the other": lambda book: capture(book, "long"),
            "release": lambda book: services.release_hold(**book.who, hold_id=book.holds["short"]).row.status,
            "extend": lambda book: (
                services.extend_hold(
                    **book.who, hold_id=book.holds["short"], expires_at=START + timedelta(days=2), reference_id="later"
                ).row.expires_at
            ),
            "debit": lambda book: record(book, "usage", 40, "debit"),
            "debits": lambda book: record_many(book, ("usage", 30, "a"), ("usage", 30, "b", "EUR"), ("usage", 15, "c")),
            "reversal": lambda book: reverse(book, amount=Decimal(35), reference_id="part"),
            "floor": lambda book: set_floor(book, 50),
            "expire": expire,
            "rebuild": lambda book: services.rebuild_wallets(tenant_id=book.tenant_id),
        },
    ),
)
