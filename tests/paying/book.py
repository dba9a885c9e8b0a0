"""A tenant that prepays, its money, and the calls that tests make in it."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import connection

import billing.services
import credits.services
from backoffice.integrity.checks import LEDGERS, checks_of
from billing.models import Wallet
from credits.models import Grant
from metering import services
from metering.models import Cost
from metering.paying.models import Payment
from tests.factories import TenantFactory

NAMES = {"service_name": "openai", "action_name": "chat", "resource_name": "gpt-4"}


def cost(amount: Any, *, estimate: bool = True, currency: str = "USD") -> dict[str, Any]:
    return {"fiat_amount": Decimal(str(amount)), "fiat_asset_symbol": currency, "is_estimate": estimate}


class PayingBook:
    """`credit` and `wallet`: what its own customer and its wallet have, in USD."""

    def __init__(self, *, credit: Any = 0, wallet: Any = 0, slug: str | None = None, **policy: Any) -> None:
        self.tenant = TenantFactory(**({"slug": slug} if slug else {}))
        self.tenant_id: UUID = self.tenant.id
        self.who = {"tenant_id": self.tenant_id, "actor": "command:test", "request_id": "test"}
        services.set_policy(**self.who, **{"holds_estimates": True} | policy)
        if credit:
            self.grant(credit)
        if wallet:
            self.top_up(wallet)

    def grant(self, amount: Any, *, customer: str | None = None, currency: str = "USD", **more: Any) -> Any:
        named = {"customer_id": customer or self.tenant.slug, "name": "prepaid", "unit_type": "CURRENCY", "currency": currency}
        return credits.services.create_grant(**self.who, **named, amount=Decimal(str(amount)), **more).row

    def top_up(self, amount: Any, *, currency: str = "USD") -> None:
        named = {"type": "topup", "reference_id": f"topup-{amount}-{currency}", "currency": currency}
        billing.services.record_transaction(**self.who, amount=Decimal(str(amount)), **named)

    def record(self, *stated: dict[str, Any], **more: Any) -> Any:
        return services.record_transaction(**self.who, **NAMES | more, costs=list(stated)).row

    def complete(self, row: Any, outcome: str = "success", **more: Any) -> Any:
        return services.complete_transaction(**self.who, transaction_id=row["id"], outcome=outcome, **more).row["transaction"]

    def cancel(self, row: Any) -> Any:
        return services.cancel_transaction(**self.who, transaction_id=row["id"]).row

    def add_cost(self, row: Any, amount: Any, **more: Any) -> Any:
        its = {"transaction_id": row["id"], "fiat_amount": Decimal(str(amount)), "fiat_asset_symbol": "USD", "is_estimate": False}
        return services.record_cost(**self.who, **its | more).row["cost"]

    def payment(self, row: Any) -> Payment:
        return Payment.objects.get(tenant_id=self.tenant_id, transaction_id=row["id"])

    def money(self) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        """Credits, what is held of them, the wallet, what is held on it."""
        grants = Grant.objects.filter(tenant_id=self.tenant_id)
        wallets = Wallet.objects.filter(tenant_id=self.tenant_id, currency="USD")
        return (
            sum((grant.balance for grant in grants), Decimal(0)),
            sum((grant.held for grant in grants), Decimal(0)),
            sum((wallet.balance for wallet in wallets), Decimal(0)),
            sum((wallet.held for wallet in wallets), Decimal(0)),
        )

    def active(self, row: Any) -> list[tuple[Decimal, bool, str | None]]:
        """The active costs: amount, whether it is an estimate, details."""
        found = Cost.objects.filter(tenant_id=self.tenant_id, transaction_id=row["id"], is_active=True).order_by("id")
        return [(one.fiat_amount, one.is_estimate, one.cost_details) for one in found]

    def move_clock(self, payment: Payment) -> None:
        """Make a payment and its holds overdue."""
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SELECT clock_timestamp()")
            its = {"id": str(payment.id), "now": cursor.fetchone()[0]}
            for table, condition in (
                ("paying_payment", "id = %(id)s"),
                ("credits_hold", "idempotency_key = 'payment:' || %(id)s"),
                ("credits_holdline", "hold_id IN (SELECT id FROM credits_hold WHERE idempotency_key = 'payment:' || %(id)s)"),
                ("credits_holdcall", "hold_id IN (SELECT id FROM credits_hold WHERE idempotency_key = 'payment:' || %(id)s)"),
                ("paying_paymentcall", "payment_id = %(id)s"),
                ("billing_walletholdentry", "hold_id IN (SELECT id FROM billing_wallethold WHERE reference_id = 'payment:' || %(id)s)"),
                ("billing_wallethold", "reference_id = 'payment:' || %(id)s"),
            ):
                column = "hold_expires_at" if table == "paying_payment" else "expires_at"
                cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
                cursor.execute(f"UPDATE {table} SET {column} = %(now)s WHERE {condition}", its)
                cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")

    def is_sound(self) -> None:
        found = [
            (name, violation.facts)
            for ledger in LEDGERS
            for name, _, search in checks_of(ledger)
            for violation in search(self.tenant_id, 3)
        ]
        assert not found, found
