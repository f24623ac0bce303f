"""What the interactive page costs: a step by part, memory over resets, and who is asked for what.

A browser without a window steps the baseline. The time of a step runs from the click until every chart has
been drawn; its parts are timed in this process, without server and browser.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import psutil
from _runs import BASELINE, options, say
from playwright.sync_api import CDPSession, Page, sync_playwright

from offtake.app import ledger
from offtake.app.cards import card, links
from offtake.app.pictures import PICTURES, cloud_tones, drawing
from offtake.app.snapshots import Recording, Watcher
from offtake.model.market import Market
from offtake.model.reading import Reading, read

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--js-flags=--expose-gc",
)
WARM_UP = 5
LIMIT_MS = 150
MS = 1000
MEGABYTE = 2**20
STEP = """async () => {
  const shown = () => document.querySelector(".ot-time output").textContent;
  const before = shown();
  const began = performance.now();
  [...document.querySelectorAll(".ot-buttons button")].find((b) => b.textContent === "Step").click();
  while (shown() === before) await new Promise(requestAnimationFrame);
  const frame = document.body.dataset.frame;
  while (document.body.dataset.frame === frame) await new Promise(requestAnimationFrame);
  return performance.now() - began;
}"""
"""Click on "Step" and return the milliseconds until all is drawn: the page marks the frames it has drawn."""
PAUSE_MS = 250
"""Between two steps: the page lets out five frames a second at most."""


def main() -> None:
    """Print the parts of a step, steps in a browser, memory and requests."""
    asked = options("Measure the page.", steps=500, resets=10)
    reading = read(BASELINE)
    say_parts(reading)
    with served() as (server, link), opened() as (page, requests):
        page.goto(link)
        page.wait_for_function("document.body.dataset.frame >= 1")
        say_steps(reading, page, server, asked.steps, asked.resets)
        say_requests(reading, requests)


def say_parts(reading: Reading) -> None:
    """Print the milliseconds that each part of a step takes, medians of the months after the warm-up."""
    market = Market(reading.scenario, rng=1)
    watcher = Watcher(market)
    spent: dict[str, list[float]] = {}

    def timed(part: str, work: Callable[..., Any], *given: Any) -> Any:
        began = time.perf_counter()
        made = work(*given)
        spent.setdefault(part, []).append((time.perf_counter() - began) * MS)
        return made

    for _ in range(reading.scenario.months):
        timed("month of the market", market.step)
        recording = timed("snapshot", watcher.look)
        charts = timed("numbers of the charts, baseline included", drawn, recording)
        beside = timed("network, card and ledger", told, recording)
        timed("written as JSON", json.dumps, [charts, beside])
    for part, took in spent.items():
        say(
            "page part",
            [reading],
            runs=len(took),
            part=part,
            ms=median(took[WARM_UP:]),
            most_ms=max(took[WARM_UP:]),
        )


def drawn(recording: Recording) -> list[dict[str, Any]]:
    """Return what all charts are sent."""
    tones = cloud_tones(recording)
    lab = recording.cast.listed[0]
    return [drawing(p, recording, lab=lab, baseline=recording, tones=tones) for p in PICTURES]


def told(recording: Recording) -> list[Any]:
    """Return what stands beside the charts."""
    return [links(recording), card(recording, recording.cast.listed[0]), ledger.latest(recording)]


def say_steps(
    reading: Reading, page: Page, server: psutil.Process, steps: int, resets: int
) -> None:
    """Print the time of steps in the browser, and memory after each reset.

    The time on the wall depends on what else the machine does; the time of the processors does not.
    """
    took: list[float] = []
    memory = [used(page, server)]
    client = page.context.new_cdp_session(page)
    client.send("Performance.enable")
    busy = [working(client, server)]
    for _ in range(resets):
        reset(page)
        for _ in range(steps // resets):
            took.append(page.evaluate(STEP))
            page.wait_for_timeout(PAUSE_MS)
        memory.append(used(page, server))
    busy.append(working(client, server))
    warm = sorted(took[WARM_UP:])
    say(
        "page step",
        [reading],
        runs=len(warm),
        median_ms=median(warm),
        p95_ms=warm[int(0.95 * len(warm))],
        share_under_150_ms=sum(ms < LIMIT_MS for ms in warm) / len(warm),
        server_cpu_ms=(busy[1][0] - busy[0][0]) * MS / len(took),
        load=os.getloadavg()[1],
        page_cpu_ms=(busy[1][1] - busy[0][1]) * MS / len(took),
    )
    for number, (server_mb, heap_mb) in enumerate(memory):
        say(
            "page memory",
            [reading],
            runs=1,
            resets=number,
            steps=number * (steps // resets),
            server_mb=server_mb,
            browser_heap_mb=heap_mb,
        )


def working(client: CDPSession, server: psutil.Process) -> tuple[float, float]:
    """Return the seconds that the server, and the page's thread in the browser, have worked."""
    times = server.cpu_times()
    metrics = {m["name"]: m["value"] for m in client.send("Performance.getMetrics")["metrics"]}
    return times.user + times.system, metrics["TaskDuration"]


def reset(page: Page) -> None:
    """Begin again, and wait until the page shows it."""
    page.get_by_role("button", name="Reset", exact=True).click()
    page.get_by_text("month 0 of").wait_for()
    page.wait_for_timeout(PAUSE_MS)


def used(page: Page, server: psutil.Process) -> tuple[float, float]:
    """Return the server's resident memory and the page's heap after a collection, MB."""
    heap = page.evaluate("() => { window.gc(); return performance.memory.usedJSHeapSize; }")
    return server.memory_info().rss / MEGABYTE, heap / MEGABYTE


def say_requests(reading: Reading, requests: list[str]) -> None:
    """Print how many requests went to which host and path."""
    hosts = Counter(urlsplit(url).hostname or url.partition(":")[0] for url in requests)
    for host, count in hosts.items():
        paths = {
            re.sub(r"/[0-9a-f-]{36}", "/ID", urlsplit(url).path) for url in requests if host in url
        }
        say("page requests", [reading], runs=1, host=host, requests=count, paths=sorted(paths))


@contextmanager
def served() -> Iterator[tuple[psutil.Process, str]]:
    """Serve the page of the baseline; give the server and its link."""
    command = [
        sys.executable,
        "-c",
        "from offtake.cli import main; main()",
        "app",
        BASELINE,
        "--no-browser",
    ]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    try:
        yield psutil.Process(server.pid), server.stdout.readline().strip()
    finally:
        server.terminate()
        server.wait()


@contextmanager
def opened() -> Iterator[tuple[Page, list[str]]]:
    """Open a browser; give its page and the addresses it asks for."""
    path = next(filter(None, map(shutil.which, BROWSERS)))
    requests: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(OPTIONS))
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.on("request", lambda request: requests.append(request.url))
        page.on("websocket", lambda socket: requests.append(socket.url))
        yield page, requests
        browser.close()


if __name__ == "__main__":
    main()
