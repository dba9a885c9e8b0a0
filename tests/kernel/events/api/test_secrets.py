"""Secrets: who may read them, and their rotation."""

from datetime import timedelta

import pytest
from django.utils import timezone

from kernel.events.models import Endpoint, SecretReading
from tests.kernel.events.api.conftest import ENDPOINTS
from tests.kernel.events.api.test_endpoints import refused

pytestmark = pytest.mark.django_db


@pytest.fixture
def made(caller):
    return caller.endpoint()


@pytest.fixture
def one(made):
    return f"{ENDPOINTS}/{made['id']}"


def test_who_read_a_secret_is_recorded(caller, made, one):
    assert caller.send("GET", f"{one}/secret", X_Request_ID="r-1").json() == {
        "secret": made["secret"],
        "secretGeneration": 1,
        "previousSecretValidUntil": None,
    }
    [reading] = SecretReading.objects.all()
    assert (reading.tenant_id, reading.generation, reading.actor, reading.request_id) == (
        caller.tenant.pk,
        1,
        f"api_key:{caller.issued.key.pk}",
        "r-1",
    )


def test_after_a_rotation_both_secrets_sign_until_the_grace_period_is_over(caller, made, one):
    rotated = caller.send("POST", f"{one}/rotate-secret", {"gracePeriodSeconds": 3600})
    assert (rotated.status_code, rotated.json()["secretGeneration"]) == (200, 2)
    assert "secret" not in rotated.json()
    until = Endpoint.objects.get().previous_valid_until
    assert timedelta(minutes=59) < until - timezone.now() < timedelta(minutes=61)
    shown = caller.send("GET", f"{one}/secret").json()
    assert shown["secret"] != made["secret"]
    assert shown["previousSecretValidUntil"] == rotated.json()["previousSecretValidUntil"]
    refused(caller.send("POST", f"{one}/rotate-secret"), 409, "still signs until")
    assert caller.send("POST", f"{one}/rotate-secret", {"force": True}).json()["secretGeneration"] == 3
    assert caller.send("DELETE", f"{one}/secret/previous").status_code == 204
    assert Endpoint.objects.get().previous_valid_until is None
    assert caller.send("DELETE", f"{one}/secret/previous").status_code == 204
    assert caller.send("POST", f"{one}/rotate-secret").json()["secretGeneration"] == 4


def test_without_a_grace_period_the_old_secret_stops_at_once(caller, one):
    assert caller.send("POST", f"{one}/rotate-secret", {"gracePeriodSeconds": 0}).json()["previousSecretValidUntil"] is None
    assert caller.send("POST", f"{one}/rotate-secret", {"gracePeriodSeconds": 604_800}).json()["secretGeneration"] == 3
    Endpoint.objects.update(previous_valid_until=timezone.now() - timedelta(seconds=1))
    assert caller.send("POST", f"{one}/rotate-secret").json()["secretGeneration"] == 4
    refused(caller.send("POST", f"{one}/rotate-secret", {"gracePeriodSeconds": 604_801}), 400, "must not be greater than 604800")


def test_a_repeated_rotation_rotates_once(caller, one):
    first = caller.send("POST", f"{one}/rotate-secret", Idempotency_Key="k")
    again = caller.send("POST", f"{one}/rotate-secret", Idempotency_Key="k")
    assert (again.status_code, again["Idempotent-Replayed"], again.json()) == (200, "true", first.json())
    assert Endpoint.objects.get().secret_generation == 2
