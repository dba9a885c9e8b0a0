"""The back office's admin classes, and what it adds to the pages of other apps.

Django imports this package when it looks for admin classes, and each of these modules registers something by being imported: classes;
panels on the pages of rows (`history`, `ledger_panels`, `customers.links`); where events lead to (`event_objects`); which rows a figure
adds up (`figure_rows`); what a part of a name means in a search (`search.names`).
"""

from backoffice import event_objects, figure_rows, history, ledger_panels
from backoffice.admin import customers, near_duplicates, own_tables, tenants, users
from backoffice.customers import links
from backoffice.search import names

__all__ = [
    "customers",
    "event_objects",
    "figure_rows",
    "history",
    "ledger_panels",
    "links",
    "names",
    "near_duplicates",
    "own_tables",
    "tenants",
    "users",
]
