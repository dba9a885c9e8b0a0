"""Where events may be sent (protection from SSRF): no address inside the operator's own network, whatever a URL or a name server says.

A URL is checked when an endpoint is made (no look-up of the name), and its name is looked up at each attempt. All addresses of the name
must be public; the connection then goes to one of them, with no second look-up in between (DNS rebinding).
"""

import ipaddress
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as LookupTimeout
from functools import cache
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from kernel.events.choices import URL_LENGTH
from kernel.events.errors import UrlRefused

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
DEFAULT_PORTS = {"https": 443, "http": 80}
# Ports above 1023 of databases, caches and machine interfaces that take commands over plain text.
BLOCKED_PORTS = {2049, 2375, 2376, 2379, 2380, 3306, 4369, 5432, 5672, 5984, 6379, 6443, 8125, 9042, 9200, 9300, 10250, 11211, 27017}
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
LOOKUP_SECONDS = 5.0
LOOKUP_THREADS = 16
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\Z")


class AddressRefused(Exception):
    """The name can't be looked up, or one of its addresses isn't public. The text is for the log of attempts."""


class Target(NamedTuple):
    """A URL that was checked. `host`: the name in ASCII, or an allowed address; `path` with the query."""

    scheme: str
    host: str
    port: int
    path: str


def check_url(url: str) -> Target:
    """The parts of a URL that events may be sent to. Raises UrlRefused; see errors.py for the reasons. Looks nothing up."""
    if len(url) > URL_LENGTH:
        raise _refused(url, "too_long")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _refused(url, "bad_url") from None
    if any(character <= " " or character in "\x7f\\" for character in url) or not (parts.path + parts.query).isascii():
        raise _refused(url, "bad_url")
    if parts.scheme != "https" and not (parts.scheme == "http" and settings.WEBHOOK_ALLOW_HTTP):
        raise _refused(url, "not_https")
    if "@" in parts.netloc:
        raise _refused(url, "has_userinfo")
    if parts.fragment or url.endswith("#"):
        raise _refused(url, "has_fragment")
    host = _checked_host(url, parts)
    port = port if port is not None else DEFAULT_PORTS[parts.scheme]
    if port in BLOCKED_PORTS or not (port == DEFAULT_PORTS[parts.scheme] or port >= 1024):
        raise _refused(url, "bad_port")
    path = parts.path or "/"
    return Target(parts.scheme, host, port, f"{path}?{parts.query}" if parts.query else path)


def _checked_host(url: str, parts: SplitResult) -> str:
    try:
        # The names of other scripts are written in ASCII (IDNA).
        host = (parts.hostname or "").removesuffix(".").encode("idna").decode()
    except UnicodeError:
        raise _refused(url, "bad_host") from None
    if literal := _as_address(host):
        if not _is_allowed(literal):
            raise _refused(url, "ip_literal")
        return host
    labels = host.split(".")
    # A name whose last label is a number is an address in one of its older forms (127.1, 0x7f.1).
    is_name = len(host) <= 253 and len(labels) > 1 and all(map(_LABEL.match, labels)) and not re.match(r"0x|\d+\Z", labels[-1])
    if not is_name:
        raise _refused(url, "bad_host")
    return host


def vetted_addresses(host: str, port: int) -> list[str]:
    """The addresses of a host, all of which may be connected to. Raises AddressRefused."""
    if literal := _as_address(host):
        found = [literal]
    else:
        found = _looked_up(host, port)
    for address in found:
        if not is_public(address) and not _is_allowed(address):
            raise AddressRefused(f"{host} has the address {address}, which is not public")
    return [str(address) for address in found]


def is_public(address: Address) -> bool:
    """Whether an address, and any address that is written inside of it, is reachable from everywhere."""
    return all(one.is_global and not one.is_multicast for one in _with_inner(address))


def _with_inner(address: Address) -> list[Address]:
    inner: list[Address] = []
    if isinstance(address, ipaddress.IPv6Address):
        # One with a zone (fe80::1%eth0) means an interface of this machine: it stands for one that is never public.
        if address.scope_id is not None:
            return [ipaddress.IPv4Address("127.0.0.1")]
        if address.ipv4_mapped:
            return [address.ipv4_mapped]
        inner = [*filter(None, [address.sixtofour]), *(address.teredo or ())]
        if address in NAT64:
            return [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    return [address, *inner]


def _looked_up(host: str, port: int) -> list[Address]:
    lookup = _resolver().submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
    try:
        rows = lookup.result(timeout=LOOKUP_SECONDS)
    except LookupTimeout:
        lookup.cancel()
        raise AddressRefused(f"{host} could not be looked up within {LOOKUP_SECONDS:.0f} s") from None
    except (OSError, UnicodeError):
        raise AddressRefused(f"{host} could not be looked up") from None
    return list(dict.fromkeys(ipaddress.ip_address(row[4][0]) for row in rows))


@cache
def _resolver() -> ThreadPoolExecutor:
    """The system's look-up takes no time limit, so it runs in threads of its own, whose number bounds how many can hang."""
    return ThreadPoolExecutor(LOOKUP_THREADS, thread_name_prefix="lookup")


def _as_address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def _is_allowed(address: Address) -> bool:
    return any(
        address in network for network in map(ipaddress.ip_network, settings.WEBHOOK_ALLOW_NETS) if network.version == address.version
    )


def _refused(url: str, reason: str) -> UrlRefused:
    return UrlRefused(field="url", reason=reason, value=url[:200], max=URL_LENGTH)
