"""The errors of endpoints and deliveries."""

from kernel.ledger.errors import InvalidValue, LedgerError


class SigningKeyMissing(LedgerError):
    """WEBHOOK_SIGNING_KEY isn't set, so nothing can be signed: endpoints can't be created until an operator sets it."""

    code = "signing_key_missing"


class UrlRefused(InvalidValue):
    """Nothing is sent to such an address. Facts: field ("url"), reason: bad_url, not_https, has_userinfo, has_fragment, bad_port,
    ip_literal, bad_host, too_long."""

    code = "url_refused"


class EndpointLimit(LedgerError):
    """The tenant has as many endpoints as it may have. Facts: max."""

    code = "endpoint_limit"


class VersionConflict(LedgerError):
    """The endpoint was changed since the caller read it. Facts: id, version, wanted."""

    code = "version_conflict"


class GraceRunning(LedgerError):
    """An earlier secret still signs, so the next rotation would end it early. Facts: id, until."""

    code = "grace_running"


class EndpointDisabled(LedgerError):
    """Nothing can be sent to the endpoint. Facts: id, status."""

    code = "endpoint_disabled"
