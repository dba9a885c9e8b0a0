"""A small API of its own, served through kernel.api: camelCase, with a body, a batch, a list and every kind of field."""

from types import SimpleNamespace
from uuid import UUID

from django.http import JsonResponse
from django.urls import path
from rest_framework.decorators import action
from rest_framework.routers import SimpleRouter

from kernel.api.amounts import AmountNumber, AmountText
from kernel.api.dialect import Dialect, camel_case
from kernel.api.fields import Boolean, Choice, Currency, Day, Identifier, Integer, JsonObject, Text, Timestamp
from kernel.api.nested import Batch, ListOf, Nested
from kernel.api.problems import Refused, RequestRefused
from kernel.api.schema import operation
from kernel.api.serializers import Body, Query, Reply
from kernel.api.views import LedgerViewSet
from kernel.ledger.errors import Insufficient
from kernel.tenants.models import Tenant

SALE = UUID("0190b4a0-0000-7000-8000-000000000001")


class ShopDialect(Dialect):
    name = "Shop"
    statuses = Dialect.statuses | {"insufficient": 402, "unknown_version": 400}
    cursor_names = {"after": "page[after]", "before": "page[before]"}
    always_refuses = (*Dialect.always_refuses, "unknown_version")
    request_headers = {"Shop-Version": ({"type": "string", "enum": ["1"]}, "The version to speak.")}
    always_headers = {"Shop-Version": ({"type": "string"}, "The version that answers.")}

    def wire_name(self, name):
        return camel_case(name)

    def check_request(self, request):
        if request.META.get("HTTP_SHOP_VERSION", "1") != "1":
            raise RequestRefused("unknown_version")

    def reply_headers(self, request):
        return {"Shop-Version": "1"}

    def error_body(self, problem):
        fields = [{"path": list(refused.path), "code": refused.code, "value": refused.value} for refused in self.fields_of(problem)]
        return {"code": problem.code, "facts": problem.facts, "place": problem.place, "fields": fields}

    def error_schema(self, status):
        return "ShopError", {"type": "object", "required": ["code"], "properties": {"code": {"type": "string"}}}

    def page_body(self, *, page, items, request):
        return {"items": items, "next": page.next, "previous": page.previous}

    def page_schema(self, item):
        return {"type": "object", "required": ["items"], "properties": {"items": {"type": "array", "items": item}}}


class ShopBody(Body):
    dialect = ShopDialect()


class ShopReply(Reply):
    dialect = ShopDialect()


class ShopQuery(Query):
    dialect = ShopDialect()


class LineRequest(ShopBody):
    unit_price = AmountText(sign="positive")
    is_estimate = Boolean()
    line_details = JsonObject(required=False, allow_null=True)


class SaleRequest(ShopBody):
    ignores_unknown = True
    total_amount = AmountNumber()
    sale_kind = Text(min_length=1, max_length=20)
    customer_id = Identifier(required=False, allow_null=True)
    currency = Currency(required=False, default="USD")
    state = Choice(["open", "closed"], required=False, allow_null=True)
    occurred_at = Timestamp(required=False, allow_null=True)
    due_day = Day(required=False, allow_null=True)
    quantity = Integer(min_value=1, max_value=1000, required=False)
    details = JsonObject(required=False, allow_null=True, max_size=2000, max_depth=8)
    lines = ListOf(Nested(LineRequest), required=False, allow_null=True, max_items=3)
    tags = ListOf(Text(max_length=5), required=False)

    @classmethod
    def check(cls, values):
        if values["state"] == "closed" and values["due_day"] is None:
            raise Refused("missing", field="due_day")
        return values


class SaleItem(SaleRequest):
    ignores_unknown = False


class SalesRequest(ShopBody):
    items = Batch(SaleItem, max_items=5)
    atomic = Boolean(required=False, default=False)


class NudgeRequest(ShopBody):
    may_be_empty = True
    why = Text(required=False, allow_null=True)


class SaleReply(ShopReply):
    id = Identifier()
    total_amount = AmountNumber()
    sale_kind = Text(required=False)


class BuyerReply(ShopReply):
    id = Identifier()
    slug = Text()


class BuyerQuery(ShopQuery):
    limit = Integer(min_value=1, max_value=100, required=False, default=20, wire_name="page[limit]")
    after = Text(required=False, wire_name="page[after]")
    before = Text(required=False, wire_name="page[before]")
    from_day = Timestamp(required=False, days=True)
    is_open = Boolean(required=False)
    least_amount = AmountNumber(required=False)


class SaleViewSet(LedgerViewSet):
    dialect = ShopDialect()
    ledger = "billing"
    lookup_value_converter = "uuid"
    requires_on_behalf_of = frozenset({"nudge"})

    @operation(
        summary="Record a sale",
        body=SaleRequest,
        reply=SaleReply,
        status=201,
        refuses=("insufficient", "idempotency_conflict"),
        idempotent=True,
        replays=True,
    )
    def create(self, request):
        """What this call does."""
        body = self.read(SaleRequest)
        if body["sale_kind"] == "broke":
            raise Insufficient(balance="0")
        if body["sale_kind"] == "bug":
            raise ZeroDivisionError
        row = SimpleNamespace(id=SALE, total_amount=body["total_amount"], sale_kind=body["sale_kind"])
        return self.reply(SaleReply, row, status=201, replayed=self.idempotency_key() == "again")

    @operation(summary="Buyers", query=BuyerQuery, reply=BuyerReply, paged=True)
    def list(self, request):
        query = self.query(BuyerQuery)
        rows = Tenant.objects.filter(slug__startswith="buyer").values("id", "slug", "name")
        return self.page(BuyerReply, rows, limit=query["limit"], after=query["after"], before=query["before"], key=("name", "id"))

    @operation(summary="One sale", reply=SaleReply)
    def retrieve(self, request, pk):
        return self.reply(SaleReply, {"id": pk, "total_amount": 1})

    @operation(summary="Several sales", body=SalesRequest, reply={"type": "object"})
    @action(detail=False, methods=["post"])
    def batch(self, request):
        body = self.read(SalesRequest)
        return JsonResponse({"taken": [isinstance(item, dict) for item in body["items"]]})

    @operation(summary="Lines of sales", body=SaleRequest, many=True, reply={"type": "object"})
    @action(detail=False, methods=["post"])
    def many(self, request):
        return JsonResponse({"taken": [isinstance(item, dict) for item in self.read_list(SaleRequest, max_items=5)]})

    @operation(summary="Nudge", body=NudgeRequest, reply={"type": "object"})
    @action(detail=True, methods=["post"])
    def nudge(self, request, pk):
        return JsonResponse({"why": self.read(NudgeRequest)["why"], **self.audit_context()})


router = SimpleRouter(trailing_slash=False, use_regex_path=False)
router.register("v1/sales", SaleViewSet, basename="sales")
urlpatterns = [*router.urls, path("v1/customers/<str:pk>", SaleViewSet.as_view({"get": "retrieve"}))]
