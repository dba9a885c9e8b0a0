"""The back office's admin classes, and what it adds to the pages of other apps.

Django imports this package when it looks for admin classes, and each of these modules registers something by being imported: classes;
panels on the pages of rows (`row_pages`, `customers.links`); where events lead to (`row_pages.event_objects`); which rows a figure adds up
(`dashboard.figure_rows`); what a part of a name means in a search (`search.names`).
"""

from backoffice.admin import customers, near_duplicates, own_tables, tenants, users
from backoffice.customers import links
from backoffice.dashboard import figure_rows
from backoffice.row_pages import event_objects, history, other_ledgers
from backoffice.search import names

__all__ = [
    "customers",
    "event_objects",
    "figure_rows",
    "history",
    "links",
    "names",
    "near_duplicates",
    "other_ledgers",
    "own_tables",
    "tenants",
    "users",
]
