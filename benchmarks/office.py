"""The back office with millions of rows in each of the three ledgers: the server's time for each page, the web server left out."""

import itertools
from collections.abc import Iterator

from benchmarks.book import figures_of, prove
from benchmarks.database import Database
from benchmarks.grown_ledgers import fill
from benchmarks.growth import grown
from benchmarks.measure import Candidate, Comparison, Sample

PAGE_MS, DASHBOARD_MS = 500.0, 1000.0
ROUNDS = 3
# Of each page in a round; one more before them doesn't count.
REQUESTS = 3
# In process, each page a few times; the caches of Django and the figures of the dashboard are emptied before every request.
OPEN = """
import json, os, statistics, sys, time
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
from urllib.parse import quote, urlencode
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.test import Client
from billing.models import Transaction as Money, Wallet
from credits.models import CreditTransaction, Grant
from metering.models import Agent, Cost, Service, Transaction as Call
users = get_user_model().objects
office = Client()
office.force_login(users.filter(username="bench").first() or users.create_superuser("bench"))
entries, grants, found = "/admin/credits/credittransaction/", "/admin/credits/grant/", "/admin/search/?extended=1&s="
entry = CreditTransaction.objects.order_by("-id")[1000]
day = f"{entry.created_at:%Y-%m-%d}"
own = urlencode({"tenant": entry.tenant_id, "id": entry.customer_id})
pages = {
    "list": entries, "list, page 20": entries + "?p=20", "list of all time": entries + "?window=all",
    "list of one tenant, by time": f"{entries}?window=all&tenant={entry.tenant_id}&o=9",
    "list of one customer": f"{entries}?{urlencode({'customer': entry.customer_id, 'window': 'all'})}",
    "list by an amount that few have": entries + "?window=all&amount_from=100&amount_to=200",
    "list by a currency that none has": entries + "?window=all&currency=EUR",
    "list of debits of one day": f"{entries}?type=DEBIT&created_at_from_0={day}&created_at_to_0={day}",
    "list, search for a part of a customer": entries + "?q=" + quote("stomer 77"),
    "list, search for an amount": entries + "?q=amount:7350.25",
    "list of grants": grants, "page of an entry": f"{entries}{entry.pk}/change/", "page of a grant": f"{grants}{entry.grant_id}/change/",
    "customers": "/admin/customers/", "customers, search": "/admin/customers/?q=777",
    "page of a customer": f"/admin/customers/customer/?{own}", "statement of a customer": f"/admin/customers/statement/?{own}",
    "palette: a name": found + quote("customer 77"), "palette: a part of a name": found + quote("stomer 77"),
    "palette: an amount": found + "amount:7350.25", "palette: customer and month": found + quote("customer:777 march 2026"),
    "palette: nothing": found + "zzzz", "dashboard, cold": "/admin/",
}
money, call = Money.objects.order_by("-id")[1000], Call.objects.order_by("-id")[1000]
cost, wallet, agent, service = (model.objects.order_by("-id")[0] for model in (Cost, Wallet, Agent, Service))
for model, row, searched in ((Money, money, "run 777777"), (Call, call, "agent 77"), (Cost, cost, "service 7")):
    address, title = f"/admin/{model._meta.label_lower.replace('.', '/')}/", f"{model._meta.app_label} {model._meta.model_name}"
    tenant = f"{address}?window=all&tenant={row.tenant_id}"
    pages |= {
        f"{title}: list": address, f"{title}: list, page 20": address + "?p=20", f"{title}: list of all time": address + "?window=all",
        f"{title}: list of one tenant": tenant,
        f"{title}: list of one day": f"{address}?created_at_from_0={day}&created_at_to_0={day}",
        f"{title}: list, search": address + "?q=" + quote(searched), f"{title}: list, search of all time": tenant + "&q=" + quote(searched),
        f"{title}: list, search for an amount": address + "?q=amount:7.25", f"{title}: page of a row": f"{address}{row.pk}/change/",
    }
    if model is not Call:
        pages |= {
            f"{title}: list by an amount that few have": tenant + "&amount_from=9.99&amount_to=9.99",
            f"{title}: list by an amount that none has": tenant + "&amount_from=100&amount_to=200",
        }
for row in (wallet, agent, service):
    label = row._meta.label_lower
    address = f"/admin/{label.replace('.', '/')}/"
    pages |= {f"{label}: list": address, f"{label}: page": f"{address}{row.pk}/change/"}
palette = {"a reference": "run 777777", "an agent": "agent:77", "a call": str(call.pk), "a service": "service:7"}
pages |= {f"palette: {name}": found + quote(typed) for name, typed in palette.items()}
answers = {}
for name, path in pages.items():
    times = []
    for number in range(int(sys.argv[1]) + 1):
        cache.clear()
        begun = time.perf_counter()
        status = office.get(path).status_code
        times.append((time.perf_counter() - begun) * 1000)
        assert status == 200, (name, status)
    answers[name] = statistics.median(times[1:])
print(json.dumps(answers))
"""


def office(database: Database, rows: int) -> Iterator[Comparison]:
    book = grown(database, "bench_office", rows)
    fill(database, book, rows)
    answers = [figures_of(book, OPEN, str(REQUESTS)) for _ in range(ROUNDS)]
    for page in answers[0]:
        limit = DASHBOARD_MS if page == "dashboard, cold" else PAGE_MS
        rounds = itertools.cycle([each[page] for each in answers])
        yield Comparison(
            path=f"office at {rows:,} rows: {page}",
            unit="ms",
            candidates=[
                Candidate("this office", lambda rounds=rounds: Sample(next(rounds))),
                Candidate("the limit", lambda limit=limit: Sample(limit)),
            ],
            targets={"the limit": 1.0},
            less_is_better=True,
        )
    prove(book)
