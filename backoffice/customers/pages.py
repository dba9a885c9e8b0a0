"""The pages of customers: what a customer has, every grant, one timeline over the three ledgers, and what can be done about it.

A customer is a name that callers give; the ledgers have no table of them. `Customer` holds what staff call one.
"""

from collections.abc import Iterator
from datetime import UTC
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import Case, Count, F, Q, QuerySet, Sum, When
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.views.decorators.http import require_safe

from backoffice.customers.id_search import USAGE_PERMISSION, customers_beginning_with, customers_containing
from backoffice.customers.links import customer_url
from backoffice.customers.rows import MAX_ID, name_of_new, row_of_customer, rows_of_customers
from backoffice.customers.timeline import timeline
from backoffice.models import Customer, id_of_customer
from credits import selectors as credits
from credits.admin import unit_of
from credits.choices import EXPIRES_SOON_WITHIN, GrantStatus, RecurringGrantStatus, UnitType
from credits.models import Grant, Hold, RecurringGrant
from credits.selectors.balances import HELD_OF_GRANT
from credits.selectors.database_now import TODAY, database_now
from credits.selectors.grants import status_today
from kernel.base.empty_values import NOTHING
from kernel.base.local_time import local_time
from kernel.corrections.choices import REQUEST_PAGE, REQUEST_PERMISSION
from kernel.corrections.kinds import list_kinds
from kernel.corrections.models import CorrectionEntry, CorrectionRequest
from kernel.ledger.admin import Panel
from kernel.ledger.admin.figures import figure_url
from kernel.ledger.admin.formatting import action_link, actor_names, label, link, money, row_link
from kernel.ledger.admin.text_conditions import has_words
from kernel.ledger.clocks import CLOCK_TITLES, Clock
from kernel.ledger.holds import OPEN, set_live_held
from kernel.tenants.models import Tenant
from kernel.tenants.staff_scope import VisibleTenants, scope_of
from metering.models import Transaction as MeteredTransaction

PERMISSION = "credits.view_grant"
# Customers on a page of the list, and rows of each part of a customer's page.
LISTED, SHOWN = 50, 50
# How long the list's search for a part of an id may take, in milliseconds.
CUSTOMER_PART_MS = 350
OPEN_FIRST = Case(When(Q(status=GrantStatus.OPEN) & ~Q(expiry_date__lt=TODAY), then=0), default=1)
STATE_COLOURS = {GrantStatus.OPEN: "good", GrantStatus.EXPIRED: "wait"}
# One look-up in each index for each customer, however many grants and calls a customer has.
NEXT_CUSTOMER = """
    SELECT least(
        (SELECT customer_id FROM credits_grant WHERE tenant_id = %(tenant)s AND customer_id > {after} ORDER BY customer_id LIMIT 1),
        (SELECT customer_id FROM metering_transaction WHERE %(with_usage)s AND tenant_id = %(tenant)s AND customer_id > {after}
            ORDER BY customer_id LIMIT 1)
    ) AS customer_id
"""
NEXT_CUSTOMERS = f"""
    WITH RECURSIVE listed AS (
        SELECT first.customer_id, 1 AS place FROM ({NEXT_CUSTOMER.format(after="%(after)s")}) AS first
        UNION ALL
        SELECT next.customer_id, listed.place + 1
        FROM listed CROSS JOIN LATERAL ({NEXT_CUSTOMER.format(after="listed.customer_id")}) AS next
        WHERE listed.place < %(count)s AND listed.customer_id IS NOT NULL
    )
    SELECT customer_id FROM listed WHERE customer_id IS NOT NULL
"""  # noqa: S608 - made of constants


# ---- the list


