"""A prepared queryset has the rows of the queryset, and is compiled once for each set of arguments that are None."""

from datetime import UTC, timedelta
from decimal import Decimal
from functools import partial

import pytest
from django.db.models import Q, Sum
from django.utils import timezone

from credits import services
from credits.models import CreditTransaction, Grant, HoldLine
from kernel.ledger.prepared_queries import is_one_of, prepared
from tests.credits.book import Book
from tests.factories import TenantFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def book():
    book = Book(TenantFactory().id)
    for customer in ("ada", "bob"):
        grant = book.grant(100, customer_id=customer)
        for amount in (1, 2):
            book.debit(grant, amount)
    return book


def lines(*, tenant_id):
    return HoldLine.objects.filter(tenant_id=tenant_id).values("grant_id", "chosen_by", "amount", "expires_at")


def entries(*, tenant_id, least):
    conditions = Q() if least is None else Q(amount__gte=least)
    return CreditTransaction.objects.filter(conditions, tenant_id=tenant_id).order_by("created_at", "id").values("id", "amount", "kind")


def sums(*, tenant_id, customers):
    found = CreditTransaction.objects.filter(is_one_of("customer_id", customers), tenant_id=tenant_id)
    return found.order_by("customer_id").values("customer_id").annotate(amount=Sum("amount"))


@pytest.mark.parametrize(
    ("build", "arguments", "count"),
    [
        (lines, {}, 1),
        (entries, {"least": None}, 6),
        (entries, {"least": Decimal(2)}, 4),
        (entries, {"least": Decimal(1000)}, 0),
    ],
)
def test_the_rows_are_those_of_the_queryset(book, build, arguments, count):
    until = timezone.now() + timedelta(minutes=1)
    services.place_hold(**book.context, customer_id="ada", currency="USD", amount=Decimal(5), expires_at=until)
    rows = prepared(build)(tenant_id=book.tenant_id, **arguments)
    assert rows == list(build(tenant_id=book.tenant_id, **arguments))
    assert len(rows) == count


@pytest.mark.parametrize(("customers", "found"), [(["ada"], ["ada"]), (["bob", "eve", "ada"], ["ada", "bob"]), ([], [])])
def test_a_list_is_one_argument(book, customers, found):
    call = partial(prepared(sums), customers=customers)
    assert [row["customer_id"] for row in call(tenant_id=book.tenant_id)] == found
    assert call(tenant_id=TenantFactory().id) == []


def test_a_queryset_is_built_once_for_each_set_of_arguments_that_are_none(book, django_assert_num_queries):
    built = []

    @prepared
    def grants(*, tenant_id, customer_id):
        built.append(customer_id)
        found = Grant.objects.filter(tenant_id=tenant_id)
        return (found if customer_id is None else found.filter(customer_id=customer_id)).values("id")

    with django_assert_num_queries(5):
        seen = [len(grants(tenant_id=book.tenant_id, customer_id=each)) for each in ("ada", None, "eve", None, "bob")]
    assert (seen, len(built)) == ([1, 2, 0, 2, 1], 2)


def test_an_argument_must_be_given(book):
    with pytest.raises(KeyError):
        prepared(entries)(tenant_id=book.tenant_id)


def test_moments_are_in_utc_as_django_reads_them(book):
    def moments(*, tenant_id):
        return CreditTransaction.objects.filter(tenant_id=tenant_id).order_by("created_at", "id").values("created_at")

    read = [[row["created_at"] for row in rows(tenant_id=book.tenant_id)] for rows in (prepared(moments), moments)]
    assert read[0] == read[1]
    assert {moment.tzinfo for moment in read[0] + read[1]} == {UTC}
