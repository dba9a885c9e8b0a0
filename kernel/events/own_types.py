"""The types of events about webhooks and API keys themselves."""

from typing import Any

from kernel.events.registry import EventType, register

AT = "2026-01-31T12:00:00.000Z"


def _key(*, revoked_at: str | None) -> dict[str, Any]:
    return {
        "id": "01900000-0000-0000-0000-000000000001",
        "name": "Checkout",
        "prefix": "4f1c2ab09d3e",
        "scopes": ["billing:read", "billing:write"],
        "expiresAt": "2026-05-01T12:00:00.000Z",
        "revokedAt": revoked_at,
        "createdAt": AT,
    }


def _endpoint() -> dict[str, Any]:
    return {
        "id": "we_01930000000070008000000000000001",
        "url": "https://example.com/hooks",
        "status": "disabled",
        "disabledReason": "failing",
        "disabledAt": AT,
    }


register(
    EventType(
        name="webhook_endpoint.disabled",
        group="own",
        description="An endpoint was switched off: it answered 410 (`gone`), failed for five days (`failing`), or by a user (`by_user`)."
        " Sent to the tenant's other endpoints.",
        account="",
        object_type="webhook endpoint",
        example_object=_endpoint,
    ),
    EventType(
        name="webhook.test",
        group="own",
        description="A test that somebody asked for. The object is the example of a type, which `exampleOf` names: nothing has happened.",
        account="",
        object_type="example",
        example_object=lambda: {"note": "This is a test."},
    ),
    EventType(
        name="api_key.created",
        group="own",
        description="An API key was created. Its secret is never sent.",
        account="",
        object_type="API key",
        example_object=lambda: _key(revoked_at=None),
    ),
    EventType(
        name="api_key.revoked",
        group="own",
        description="An API key was revoked.",
        account="",
        object_type="API key",
        example_object=lambda: _key(revoked_at=AT),
    ),
)
