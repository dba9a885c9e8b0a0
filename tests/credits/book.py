"""Creates grants and transactions for tests, and checks the tenant's book."""

from decimal import Decimal
from typing import Any
from uuid import UUID

from backoffice.integrity.checks import checks_of
from credits import services
from credits.models import CreditTransaction, Grant, HoldEntry, HoldLine


class Book:
    def __init__(self, tenant_id: UUID) -> None:
        self.tenant_id = tenant_id
        self.context = {"tenant_id": tenant_id, "actor": "command:test", "request_id": "test"}

    def grant(self, amount: Any = 100, **facts: Any) -> UUID:
        defaults = {
            "customer_id": "acme",
            "name": "Credits",
            "unit_type": "CURRENCY",
            "currency": "USD",
            "amount": Decimal(str(amount)),
        }
        return services.create_grant(**self.context, **defaults | facts).row.id

    def post(self, grant_id: UUID, kind: str, amount: Any, **facts: Any) -> Any:
        return services.record_transaction(**self.context, grant_id=grant_id, type=kind, amount=Decimal(str(amount)), **facts)

    def debit(self, grant_id: UUID, amount: Any, **facts: Any) -> Any:
        return self.post(grant_id, "DEBIT", amount, **facts)

    def credit(self, grant_id: UUID, amount: Any, **facts: Any) -> Any:
        return self.post(grant_id, "CREDIT", amount, **facts)

    def balance(self, grant_id: UUID) -> Decimal:
        return Grant.objects.get(id=grant_id).balance

    def entries(self, grant_id: UUID) -> list[tuple[str, str, Decimal]]:
        rows = CreditTransaction.objects.filter(grant_id=grant_id).order_by("entry_number")
        return [(row.kind, row.type, row.amount) for row in rows]

    def check(self) -> None:
        """Asserts that every grant of the tenant agrees with its entries: numbers without gaps, balances, cost bases, holds.

        Recomputes them in Python, and runs the checks of `verify_ledgers`.
        """
        assert not [(name, list(search(self.tenant_id, 1))) for name, _, search in checks_of("credits") if list(search(self.tenant_id, 1))]
        for grant in Grant.objects.filter(tenant_id=self.tenant_id):
            balance, cost = Decimal(0), Decimal(0)
            rows = list(CreditTransaction.objects.filter(grant_id=grant.id).order_by("entry_number"))
            for number, row in enumerate(rows, 1):
                sign = 1 if row.type == "CREDIT" else -1
                balance += sign * row.amount
                cost += sign * (row.cost_basis or 0)
                assert (row.entry_number, row.balance_after, row.customer_id) == (number, balance, grant.customer_id)
                assert balance >= 0
            assert (grant.balance, grant.last_entry_number, grant.last_entry_at) == (balance, len(rows), rows[-1].created_at)
            assert rows == sorted(rows, key=lambda row: row.created_at)
            self.check_held(grant)
            share = min(grant.balance, grant.original_amount) / grant.original_amount
            assert abs(cost - (grant.cost_of_credit or 0) * share) < Decimal("1e-17")

    def check_held(self, grant: Grant) -> None:
        """Asserts that `held` of a grant is the sum of its hold entries, and of what its hold lines still reserve."""
        entries = HoldEntry.objects.filter(grant_id=grant.id)
        total = sum(entry.amount if entry.kind == "placed" else -entry.amount for entry in entries)
        assert grant.held == total == sum(line.remaining for line in HoldLine.objects.filter(grant_id=grant.id))
        assert grant.held <= grant.balance
