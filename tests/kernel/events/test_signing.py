"""Signatures, as the standard has them and as receivers verify them."""

import base64
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from kernel.events.errors import SigningKeyMissing
from kernel.events.http.signing import secret_of, sign, signatures
from kernel.events.models import Endpoint

KEY, OTHER = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
EVENT, BODY = "evt_01930000000070008000000000000001", '{"a":1}'
ENDPOINT = UUID("01930000-0000-7000-8000-000000000002")


def test_the_known_answer():
    secret = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    body = '{"type":"credits.grant.created","timestamp":"2023-11-14T22:13:20.000Z","data":{"amount":"10.000000000000000000","note":"é"}}'
    assert sign(secret, EVENT, 1700000000, body) == "v1,1k6jmOx2wxqRW8LurEdCeVITz9jy54L52DsQz8sKqQM="


def verify(secret, value, moment):
    headers = {"webhook-id": EVENT, "webhook-timestamp": str(int(moment.timestamp())), "webhook-signature": value}
    Webhook(secret).verify(BODY, headers)


def test_after_a_rotation_both_secrets_verify_until_the_grace_ends(settings):
    settings.WEBHOOK_SIGNING_KEY = [KEY]
    now = datetime.now(UTC)
    endpoint = Endpoint(id=ENDPOINT, secret_generation=2, previous_valid_until=now + timedelta(hours=1))
    value = signatures(endpoint, EVENT, now, BODY)
    old, new = secret_of(ENDPOINT, 1), secret_of(ENDPOINT, 2)
    assert value.split(" ")[0] == sign(new, EVENT, int(now.timestamp()), BODY)
    for secret in (old, new):
        verify(secret, value, now)
    endpoint.previous_valid_until = now
    value = signatures(endpoint, EVENT, now, BODY)
    verify(new, value, now)
    with pytest.raises(WebhookVerificationError):
        verify(old, value, now)


def test_while_a_key_takes_the_place_of_another_both_sign(settings):
    now = datetime.now(UTC)
    settings.WEBHOOK_SIGNING_KEY = [KEY]
    secret = secret_of(ENDPOINT, 1)
    settings.WEBHOOK_SIGNING_KEY = [OTHER, KEY]
    assert secret_of(ENDPOINT, 1) != secret
    value = signatures(Endpoint(id=ENDPOINT), EVENT, now, BODY)
    for each in (secret, secret_of(ENDPOINT, 1)):
        verify(each, value, now)


def test_every_endpoint_and_generation_has_a_secret_of_its_own(settings):
    settings.WEBHOOK_SIGNING_KEY = [KEY]
    secrets = {secret_of(endpoint, generation) for endpoint in (ENDPOINT, UUID(int=1)) for generation in (1, 2)}
    assert len(secrets) == 4
    assert all(len(base64.b64decode(secret.removeprefix("whsec_"))) == 32 for secret in secrets)


def test_without_a_key_there_is_no_secret(settings):
    settings.WEBHOOK_SIGNING_KEY = []
    with pytest.raises(SigningKeyMissing):
        secret_of(ENDPOINT, 1)