@require_safe
def customer_list(request: HttpRequest) -> HttpResponse:
    """The customers of a tenant who have grants or metered calls, by id; or those whose id or name has the searched text in it."""
    tenants = list(_tenants(request))
    chosen = next((tenant for tenant in tenants if str(tenant.pk) == request.GET.get("tenant")), tenants[0] if tenants else None)
    term, after = (request.GET.get(name, "").replace("\0", "").strip() for name in ("q", "after"))
    ids: list[str] = []
    is_complete, with_usage = True, request.user.has_perm(USAGE_PERMISSION)
    if chosen is not None and term:
        ids, is_complete = _search(chosen, term, with_usage=with_usage)
    elif chosen is not None:
        ids = _next_customers(chosen, after, with_usage=with_usage)
    context = {
        **admin.site.each_context(request),
        "title": "Customers",
        "tenants": tenants,
        "tenant": chosen,
        "term": term,
        "is_complete": is_complete,
        "may_request": request.user.has_perm(REQUEST_PERMISSION),
        "customers": _with_balances(chosen, ids[:LISTED]) if chosen is not None else [],
        "next": f"?{urlencode({'tenant': chosen.pk, 'after': ids[LISTED - 1]})}"
        if chosen is not None and not term and len(ids) > LISTED
        else "",
        "has_more": bool(term) and len(ids) > LISTED,
    }
    return TemplateResponse(request, "backoffice/customers.html", context)


def _tenants(request: HttpRequest) -> QuerySet[Tenant]:
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    return scope_of(request.user).limit(Tenant.objects.order_by("name", "id"))


def _next_customers(tenant: Tenant, after: str, *, with_usage: bool) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(NEXT_CUSTOMERS, {"tenant": tenant.pk, "after": after, "count": LISTED + 1, "with_usage": with_usage})
        return [customer_id for (customer_id,) in cursor.fetchall()]


def _search(tenant: Tenant, term: str, *, with_usage: bool) -> tuple[list[str], bool]:
    """Customers with exactly this id, or whose name or id has each word in it, whatever its case and accents.

    Also whether there was time to look at all of them.
    """
    named = Customer.objects.filter(has_words(("name", "customer_id"), term), tenant=tenant)
    own = VisibleTenants(frozenset({tenant.pk}))
    exact = Grant.objects.filter(tenant=tenant, customer_id=term).exists() or (
        with_usage and MeteredTransaction.objects.filter(tenant=tenant, customer_id=term).exists()
    )
    begun = customers_beginning_with(term, own)
    parts, is_complete = customers_containing(
        term, own, Q(tenant=tenant), most=LISTED + 1, milliseconds=CUSTOMER_PART_MS, with_usage=with_usage
    )
    found = [*([term] if exact else []), *named.order_by("name").values_list("customer_id", flat=True)[:LISTED]]
    found += [customer_id for _, customer_id in begun] + sorted(customer_id for _, customer_id in parts)
    return list(dict.fromkeys(found)), is_complete


def _with_balances(tenant: Tenant, ids: list[str]) -> list[dict[str, Any]]:
    known = rows_of_customers(tenant_id=tenant.pk, customer_ids=ids)
    today = database_now().astimezone(UTC).date()
    sums = (
        Grant.objects.filter(tenant=tenant, customer_id__in=ids, status=GrantStatus.OPEN)
        .exclude(expiry_date__lt=today)
        .annotate(unit=Case(When(unit_type=UnitType.METRIC, then=F("metric_id")), default=F("currency")))
        .values("customer_id", "unit")
        .order_by()
        .annotate(
            # As on the customer's page: what can be drawn on today.
            total=Sum("balance", filter=Q(effective_date__lte=today)),
            later=Sum("balance", filter=Q(effective_date__gt=today)),
            held_total=Sum(HELD_OF_GRANT),
            grants=Count("id"),
        )
    )
    by_customer: dict[str, list[Any]] = {}
    for row in sums:
        by_customer.setdefault(row["customer_id"], []).append(row)
    return [
        {
            "id": customer_id,
            "name": known[customer_id].name if customer_id in known else "",
            "url": customer_url(tenant.pk, customer_id),
            "balances": [money(row["total"], row["unit"]) for row in by_customer.get(customer_id, []) if row["total"] is not None],
            "later": [money(row["later"], row["unit"]) for row in by_customer.get(customer_id, []) if row["later"]],
            "held": [money(row["held_total"], row["unit"]) for row in by_customer.get(customer_id, []) if row["held_total"]],
            "grants": sum(row["grants"] for row in by_customer.get(customer_id, [])),
        }
        for customer_id in ids
    ]


# ---- a new grant


