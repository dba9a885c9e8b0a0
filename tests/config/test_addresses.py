"""Addresses that were found once are found again, and only those of which there are few are remembered."""

from uuid import uuid4

import pytest
from django.urls import Resolver404, resolve, reverse

from config.asgi import ONE_POSTING, UPLOAD_PAGE
from config.urls import urlpatterns

KNOWN = urlpatterns[0]


def test_an_address_without_parameters_is_remembered():
    first, again = resolve("/credit-transactions"), resolve("/credit-transactions")
    assert (first.func, first.route) == (again.func, again.route)
    assert "credit-transactions" in KNOWN._matches


def test_an_address_with_a_parameter_is_found_each_time_anew():
    for identifier in (uuid4(), uuid4()):
        assert resolve(f"/credit-transactions/{identifier}").kwargs == {"transaction_id": identifier}
        assert f"credit-transactions/{identifier}" not in KNOWN._matches


def test_what_is_nowhere_is_not_remembered():
    with pytest.raises(Resolver404):
        resolve("/credit-nothing")
    assert "credit-nothing" not in KNOWN._matches


def test_the_addresses_that_the_server_treats_apart_are_those_of_their_views():
    views = {resolve(path).func.cls.__module__.split(".")[0]: resolve(path).func.actions["post"] for path in ONE_POSTING}
    assert views == {"billing": "create", "metering": "create", "credits": "create"}
    assert reverse("admin:backfills_backfillupload_new_file").rstrip("/") == UPLOAD_PAGE
