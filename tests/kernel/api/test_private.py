"""Replies are private, and the service answers under its own names only."""

import pytest

from tests.factories import IssuedKeyFactory
from tests.kernel.api.example_api import SALE

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.kernel.api.example_api")]


@pytest.fixture
def headers():
    return {"Authorization": f"Bearer {IssuedKeyFactory().token}"}


@pytest.mark.parametrize("path", [f"/v1/sales/{SALE}", "/v1/sales", "/v1/sales?zzz=1"])
def test_no_reply_may_be_kept_by_a_cache(client, headers, path):
    assert client.get(path, headers=headers)["Cache-Control"] == "no-store"
    assert client.get(path)["Cache-Control"] == "no-store"


@pytest.mark.parametrize("host", ["evil.example.com", "evil.example.com:80", "testserver.evil.com", "a b", "[::2]"])
def test_an_unknown_host_is_refused_in_the_apis_dialect(client, headers, host):
    response = client.get(f"/v1/sales/{SALE}", headers=headers, HTTP_HOST=host)
    assert (response.status_code, response.json()["code"]) == (400, "unknown_host")


@pytest.mark.parametrize("host", ["testserver", "TestServer:8000", "testserver."])
def test_our_host_is_answered_whatever_its_port_and_case(client, headers, host):
    assert client.get(f"/v1/sales/{SALE}", headers=headers, HTTP_HOST=host).status_code == 200


def test_a_change_of_the_setting_is_obeyed(client, headers, settings):
    settings.ALLOWED_HOSTS = ["ledger.example.com"]
    assert client.get(f"/v1/sales/{SALE}", headers=headers, HTTP_HOST="testserver").status_code == 400
    assert client.get(f"/v1/sales/{SALE}", headers=headers, HTTP_HOST="ledger.example.com").status_code == 200
