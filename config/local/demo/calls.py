"""The three published example requests, sent over HTTP and shown with their replies.

The bodies of metering and credits are the published ones as they stand. Billing publishes a schema without an example: its body here is
the schema's required fields and nothing else.
"""

import base64
import http.client
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

PUBLISHED = Path(__file__).resolve().parent / "published"
# The same key on every run: the second run shows what a repeated request does.
IDEMPOTENCY_KEY = "demo-published-example"
SHOWN_HEADERS = ("Content-Type", "Idempotent-Replayed", "Sequence-Version")
TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Example:
    """One request: the ledger it is for, its path, and how its caller authenticates."""

    ledger: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)

    def body(self) -> bytes:
        return (PUBLISHED / f"{self.ledger}.json").read_bytes()


def examples(environment: dict[str, str]) -> list[Example]:
    bearer = f"Bearer {environment['API_KEY']}"
    basic = "Basic " + base64.b64encode(environment["BASIC"].encode()).decode()
    key = {"Idempotency-Key": IDEMPOTENCY_KEY}
    return [
        Example(ledger="billing", path="/v1/billing/transactions", headers={"Authorization": bearer}),
        Example(ledger="metering", path="/v1/transactions", headers={"x-api-key": environment["API_KEY"], **key}),
        Example(
            ledger="credits",
            path="/credit-transactions",
            headers={"Authorization": basic, "On-Behalf-Of": environment["TENANT_ID"], **key},
        ),
    ]


def send_examples(environment: dict[str, str], *, say: Callable[[str], None]) -> None:
    """Send each and show request and reply; what the service refuses is shown as well, in the service's own words."""
    address = urlsplit(environment["BASE_URL"])
    for example in examples(environment):
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=TIMEOUT_SECONDS)
        say(f"\n--- {example.ledger} " + "-" * (70 - len(example.ledger)))
        headers = {"Content-Type": "application/json", **example.headers}
        say(f"POST {example.path}\n" + "\n".join(f"{name}: {value}" for name, value in headers.items()))
        say(f"\n{readable(example.body())}\n")
        connection.request("POST", example.path, body=example.body(), headers=headers)
        reply = connection.getresponse()
        say(f"{reply.status} {reply.reason}")
        shown = {name: reply.headers[name] for name in SHOWN_HEADERS if name in reply.headers}
        say("\n".join(f"{name}: {value}" for name, value in shown.items()) + f"\n\n{readable(reply.read())}")
        if shown.get("Idempotent-Replayed") == "true":
            say("\n(The ledger had it from an earlier run: the first reply again, and nothing was written twice.)")
        connection.close()


def readable(body: bytes) -> str:
    """The JSON over several lines, each number with the digits that were sent; anything else as it is."""
    try:
        return msgspec.json.format(body, indent=2).decode()
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return body.decode(errors="replace").strip()
