"""Signs what is sent, by Standard Webhooks 1.0.0: HMAC-SHA256 over `id.timestamp.body`.

Secrets of endpoints aren't stored: each is derived from a master key of the installation (WEBHOOK_SIGNING_KEY), the endpoint's id and the
generation of its secret. A copy of the database gives none away.
"""

import base64
import binascii
import hashlib
import hmac
from datetime import datetime
from uuid import UUID

from django.conf import settings

from kernel.events.errors import SigningKeyMissing
from kernel.events.ids import endpoint_ref
from kernel.events.models import Endpoint

PREFIX = "whsec_"
KEY_BYTES = 32
# One that signs, and one that is being introduced or retired.
MAX_KEYS = 2


def master_keys() -> list[bytes]:
    """The installation's keys, the one that new secrets are shown of first. Raises SigningKeyMissing, ValueError for a malformed key."""
    if not settings.WEBHOOK_SIGNING_KEY:
        raise SigningKeyMissing
    return [parse_key(text) for text in settings.WEBHOOK_SIGNING_KEY]


def parse_key(text: str) -> bytes:
    """The 32 bytes of a key in base64. Raises ValueError."""
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("not base64") from error
    if len(key) != KEY_BYTES:
        raise ValueError(f"{len(key)} bytes")
    return key


def secret_of(endpoint_id: UUID, generation: int, *, master: bytes | None = None) -> str:
    """An endpoint's secret in the form that receivers get. Raises SigningKeyMissing."""
    facts = f"countinghouse/webhook/v1|{endpoint_ref(endpoint_id)}|{generation}"
    derived = hmac.new(master or master_keys()[0], facts.encode(), hashlib.sha256).digest()
    return PREFIX + base64.b64encode(derived).decode()


def sign(secret: str, event: str, timestamp: int, body: str) -> str:
    """One signature: `v1,` and base64. `event`: the public id; `timestamp`: Unix seconds of this attempt."""
    key = base64.b64decode(secret.removeprefix(PREFIX))
    mac = hmac.new(key, f"{event}.{timestamp}.{body}".encode(), hashlib.sha256).digest()
    return "v1," + base64.b64encode(mac).decode()


def signatures(endpoint: Endpoint, event: str, moment: datetime, body: str) -> str:
    """The value of the header: a signature for each secret that is valid now, newest first. Raises SigningKeyMissing."""
    generations = [endpoint.secret_generation]
    if endpoint.previous_valid_until is not None and endpoint.previous_valid_until > moment:
        generations.append(endpoint.secret_generation - 1)
    secrets = [secret_of(endpoint.id, generation, master=master) for generation in generations for master in master_keys()]
    return " ".join(sign(secret, event, int(moment.timestamp()), body) for secret in secrets)
