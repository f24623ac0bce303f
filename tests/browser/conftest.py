"""A page served as a user serves it, and a browser without a window to open it in.

Without the extra, the front-end files or a browser these tests are left out, saying why; in CI they fail.
"""

import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from threading import Thread

import pytest

from offtake.app.assets import wrong

KEPT = Path(__file__).parents[2] / ".browser"
"""Where screenshots are kept; not committed."""
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
PATIENCE_MS = 30_000
SECONDS_TO_START = 60


def missing():
    """Return what keeps these tests from running, or nothing."""
    if not any(map(shutil.which, BROWSERS)):
        return "no Chromium is installed: make browser"
    if wrong():
        return "the page's front-end files are missing: make assets"
    return None


@pytest.fixture(scope="session", autouse=True)
def browser_is_there():
    why = missing()
    if why and os.environ.get("CI"):
        pytest.fail(why)
    if why:
        pytest.skip(why)


@pytest.fixture(scope="session")
def browser(browser_is_there):
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, BROWSERS)))
    options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=options)
        yield started
        started.close()


@contextmanager
def serving(*arguments):
    """Serve a page; give the process and its link."""
    command = [sys.executable, "-c", "from offtake.cli import main; main()", "app"]
    process = subprocess.Popen(
        [*command, *arguments, "--no-browser"], stdout=subprocess.PIPE, text=True
    )
    lines = Queue()
    said = process.stdout
    assert said is not None
    Thread(target=lambda: lines.put(said.readline()), daemon=True).start()
    try:
        yield process, lines.get(timeout=SECONDS_TO_START).strip()
    except Empty:
        pytest.fail(f"no link was printed within {SECONDS_TO_START} seconds")
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(20)
        said.close()


class Visit:
    """One browser window with its own cookies, and what it saw go wrong."""

    def __init__(self, browser, cookies=()):
        self.context = browser.new_context(viewport={"width": 1280, "height": 900})
        self.context.set_default_timeout(PATIENCE_MS)
        self.context.add_cookies(list(cookies))
        self.requests, self.wrong = [], []
        self.page = self.context.new_page()
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("websocket", lambda socket: self.requests.append(socket.url))
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("requestfailed", lambda request: self.wrong.append(f"failed: {request.url}"))
        self.page.on("console", self._heard)

    def _heard(self, message):
        if message.type == "error":
            self.wrong.append(message.text)

    def open(self, link):
        self.page.goto(link)
        self.button("Step").wait_for()
        self.page.wait_for_function("document.body.dataset.frame >= 1")
        return self

    def button(self, name):
        return self.page.get_by_role("button", name=name, exact=True)

    def label(self, name):
        return self.page.get_by_label(name, exact=True)

    def at_month(self, month):
        self.page.get_by_text(f"month {month} of").wait_for()

    def legend(self, picture):
        """Return what a chart says of the month that is shown."""
        return self.label(f"Values of {picture} in the month shown").inner_text()

    def keep(self, name):
        KEPT.mkdir(exist_ok=True)
        self.page.screenshot(path=KEPT / f"{name}.png", full_page=True)

    def finish(self):
        """Close the window; nothing may have gone wrong, and nobody else been asked for anything."""
        local = ("http://127.0.0.1:", "ws://127.0.0.1:", "data:", "blob:")
        asked = [url for url in self.requests if not url.startswith(local)]
        self.context.close()
        assert (self.wrong, asked) == ([], [])


@pytest.fixture(scope="session")
def served(browser, tmp_path_factory):
    """A page of the small scenario: its address, and the cookie its link was exchanged for."""
    with serving("duopoly") as (_, link):
        first = Visit(browser).open(link)
        cookies = first.context.cookies()
        first.finish()
        yield link.partition("?")[0], cookies


@pytest.fixture
def visit(browser, served):
    address, cookies = served
    opened = Visit(browser, cookies).open(address)
    yield opened
    opened.finish()
