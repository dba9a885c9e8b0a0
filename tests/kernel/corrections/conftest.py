"""A wallet with a few entries, and people who put it right."""

from decimal import Decimal

import pytest

from billing import services as billing
from kernel.corrections import services
from kernel.corrections.services import CorrectionDraft
from tests.factories import TenantFactory

REQUESTER, OTHER = "staff:1", "staff:2"


@pytest.fixture
def tenant(db):
    return TenantFactory()


@pytest.fixture
def record(tenant):
    def record(amount, *, type="usage", reference_id, tenant=tenant):
        return billing.record_transaction(
            tenant_id=tenant.id, actor="command:test", request_id="", amount=Decimal(amount), type=type, reference_id=reference_id
        ).row

    return record


@pytest.fixture
def topup(record):
    return record("100", type="topup", reference_id="first")


@pytest.fixture
def usage(record, topup):
    return record("30.5", reference_id="second")


@pytest.fixture
def draft(tenant):
    def draft(*targets, kind="billing.reverse", facts=None, reason_code="duplicate", reason="Charged twice by our own retry."):
        return CorrectionDraft(
            tenant_id=tenant.id,
            kind=kind,
            target_ids=tuple(target.id for target in targets),
            facts=facts or {},
            reason_code=reason_code,
            reason=reason,
        )

    return draft


@pytest.fixture
def ask():
    def ask(draft, *, actor=REQUESTER, **more):
        seen = services.preview_correction(actor=actor, draft=draft).digest
        return services.request_correction(actor=actor, request_id="http-1", draft=draft, preview_digest=seen, **more)

    return ask


@pytest.fixture
def threshold(tenant):
    def threshold(amount, unit="USD"):
        return services.set_threshold(tenant_id=tenant.id, actor="staff:9", unit=unit, amount=Decimal(amount))

    return threshold
