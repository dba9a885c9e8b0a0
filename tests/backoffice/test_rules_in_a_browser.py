"""The form of a rule in a browser: only the fields that fit are there, on a wide screen and on a narrow one."""

import pytest

from tests.backoffice.test_pages_in_a_browser import log_in
from tests.factories import IssuedKeyFactory
from tests.metering.conftest import Caller
from tests.metering.rule_bodies import create_rule

OF_A_LIMIT = {"limit", "currency", "interval_value", "interval_unit", "window", "per", "scope", "estimates"}


def visible(page) -> set[str]:
    """The names of the fields that a person sees."""
    fields = page.locator(".ch-field:not([hidden]) [name]")
    return set(fields.evaluate_all("elements => elements.map(element => element.name)"))


@pytest.mark.parametrize("width", [1440, 390])
def test_the_form_of_a_rule_shows_only_the_fields_that_fit(visit, boss, width):
    caller = Caller(IssuedKeyFactory())
    create_rule(caller)
    page = visit("/admin/", width=width)
    log_in(page)
    page.goto(f"/admin/rules/spendingrule/new-rule/?tenant={caller.tenant.id}", wait_until="networkidle")
    assert visible(page) >= OF_A_LIMIT
    assert not visible(page) & {"time_zone", "qualifier", "what_2", "key_1", "value_1"}
    page.select_option("[name=window]", "calendar")
    page.select_option("[name=per]", "qualifier")
    assert visible(page) >= {"time_zone", "qualifier"}
    page.select_option("[name=kind]", "block")
    assert not visible(page) & {*OF_A_LIMIT, "time_zone", "qualifier"}
    page.select_option("[name=what_1]", "service")
    assert {"how_1", "value_1", "what_2"} <= visible(page)
    assert "key_1" not in visible(page)
    page.select_option("[name=what_1]", "qualifier")
    assert "key_1" in visible(page)
    for address in ("/admin/rules/spendingrule/", "/admin/"):
        page.goto(address, wait_until="networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
