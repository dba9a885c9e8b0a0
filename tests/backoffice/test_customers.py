"""A customer's page: balances, grants, one timeline of the three ledgers, a statement; and the list and the names that lead to it."""

import re
from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from billing import services as billing
from credits import services as credits
from credits.models import Grant
from metering.services.transactions import record_transaction
from tests.backoffice.staff_members import employ, log_in
from tests.backoffice.test_settings import change
from tests.factories import TenantFactory

pytestmark = pytest.mark.django_db
WHO = {"actor": "command:test", "request_id": "test"}


def text_of(response):
    assert response.status_code == 200
    return " ".join(re.sub("<[^>]*>", " ", response.content.decode()).split())


def test_a_customer_is_found_named_and_read_over_the_three_ledgers(django_assert_max_num_queries):
    tenant = TenantFactory(name="Acme")
    context = {"tenant_id": tenant.id, **WHO}
    its = {"customer_id": "cust/1 & co", "currency": "USD"}
    soon = timezone.now().date() + timedelta(days=10)
    credits.create_grant(**context, **its, unit_type="CURRENCY", name="Prepaid", amount=Decimal(100), expiry_date=soon)
    credits.place_hold(**context, **its, amount=Decimal(5), expires_at=timezone.now() + timedelta(hours=1))
    credits.consume(**context, **its, amount=Decimal(30), invoice_id="INV-1")
    credits.create_recurring_grant(**context, **its, unit_type="CURRENCY", name="Monthly", amount=Decimal(7))
    billing.record_transaction(**context, amount=Decimal(30), type="usage", reference_id="INV-1")
    record_transaction(**context, service_name="model", action_name="chat", resource_name="r", customer_id="cust/1 & co", costs=[])
    operator, clerk = log_in(employ("olga", "operator")), log_in(employ("clara", "clerk"))
    change(operator, "backoffice/customer/name-customer", tenant=tenant, customer_id="cust/1 & co", name="Müller AG", notes_text="tax=19 %")
    found = clerk.get("/admin/search/", {"s": "müller", "extended": "1"}).content.decode()
    grant = clerk.get(f"/admin/credits/grant/{Grant.objects.first().id}/change/").content.decode()
    assert all("customers/customer/?tenant=" in html and "Müller AG" in html for html in (found, grant))
    listed = operator.get("/admin/customers/", {"tenant": tenant.id, "q": "müller"})
    [row] = listed.context["customers"]
    with django_assert_max_num_queries(30):
        page = text_of(clerk.get(row["url"]))
    for shown in (
        "Müller AG",
        "tax 19 %",
        "USD 72.00 USD held 5.00 USD",
        "70.00 USD",
        "Consumption",
        "model chat",
        "usage",
        "Monthly",
        "Void",
    ):
        assert shown in page
    statement = text_of(clerk.get(row["url"].replace("customers/customer", "customers/statement") + "&clock=world"))
    assert "USD 0.00 USD 77.00 USD 77.00 USD" in statement


def test_the_list_goes_on_after_a_page_and_shows_no_tenant_that_the_reader_does_not_see(monkeypatch):
    monkeypatch.setattr("backoffice.customers.LISTED", 2)
    tenant, foreign = TenantFactory(name="Acme"), TenantFactory(name="Foreign")
    for owner, customer_id in [(tenant, "a"), (tenant, "b"), (tenant, "b"), (tenant, "c"), (foreign, "d")]:
        facts = {"name": "g", "unit_type": "CURRENCY", "currency": "USD", "amount": Decimal(1)}
        credits.create_grant(tenant_id=owner.id, **WHO, customer_id=customer_id, **facts)
    reader = log_in(employ("vera", "viewer", tenants=[tenant]))
    first = reader.get("/admin/customers/", {"tenant": foreign.id})
    assert [row["id"] for row in first.context["customers"]] == ["a", "b"]
    assert [row["id"] for row in reader.get(f"/admin/customers/{first.context['next']}").context["customers"]] == ["c"]
    assert reader.get("/admin/customers/customer/", {"tenant": foreign.id, "id": "d"}).status_code == 404
    assert reader.get("/admin/customers/customer/", {"tenant": tenant.id, "id": "nobody"}).status_code == 404
    assert log_in(employ("norah")).get("/admin/customers/").status_code == 403