def new_grant(request: HttpRequest) -> HttpResponse:
    """POST only: leads to the form of a new grant for the customer with this `tenant` and `id`, who need not have one yet."""
    if request.method != "POST":
        # After a sign-in in between, the browser comes back with a GET.
        return HttpResponseRedirect(reverse("admin:backoffice_customers"))
    if not request.user.has_perm(REQUEST_PERMISSION):
        raise PermissionDenied
    tenant, customer_id = find_customer(request)
    known = row_of_customer(tenant_id=tenant.pk, customer_id=customer_id)
    newest = Grant.objects.filter(tenant=tenant, customer_id=customer_id).order_by("-created_at", "-id").first()
    row_id = known.pk if known else id_of_customer(tenant.pk, customer_id)
    wanted = {"kind": "backoffice.grant", "row": row_id, "back": customer_url(tenant.pk, customer_id)}
    if known is None:
        # The row is made together with the request.
        wanted["new_row"] = name_of_new(tenant.pk, customer_id)
    wanted["currency"] = newest.currency if newest else tenant.currency
    return HttpResponseRedirect(f"{reverse(REQUEST_PAGE)}?{urlencode(wanted)}")


# ---- the page of a customer


@require_safe
def customer_page(request: HttpRequest) -> HttpResponse:
    """`tenant` and `id`: the customer; `clock`, `show` and `before_…`: see backoffice.customers.timeline."""
    tenant, customer_id = find_customer(request)
    of_customer: dict[str, Any] = {"tenant_id": tenant.pk, "customer_id": customer_id}
    known = row_of_customer(**of_customer)
    grants = list(Grant.objects.filter(**of_customer).order_by(OPEN_FIRST, "-created_at")[:SHOWN])
    set_live_held(grants, HELD_OF_GRANT)
    if not grants and known is None and not MeteredTransaction.objects.filter(**of_customer).exists():
        raise Http404
    clock = chosen_clock(request)
    own = {"tenant": tenant.pk, "id": customer_id}
    here = customer_url(tenant.pk, customer_id)
    context = {
        **admin.site.each_context(request),
        "title": known.name if known and known.name else f"Customer {customer_id}",
        "tenant": tenant,
        "customer_id": customer_id,
        "metadata": (known.metadata if known else {}).items(),
        "balances": _balances(**of_customer),
        "grants": [_grant(request, grant, back=here) for grant in grants],
        "timeline": timeline(request, clock, **of_customer),
        "panels": [panel for panel in (*_open(request, back=here, **of_customer), _corrections(tenant, grants, known)) if panel],
        "may_request": request.user.has_perm(REQUEST_PERMISSION),
        "clock": str(clock),
        "clocks": [(title, f"?{urlencode(own | {'clock': str(each)})}", each == clock) for each, title in CLOCKS],
        "statement_url": f"{reverse('admin:backoffice_customer_statement')}?{urlencode(own)}",
        "name_url": _name_url(request, tenant, customer_id, known),
    }
    return TemplateResponse(request, "backoffice/customer.html", context)


# Balances follow each other in book time: it comes first, and is the default. The figures of the dashboard have world time.
CLOCKS = tuple((each, CLOCK_TITLES[each]) for each in (Clock.BOOK, Clock.WORLD))


def chosen_clock(request: HttpRequest) -> Clock:
    return Clock.WORLD if request.GET.get("clock") == Clock.WORLD else Clock.BOOK


def find_customer(request: HttpRequest) -> tuple[Tenant, str]:
    """`tenant` and `id` of the address or the form. Raises PermissionDenied; Http404 for a tenant that the reader doesn't see."""
    parameters = request.POST if request.method == "POST" else request.GET
    tenants = _tenants(request)
    try:
        tenant = tenants.filter(pk=UUID(parameters.get("tenant", ""))).first()
    except ValueError:
        tenant = None
    customer_id = parameters.get("id", "")
    if tenant is None or not customer_id or "\0" in customer_id or len(customer_id) > MAX_ID:
        raise Http404
    return tenant, customer_id


def _name_url(request: HttpRequest, tenant: Tenant, customer_id: str, known: Customer | None) -> str:
    if not request.user.has_perm("backoffice.manage_customer"):
        return ""
    if known is not None:
        return reverse("admin:backoffice_customer_change_customer", args=(known.pk,))
    return f"{reverse('admin:backoffice_customer_name_customer')}?{urlencode({'tenant': tenant.pk, 'customer': customer_id})}"


