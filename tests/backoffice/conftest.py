import shutil

import pytest
from playwright.sync_api import sync_playwright

QUIET_CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


@pytest.fixture(scope="module")
def chromium():
    """Debian's Chromium, kept from calling anywhere by itself. Started per module: while it runs, its event loop fills the thread."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        pytest.skip("NO CHROMIUM HERE: the pages were NOT tried in a browser. Install it (Debian: apt-get install chromium).")
    with pytest.MonkeyPatch.context() as patch, sync_playwright() as playwright:
        # Django takes that event loop for an asynchronous caller and would refuse the database.
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=program, args=QUIET_CHROMIUM)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium, live_server):
    """Opens a page of the live server as `visit(path, scheme=, width=)`; at the end, fails if anything was amiss or came from outside."""
    amiss: list[str] = []
    contexts = []

    def note_request(request) -> None:
        if not request.url.startswith((live_server.url, "data:", "blob:")):
            amiss.append(f"asked outside: {request.url}")

    def note_console(message) -> None:
        if message.type in {"error", "warning"}:
            amiss.append(f"{message.type}: {message.text}")

    def visit(path: str, *, scheme: str = "light", width: int = 1280):
        context = chromium.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}, base_url=live_server.url)
        contexts.append(context)
        page = context.new_page()
        page.on("request", note_request)
        page.on("console", note_console)
        page.on("pageerror", lambda error: amiss.append(str(error)))
        page.goto(path, wait_until="networkidle")
        return page

    yield visit
    for context in contexts:
        context.close()
    assert amiss == []
