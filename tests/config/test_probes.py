"""Whether the process lives, and whether calls sent to it can succeed."""

import time

import pytest
from django.db import connection, connections

from config.pages import readiness


def test_livez_answers_without_the_database(client):
    response = client.get("/livez")
    assert (response.status_code, response.json()) == (200, {"status": "alive"})


@pytest.mark.django_db(transaction=True)
def test_readyz_is_ready_when_the_database_answers_and_every_migration_is_applied(client):
    response = client.get("/readyz")
    assert (response.status_code, response.json()) == (
        200,
        {"status": "ready", "checks": {"database": "ok", "migrations": "ok", "writes": "ok"}},
    )
    assert response["Cache-Control"] == "no-store"


@pytest.mark.django_db(transaction=True)
def test_readyz_counts_the_migrations_that_are_missing(client):
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'ledger' AND name LIKE '0001%%' RETURNING app, name, applied")
        row = cursor.fetchone()
        try:
            response = client.get("/readyz")
        finally:
            cursor.execute("INSERT INTO django_migrations (app, name, applied) VALUES (%s, %s, %s)", row)
    assert response.status_code == 503
    assert response.json() == {"status": "unavailable", "checks": {"database": "ok", "migrations": "1 not applied", "writes": "ok"}}


def test_readyz_says_so_when_the_database_can_not_be_reached_and_names_no_host(client, monkeypatch):
    monkeypatch.setitem(connections["default"].settings_dict, "HOST", "/nowhere/secret-host")
    monkeypatch.setitem(connections["default"].settings_dict, "OPTIONS", {})
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {"status": "unavailable", "checks": {"database": "unreachable", "migrations": "unknown", "writes": "unknown"}}
    assert "secret-host" not in response.content.decode()


def test_readyz_does_not_hang_with_a_database_that_accepts_and_says_nothing(client, monkeypatch, silent_server):
    monkeypatch.setitem(connections["default"].settings_dict, "HOST", "127.0.0.1")
    monkeypatch.setitem(connections["default"].settings_dict, "PORT", str(silent_server))
    monkeypatch.setitem(connections["default"].settings_dict, "OPTIONS", {})
    started = time.monotonic()
    response = client.get("/readyz")
    assert response.status_code == 503
    assert time.monotonic() - started < readiness.PROBE_TIMEOUT + 3


@pytest.mark.django_db(transaction=True)
def test_readyz_leaves_no_connection_behind(client):
    def others() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'idle in transaction'")
            return cursor.fetchone()[0]

    before = others()
    for _ in range(3):
        client.get("/readyz")
    assert others() == before


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/", "/schema/", "/docs/"])
def test_only_safe_methods_are_taken(client, path):
    response = client.post(path)
    assert (response.status_code, response["Allow"]) == (405, "GET, HEAD")