def _balances(*, tenant_id: UUID, customer_id: str) -> list[dict[str, Any]]:
    """Of each currency and metric: what is available, held, and expires soon."""
    soon = database_now().astimezone(UTC).date() + EXPIRES_SOON_WITHIN
    found = []
    for balance in credits.customer_balances(tenant_id=tenant_id, customer_id=customer_id):
        expiring = sum((row["balance"] for row in balance["grants"] if row["expiry_date"] and row["expiry_date"] <= soon), Decimal(0))
        unit = balance["id"]
        of_customer: Any = {"tenant_id": tenant_id, "customer_id": customer_id, "unit": unit}
        found.append(
            {
                "unit": unit,
                "available": money(balance["available"], unit),
                "balance": link(figure_url("credits.grant", "usable", **of_customer), money(balance["balance"], unit)),
                "held": link(figure_url("credits.hold", "held", **of_customer), money(balance["held"], unit)),
                "expiring": link(figure_url("credits.grant", "usable_expiring", **of_customer), money(expiring, unit)),
            }
        )
    return found


def _grant(request: HttpRequest, grant: Grant, *, back: str) -> dict[str, Any]:
    actions = [
        (kind.title, f"{reverse(REQUEST_PAGE)}?{urlencode({'kind': kind.code, 'row': grant.pk, 'back': back})}")
        for kind in list_kinds("credits.grant")
        if request.user.has_perm(REQUEST_PERMISSION) and kind.applies_to(grant)
    ]
    unit, state = unit_of(grant), status_today(grant)
    return {
        "link": row_link(grant, grant.name),
        "state": label(state.label, STATE_COLOURS.get(state, "")),
        "width": int(min(grant.balance / grant.original_amount, Decimal(1)) * 100),
        "balance": money(grant.balance, unit),
        "original": money(grant.original_amount, unit),
        "held": money(grant.held, unit) if grant.held else "",
        "expires": grant.expiry_date,
        "actions": actions,
    }


def _open(request: HttpRequest, *, back: str, tenant_id: UUID, customer_id: str) -> Iterator[Panel]:
    """Open holds, and recurring grants, each with what the reader may do."""
    own: dict[str, Any] = {"tenant_id": tenant_id, "customer_id": customer_id}
    holds = Hold.objects.filter(OPEN, **own).order_by("-created_at", "-id")[:SHOWN]
    may_release, may_cancel = (request.user.has_perm(f"credits.manage_{name}") for name in ("hold", "recurringgrant"))
    lines = [
        (
            row_link(row),
            money(row.amount - row.captured, row.metric_id or row.currency),
            row.reason or NOTHING,
            local_time(row.expires_at),
            action_link("credits_hold_release", row.pk, "Release", back=back) if may_release else "",
        )
        for row in holds
    ]
    if lines:
        yield Panel("Open holds", ("Hold", "Reserved", "Reason", "Until", "Actions"), lines)
    recurring_grants = RecurringGrant.objects.filter(**own).order_by("-created_at", "-id")[:SHOWN]
    plans = [
        (
            row_link(row, row.name),
            money(row.amount, row.metric_id or row.currency),
            "every month" if row.every_months == 1 else f"every {row.every_months} months",
            row.next_on,
            row.get_status_display(),
            action_link("credits_recurringgrant_cancel", row.pk, "Cancel", back=back)
            if may_cancel and row.status == RecurringGrantStatus.ACTIVE
            else "",
        )
        for row in recurring_grants
    ]
    if plans:
        yield Panel("Recurring grants", ("Name", "Amount", "Period", "Next on", "State", "Actions"), plans)


def _corrections(tenant: Tenant, grants: list[Grant], known: Customer | None) -> Panel | None:
    """Of the grants that the page lists, and of the customer, whose new grants are requests for its own row."""
    accounts = [*(grant.pk for grant in grants), *([known.pk] if known else [])]
    entries = CorrectionEntry.objects.filter(tenant=tenant, account_id__in=accounts)
    requests = list(CorrectionRequest.objects.filter(tenant=tenant, id__in=entries.values("request_id")).order_by("-id")[:SHOWN])
    names = actor_names(row.requested_by for row in requests)
    lines = [(row_link(row), row.get_state_display(), row.reason, names[row.requested_by], local_time(row.created_at)) for row in requests]
    return Panel("Corrections and new grants", ("Request", "State", "Reason", "Requested by", "Requested"), lines) if lines else None
