"""The wire format of the webhooks API: camelCase, errors as `{"message", "error", "statusCode"}`."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from kernel.api.camel_case_dialect import ERROR_TEXTS, FIELD_WORDS, CamelCaseDialect
from kernel.api.dialect import Dialect
from kernel.api.fields import Text, text_of
from kernel.api.json import milliseconds
from kernel.api.problems import Problem, Refused
from kernel.events import registry
from kernel.events.choices import TYPE_LENGTH

OWN_FIELD_WORDS = {
    "unknown_event_type": "must be a type of event, or a pattern such as billing.*{hint}",
    "not_https": "must begin with https://",
    "bad_url": "must be a URL",
    "has_userinfo": "must not hold a user name or password: use headers",
    "has_fragment": "must not hold a fragment",
    "bad_port": "must have port 443, or one from 1024 that no other protocol uses",
    "ip_literal": "must hold a name, not an IP address",
    "bad_host": "must hold the name of a host on the internet",
    "header_name": "must hold header names: {name} is none",
    "header_reserved": "must not hold {name}: the sender sets it",
    "header_repeated": "must hold {name} once",
    "header_value": "must hold for {name} at most {max} printable ASCII characters, without blanks at either end",
    "note_without_disabling": "goes with status disabled",
    "header_map": "must be an object of strings",
    "bad_reference": "must be an id of this API",
    "too_long_ago": "must not be more than {days} days ago: older events are deleted",
    "too_early": "must be later than the beginning",
}
OWN_ERROR_TEXTS = {
    "endpoint_limit": "A tenant has at most {max} endpoints: delete one first",
    "version_conflict": "Endpoint {id} was changed meanwhile: its version is {version}, not {wanted}",
    "grace_running": "The previous secret of endpoint {id} still signs until {until}: wait, delete it first, or rotate with force",
    "endpoint_disabled": "Nothing can be sent to endpoint {id}: it is {status}",
    "signing_key_missing": "The service has no signing key for webhooks; an operator has to set WEBHOOK_SIGNING_KEY",
}


class WebhooksDialect(CamelCaseDialect):
    """The wire format and messages of `/v1/webhook-endpoints` and the other calls about events."""

    name = "Webhooks"
    field_words = FIELD_WORDS | OWN_FIELD_WORDS
    error_texts = ERROR_TEXTS | OWN_ERROR_TEXTS
    kinds = {"endpoint": "Endpoint", "delivery": "Delivery", "event": "Event"}
    statuses = {
        **Dialect.statuses,
        "url_refused": 400,
        "endpoint_limit": 409,
        "version_conflict": 409,
        "grace_running": 409,
        "endpoint_disabled": 409,
        "signing_key_missing": 503,
    }

    def sentence(self, problem: Problem) -> str:
        facts = {name: milliseconds(value) if isinstance(value, datetime) else value for name, value in problem.facts.items()}
        return super().sentence(replace(problem, facts=facts))


dialect = WebhooksDialect()


class TypePattern(Text):
    """The name of a type of event, or a pattern of names such as `billing.*`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(min_length=1, max_length=TYPE_LENGTH, **kwargs)

    def parse(self, value: Any, source: Any = None) -> str:
        text = text_of(value)
        if not registry.is_pattern(text):
            nearest = registry.nearest_pattern(text)
            raise Refused("unknown_event_type", hint=f"; did you mean {nearest}?" if nearest else "")
        return text
