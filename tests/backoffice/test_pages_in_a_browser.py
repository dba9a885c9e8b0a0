"""The pages as a person sees them: in a real browser, in light and in dark, with nothing blocked by the policy or fetched from outside."""

import re

import pytest

from tests.factories import IssuedKeyFactory, TenantFactory

SCHEMES = pytest.mark.parametrize("scheme", ["light", "dark"])


def brightness(colour: str) -> float:
    red, green, blue = (int(part) for part in re.findall(r"\d+", colour)[:3])
    return (red * 299 + green * 587 + blue * 114) / 1000


def style(page, selector: str, name: str) -> str:
    # A page that draws itself may be slow to on a busy machine.
    page.locator(selector).first.wait_for()
    return page.eval_on_selector(selector, f"element => getComputedStyle(element).{name}")


@SCHEMES
@pytest.mark.parametrize("path", ["/", "/docs/"])
def test_a_page_follows_the_readers_light_or_dark(visit, path, scheme):
    page = visit(path, scheme=scheme)
    paper, ink = brightness(style(page, "body", "backgroundColor")), brightness(style(page, "h1, h2.title", "color"))
    assert (paper > ink) == (scheme == "light")
    assert abs(paper - ink) > 125


@pytest.mark.parametrize("width", [320, 390, 768, 1280])
def test_the_landing_page_fits_every_width(visit, width):
    page = visit("/", width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_landing_page_leads_to_the_docs(visit):
    page = visit("/")
    page.get_by_role("link", name="Read the API docs").click()
    page.locator(".swagger-ui .info .title").wait_for()
    assert page.title() == "API docs · Countinghouse"


@SCHEMES
def test_the_docs_show_the_schema(visit, scheme):
    page = visit("/docs/", scheme=scheme)
    assert page.locator(".swagger-ui .info .title").inner_text().startswith("Countinghouse")
    assert page.locator(".swagger-ui .version-stamp").inner_text() == "OAS 3.1"
    assert page.locator(".swagger-ui .errors-wrapper").count() == 0


def log_in(page) -> None:
    page.fill("#id_username", "boss")
    page.fill("#id_password", "boss-password-1")
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url("**/admin/")


@SCHEMES
def test_staff_log_in_and_read_a_key_but_find_nothing_to_save_or_delete(visit, boss, scheme):
    IssuedKeyFactory(tenant=TenantFactory(name="Acme Robotics"), name="production")
    page = visit("/admin/", scheme=scheme)
    log_in(page)
    page.locator("h2").filter(has_text="Settings").first.wait_for()
    page.goto("/admin/tenants/apikey/", wait_until="networkidle")
    page.get_by_role("link", name="production").click()
    page.wait_for_load_state("networkidle")
    assert page.get_by_text("Acme Robotics").count() == 1
    assert page.get_by_role("button", name=re.compile("Save|Delete|Add")).count() == 0
    assert page.get_by_role("link", name=re.compile("Delete|Add")).count() == 0
