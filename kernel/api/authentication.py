"""Authenticates a request: one API key in three forms, and the tenant that it acts for.

Every API takes all three forms. An error never says what is wrong with the credentials.
kernel/tenants/callers.py looks the key up.
"""

import base64
import binascii
from typing import Any

from django.http import HttpRequest
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication

from kernel.api.problems import RequestRefused
from kernel.tenants import callers
from kernel.tenants.callers import Caller
from kernel.tenants.errors import NotAuthenticated

# No key is longer; longer headers aren't looked at.
MAX_CREDENTIAL_LENGTH = 512
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def authenticate(request: HttpRequest) -> Caller:
    """The caller who sent `Authorization: Bearer KEY`, `Authorization: Basic base64(clientId:clientSecret)` or `x-api-key: KEY`.

    Raises NotAuthenticated: without a key, too.
    """
    meta = request.META
    scheme, _, credentials = meta.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
    match scheme.lower():
        case "bearer":
            return callers.caller_of_key(_clean(credentials))
        case "basic":
            return callers.caller_of_key_pair(*_pair(_clean(credentials)))
    return callers.caller_of_key(_clean(meta.get("HTTP_X_API_KEY", "")))


def _clean(credentials: str) -> str:
    credentials = credentials.strip()
    if not credentials or len(credentials) > MAX_CREDENTIAL_LENGTH or not credentials.isascii() or not credentials.isprintable():
        raise NotAuthenticated
    return credentials


def _pair(credentials: str) -> tuple[str, str]:
    try:
        client_id, colon, secret = base64.b64decode(credentials, validate=True).decode("ascii").partition(":")
    except (binascii.Error, ValueError) as error:
        raise NotAuthenticated from error
    if not colon:
        raise NotAuthenticated
    return client_id, secret


def authorize(*, caller: Caller, ledger: str, method: str, right: str | None = None) -> None:
    """Raises RequestRefused (forbidden) unless the key has the right: to read, or for an unsafe method to write, this ledger."""
    scope = f"{ledger}:{right or ('read' if method in SAFE_METHODS else 'write')}"
    if scope not in caller.scopes:
        raise RequestRefused("forbidden", scope=scope)


def caller_for_tenant(*, caller: Caller, tenant: str | None, is_required: bool) -> Caller:
    """The caller, acting for the tenant that `On-Behalf-Of` names. Raises RequestRefused (missing_header), NotAuthorized."""
    if tenant:
        return callers.act_for(caller, tenant.strip())
    if is_required:
        raise RequestRefused("missing_header", name="On-Behalf-Of")
    return caller


class KeyAuthentication(BaseAuthentication):
    """Describes the three forms in the OpenAPI document; `authenticate` reads them."""


class KeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The three forms in the OpenAPI document; each is enough by itself."""

    target_class = KeyAuthentication
    name = ["bearer", "apiKey", "basic"]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:
        return [{name: []} for name in self.name]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, Any]]:
        return [
            {"type": "http", "scheme": "bearer", "description": "The API key as a bearer token."},
            {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "The API key in a header of its own."},
            {"type": "http", "scheme": "basic", "description": "clientId and clientSecret of the key."},
        ]
