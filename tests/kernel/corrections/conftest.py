"""A wallet with a few entries, and people who put it right."""

from decimal import Decimal

import pytest

from billing import services as billing
from kernel.corrections import services
from kernel.corrections.services import Wish
from tests.factories import TenantFactory

ASKER, OTHER = "staff:1", "staff:2"


@pytest.fixture
def tenant(db):
    return TenantFactory()


@pytest.fixture
def record(tenant):
    def record(amount, *, type="usage", reference_id, tenant=tenant):
        return billing.record_transaction(
            tenant_id=tenant.id, actor="command:test", amount=Decimal(amount), type=type, reference_id=reference_id
        )

    return record


@pytest.fixture
def topup(record):
    return record("100", type="topup", reference_id="first")


@pytest.fixture
def usage(record, topup):
    return record("30.5", reference_id="second")


@pytest.fixture
def wish(tenant):
    def wish(*targets, kind="billing.reverse", facts=None, reason_code="duplicate", reason="Charged twice by our own retry."):
        return Wish(
            tenant_id=tenant.id,
            kind=kind,
            target_ids=tuple(target.id for target in targets),
            facts=facts or {},
            reason_code=reason_code,
            reason=reason,
        )

    return wish


@pytest.fixture
def ask():
    def ask(wish, *, actor=ASKER, **more):
        seen = services.preview(actor=actor, wish=wish).seen
        return services.ask(actor=actor, request_id="http-1", wish=wish, seen=seen, **more)

    return ask


@pytest.fixture
def threshold(tenant):
    def threshold(amount, unit="USD"):
        return services.set_threshold(tenant_id=tenant.id, actor="staff:9", unit=unit, amount=Decimal(amount))

    return threshold
