"""What staff read of the errors of webhooks."""

from kernel.base.error_messages import register_messages

register_messages(
    {
        "endpoint_limit": "The tenant has {max} endpoints already: delete one first.",
        "version_conflict": "The endpoint was changed meanwhile. Look at it again.",
        "grace_running": "The previous secret still signs until {until}. Delete it first, or rotate it away.",
        "endpoint_disabled": "Nothing can be sent to it: it is {status}.",
        "signing_key_missing": "The service has no signing key (WEBHOOK_SIGNING_KEY): an operator has to set it.",
    }
)

# Why an address can't be sent to: kernel/events/http/url_safety.py.
URL_SENTENCES = {
    "bad_url": "It is no URL.",
    "not_https": "It must begin with https://.",
    "has_userinfo": "It must not hold a user name or password: use headers.",
    "has_fragment": "It must not hold a fragment (#…).",
    "bad_port": "The port must be 443, or one from 1024 that no other protocol uses.",
    "ip_literal": "It must hold a name, not an IP address.",
    "bad_host": "It must hold the name of a host on the internet.",
}
