"""The errors of endpoints and deliveries."""

from kernel.ledger.errors import InvalidValue, LedgerError


class SigningKeyMissing(LedgerError):
    """WEBHOOK_SIGNING_KEY isn't set, so nothing can be signed: endpoints can't be created until an operator sets it."""

    code = "signing_key_missing"


class UrlRefused(InvalidValue):
    """Nothing is sent to such an address. Facts: field ("url"), reason: bad_url, not_https, has_userinfo, has_fragment, bad_port,
    ip_literal, bad_host, too_long."""

    code = "url_refused"
