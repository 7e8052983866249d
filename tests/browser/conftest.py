"""A real browser: Chromium of the system, driven by Playwright.

A missing browser skips with a loud reason; where `OPGRAPH_NEED_BROWSER` is set (CI), it fails.
Screenshots go to the folder that `OPGRAPH_SCREENSHOTS` names.
"""

import importlib.util
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip


def missing(reason: str) -> None:
    if os.environ.get("OPGRAPH_NEED_BROWSER"):
        pytest.fail(reason)
    pytest.skip(f"BROWSER TESTS ARE SKIPPED: {reason}")


@pytest.fixture(scope="session")
def made():
    """The module that makes runs of arrays alone."""
    path = HERE.parent / "render" / "report" / "made.py"
    spec = importlib.util.spec_from_file_location("made", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def browser():
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        missing(f"none of {', '.join(NAMES)} is installed")
    if importlib.util.find_spec("playwright") is None:
        missing("the package playwright is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


class Seen:
    """An open page, and all that went wrong or over the network meanwhile."""

    def __init__(self, context, url: str, ready: str) -> None:
        self.url = url.partition("#")[0]
        self.problems: list[str] = []
        self.requests: list[str] = []
        self.page = context.new_page()
        self.page.on("console", self._told)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(url)
        self.page.wait_for_selector(ready)

    def _told(self, message) -> None:
        if message.type in ("error", "warning"):
            self.problems.append(message.text)

    def drawn(self, at_least: int = 1) -> None:
        """Wait until charts are on the page."""
        self.until(f"document.querySelectorAll('[data-drawn=yes]').length >= {at_least}")

    def until(self, condition: str, seconds: float = 20) -> None:
        """Wait for a condition; `wait_for_function` evaluates in the page, which forbids it."""
        end = time.monotonic() + seconds
        while not self.page.evaluate(condition):
            assert time.monotonic() < end, f"still not: {condition}"
            self.page.wait_for_timeout(50)

    def shot(self, name: str) -> None:
        """Keep a picture of the page where the environment says so."""
        folder = os.environ.get("OPGRAPH_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=str(Path(folder) / f"{name}.png"))


@pytest.fixture
def look(browser) -> Iterator:
    """Open a file or an address; nothing may go wrong, and nothing be asked for elsewhere."""
    seen: list[Seen] = []
    contexts = []

    def open_page(
        path: Path | str,
        address: str = "",
        *,
        theme: str = "light",
        ready: str = "html[data-ready=yes]",
        **options,
    ) -> Seen:
        context = browser.new_context(
            color_scheme=theme, viewport={"width": 1440, "height": 900}, **options
        )
        contexts.append(context)
        url = path if isinstance(path, str) else f"{path.as_uri()}{address}"
        seen.append(Seen(context, url, ready))
        return seen[-1]

    yield open_page
    for one in seen:
        assert one.problems == []
        asked = [url for url in one.requests if not url.startswith(("data:", "blob:"))]
        if one.url.startswith("file:"):
            assert asked == [one.url]
        else:
            assert [
                url for url in asked if not url.startswith(one.url[: one.url.index("/", 8)])
            ] == []
    for context in contexts:
        context.close()
