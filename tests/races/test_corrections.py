"""Two people answer the same request at the same moment: it is posted once."""

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier

import pytest
from django.db import connections

from billing import services as billing
from billing.models import Transaction, Wallet
from kernel.corrections import services
from kernel.corrections.services import CorrectionDraft
from kernel.ledger.errors import LedgerError
from tests.factories import TenantFactory


@pytest.mark.django_db(transaction=True)
def test_two_approvals_at_once_post_once():
    tenant = TenantFactory()
    context = {"tenant_id": tenant.id, "actor": "command:test", "request_id": ""}
    billing.record_transaction(**context, amount=Decimal(100), type="topup", reference_id="a")
    usage = billing.record_transaction(**context, amount=Decimal(30), type="usage", reference_id="b").row
    draft = CorrectionDraft(tenant.id, "billing.reverse", (usage.id,), {}, "duplicate", "Twice.")
    seen = services.preview_correction(actor="staff:1", draft=draft).digest
    correction = services.request_correction(actor="staff:1", request_id="", draft=draft, preview_digest=seen)
    barrier = Barrier(4)

    def approve(number):
        try:
            barrier.wait(10)
            services.approve_request(tenant_id=tenant.id, actor=f"staff:{number}", correction_id=correction.id, version=1)
        except LedgerError as error:
            return error.code
        finally:
            connections.close_all()
        return "posted"

    with ThreadPoolExecutor(4) as pool:
        outcomes = sorted(pool.map(approve, range(2, 6)))
    assert outcomes == ["not_waiting"] * 3 + ["posted"]
    assert (Transaction.objects.count(), Wallet.objects.get().balance) == (3, Decimal(100))
