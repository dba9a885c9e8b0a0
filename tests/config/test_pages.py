"""The pages that belong to no ledger."""

import base64
import json
import re
from html import unescape

import pytest
from django.contrib.staticfiles import finders
from drf_spectacular.generators import SchemaGenerator

from config.local.demo.sample_rows import create_rows
from config.pages import readiness

STRICT = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def assets(html: str) -> list[str]:
    return re.findall(r'(?:src|href)="(/static/[^"]+|https?://[^"]+)"', html)


@pytest.mark.parametrize("path", ["/", "/docs/", "/nope"])
def test_every_asset_of_a_page_is_our_own_and_exists(client, path):
    found = assets(client.get(path).content.decode())
    assert found
    for address in found:
        assert address.startswith("/static/"), address
        assert finders.find(address.removeprefix("/static/")), address


@pytest.mark.parametrize("path", ["/", "/docs/", "/nope"])
def test_pages_carry_the_strict_policy_and_nothing_that_it_would_stop(client, path):
    response = client.get(path)
    html = response.content.decode()
    assert response["Content-Security-Policy"] == STRICT
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", html) == []


def test_the_landing_page_names_the_three_calls_at_this_very_address(client):
    html = client.get("/").content.decode()
    for path in ("/v1/billing/transactions", "/v1/transactions", "/credit-transactions"):
        assert f"curl http://testserver{path}" in html


def test_the_landing_page_links_to_docs_schema_admin_and_probes(client):
    links = set(re.findall(r'<a [^>]*href="([^"]+)"', client.get("/").content.decode()))
    assert {"/docs/", "/schema/", "/admin/", "/livez", "/readyz"} <= links


def test_the_schema_is_openapi_3_1_as_json(client):
    response = client.get("/schema/")
    assert response["Content-Type"] == "application/json"
    assert response.json()["openapi"].startswith("3.1")


def test_the_schema_is_made_once_and_not_sent_again_to_a_browser_that_has_it(client, monkeypatch):
    first = client.get("/schema/")
    monkeypatch.setattr(SchemaGenerator, "get_schema", lambda *args, **kwargs: pytest.fail("The schema was made again."))
    second = client.get("/schema/")
    assert second.content == first.content
    unchanged = client.get("/schema/", headers={"If-None-Match": first["ETag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


@pytest.mark.parametrize("page", ["schema", "docs", "admin"])
def test_a_forgotten_slash_leads_people_on(client, page):
    response = client.get(f"/{page}")
    assert (response.status_code, response["Location"]) == (302, f"/{page}/")


def test_an_unknown_page_is_a_page_for_people(client):
    response = client.get("/nope", headers={"Accept": "text/html,*/*"})
    assert response.status_code == 404
    assert "There is nothing at this address." in response.content.decode()
    assert response["X-Request-ID"] in response.content.decode()


def test_an_unknown_page_is_json_where_the_request_asks_for_it(client):
    response = client.get("/nope", headers={"Accept": "application/json", "X-Request-ID": "abc-1"})
    assert response.status_code == 404
    assert response.json() == {"status": 404, "title": "Not found", "detail": "There is nothing at this address.", "request_id": "abc-1"}


def test_a_fault_is_a_page_without_its_cause(client, monkeypatch):
    monkeypatch.setattr(readiness, "run_checks", lambda: 1 / 0)
    client.raise_request_exception = False
    response = client.get("/readyz", headers={"Accept": "text/html"})
    html = response.content.decode()
    assert response.status_code == 500
    assert "Something broke" in html
    assert "ZeroDivisionError" not in html
    assert response["X-Request-ID"] in html


@pytest.mark.django_db
def test_a_forged_form_is_refused_with_a_page_of_ours(boss, client):
    client.handler.enforce_csrf_checks = True
    response = client.post("/admin/login/", {"username": "boss", "password": "boss-password-1"})
    assert response.status_code == 403
    assert "You may not open this page." in response.content.decode()


@pytest.mark.django_db
def test_the_policy_of_the_admin_still_keeps_everything_outside_out(client):
    policy = client.get("/admin/login/", follow=True)["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "http" not in policy


def test_the_examples_of_the_landing_page_work_as_they_stand_with_the_demos_variables(client, db):
    """Every variable is in the demo's file, or an example before sets it from a reply."""
    variables = create_rows({})
    text = unescape(client.get("/").content.decode())
    calls = re.findall(
        r"(?:(\w+)=\$\()?curl (?:-s )?http://testserver(\S+) (.*?)-d '(.*?)'(?= \||$)",
        text.replace("</code>", "\n"),
        re.DOTALL | re.MULTILINE,
    )
    assert len(calls) == 4
    for assigned, path, *texts in calls:
        options, body = (re.sub(r"'?\$(\w+)'?", lambda found: variables[found[1]], part) for part in texts)
        headers = dict(header.split(": ") for header in re.findall(r'-H "(.*?)"', options))
        if basic := re.search(r'-u "(.*?)"', options):
            headers["Authorization"] = "Basic " + base64.b64encode(basic[1].encode()).decode()
        reply = client.post(path, json.loads(body), content_type=headers.pop("Content-Type"), headers=headers)
        assert reply.status_code in {200, 201}, reply.content
        if assigned:
            variables[assigned] = reply.content.decode().split('"')[3]
