"""The change list of an admin page at an address: the rows that its filters choose, of the tenants that the user may see."""

from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from django.contrib import admin
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ChangeList
from django.core.exceptions import EmptyResultSet, PermissionDenied
from django.db import DataError, connections, transaction
from django.http import Http404, HttpRequest, QueryDict
from django.test.client import RequestFactory
from django.urls import Resolver404, resolve


def changelist_at(request: HttpRequest, address: str) -> ChangeList:
    """The change list at `address` (a path with its query) of all rows that it filters: no page divides them.

    Raises Http404, PermissionDenied.
    """
    parts = urlsplit(address)
    try:
        match = resolve(parts.path)
    except Resolver404:
        raise Http404 from None
    page = next((page for page in admin.site._registry.values() if match.view_name == _list_name(page)), None)
    if page is None:
        raise Http404
    if not page.has_view_permission(request):
        raise PermissionDenied
    # The changelist itself selects the rows, with its own filters, search and tenant limits.
    list_request: Any = RequestFactory().get(parts.path)
    list_request.GET, list_request.user, list_request.reads_every_row = QueryDict(parts.query), request.user, True
    try:
        changelist = page.get_changelist_instance(list_request)
        _check_filter_values(changelist.queryset)
    except (IncorrectLookupParameters, OverflowError, DataError):
        raise Http404 from None
    return changelist


def _check_filter_values(rows: Any) -> None:
    """Raises OverflowError or DataError for a value of a filter that is out of range: the database finds it in a plan, and reads no row."""
    with suppress(EmptyResultSet), transaction.atomic(), connections[rows.db].cursor() as cursor:
        statement, parameters = rows.query.sql_with_params()
        cursor.execute(f"EXPLAIN {statement}", parameters)


def _list_name(page: Any) -> str:
    return f"admin:{page.opts.app_label}_{page.opts.model_name}_changelist"
