"""Where events may be sent: checked when an endpoint is made, and for each address of its name at each attempt."""

import socket
import threading
import time

import pytest

from kernel.events.errors import UrlRefused
from kernel.events.http import url_safety
from kernel.events.http.url_safety import AddressRefused, check_url, vetted_addresses


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://example.com/", "not_https"),
        ("ftp://example.com/", "not_https"),
        ("https://user:secret@example.com/", "has_userinfo"),
        ("https://example.com/#part", "has_fragment"),
        ("https://example.com:22/", "bad_port"),
        ("https://example.com:80/", "bad_port"),
        ("https://example.com:6379/", "bad_port"),
        ("https://127.0.0.1/", "ip_literal"),
        ("https://93.184.216.34/", "ip_literal"),
        ("https://[::1]/", "ip_literal"),
        ("https://127.1/", "bad_host"),
        ("https://2130706433/", "bad_host"),
        ("https://0x7f.0.0.1/", "bad_host"),
        ("https://localhost/", "bad_host"),
        ("https:///path", "bad_host"),
        ("https://exa mple.com/", "bad_url"),
        ("https://example.com\\@internal.test/", "bad_url"),
        ("https://example.com:port/", "bad_url"),
        ("https://example.com/" + "a" * 2048, "too_long"),
    ],
)
def test_a_url_that_could_lead_inside_is_refused_when_it_is_given(url, reason):
    with pytest.raises(UrlRefused) as refused:
        check_url(url)
    assert refused.value.facts["reason"] == reason


@pytest.mark.parametrize(
    "url", ["https://example.com", "https://example.com:8443/in?a=1", "https://bücher.example/", "https://a.b.example.com./x"]
)
def test_a_public_name_is_taken(url):
    assert check_url(url).scheme == "https"


def test_names_of_other_scripts_are_written_in_ascii():
    assert check_url("https://bücher.example/").host == "xn--bcher-kva.example"


def test_an_address_in_an_allowed_network_may_be_written(settings):
    settings.WEBHOOK_ALLOW_NETS = ["10.1.0.0/16"]
    assert check_url("https://10.1.2.3:8443/").host == "10.1.2.3"
    with pytest.raises(UrlRefused):
        check_url("https://10.2.0.1/")


def resolve_to(monkeypatch, *found):
    monkeypatch.setattr(url_safety.socket, "getaddrinfo", lambda *args, **kwargs: [(0, 0, 0, "", (address, 443)) for address in found])


@pytest.mark.parametrize(
    "found",
    [
        ["127.0.0.1"],
        ["::1"],
        ["169.254.169.254"],
        ["10.0.0.1"],
        ["100.64.0.1"],
        ["::ffff:10.0.0.1"],
        ["64:ff9b::a00:1"],
        ["2002:a00:1::1"],
        ["fe80::1%eth0"],
        ["224.0.0.1"],
        ["0.0.0.0"],
        ["93.184.216.34", "192.168.0.1"],
    ],
)
def test_a_name_with_any_address_that_is_not_public_is_refused(monkeypatch, found):
    resolve_to(monkeypatch, *found)
    with pytest.raises(AddressRefused):
        vetted_addresses("hooks.example.test", 443)


def test_public_addresses_and_allowed_ones_are_returned(monkeypatch, settings):
    settings.WEBHOOK_ALLOW_NETS = ["192.168.7.0/24"]
    resolve_to(monkeypatch, "93.184.216.34", "2606:2800:220:1::1", "192.168.7.9")
    assert vetted_addresses("hooks.example.test", 443) == ["93.184.216.34", "2606:2800:220:1::1", "192.168.7.9"]


def test_a_name_that_can_not_be_looked_up_is_refused_within_a_time(monkeypatch):
    ended = threading.Event()
    monkeypatch.setattr(url_safety, "LOOKUP_SECONDS", 0.05)
    monkeypatch.setattr(url_safety.socket, "getaddrinfo", lambda *args, **kwargs: ended.wait(5))
    began = time.monotonic()
    with pytest.raises(AddressRefused, match="could not be looked up"):
        vetted_addresses("hooks.example.test", 443)
    assert time.monotonic() - began < 2
    ended.set()

    def fails(*args, **kwargs):
        raise socket.gaierror

    monkeypatch.setattr(url_safety.socket, "getaddrinfo", fails)
    with pytest.raises(AddressRefused, match="could not be looked up"):
        vetted_addresses("hooks.example.test", 443)
