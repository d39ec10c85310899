"""Pages of the application on a store: the median time of each, and what 50 visitors at once make of it.

``python -m benchmarks.pages STORE [VISITORS] [QUESTION]`` serves the store in a process of its own, asks each page
several times after a first time, prints medians and sizes as they travel, draws a map in Chromium, and then has
visitors act every five seconds for a minute: their medians are told as multiples of those of one visitor alone. Needs a
run with a search index. The store that ``generated.py`` draws has no model that reads words: ask it
``sample=text:{n:07}``.
"""

import asyncio
import html
import re
import shutil
import statistics
import sys
import time
from collections import defaultdict

import httpx
from playwright.sync_api import sync_playwright

from tests.command import LENS, serving

REPEATS, SECONDS, PAUSE = 9, 60.0, 5.0
PAGES = {
    "overview": "/",
    "features": "/features",
    "features, sorted and filtered": "/features?sort=energy&kind=texts",
    "features, by words": "/features?words=red",
    "feature": "/feature?feature={n}",
    "search": "/search?{question}",
    "slider": "/search?{first}&beta={beta}",
    "slider, share removed": "/search?{first}&share={share}",
    "queries": "/queries",
    "map's points": "/map?form=points",
    "console": "/sql?sql=select+*+from+recall",
}


QUESTION = sys.argv[3] if len(sys.argv) > 3 else "words=a+red+heart+{n}"
"""What is searched for: another each time, as answers are kept."""

_APART = 100
"""Turns between the questions of two visitors: nobody asks what another asked."""


def main() -> None:
    """Measure, and print a line a page."""
    store, visitors = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 50
    with serving([*LENS, "serve", "--store", store]) as address:
        alone = measure(address)
        draw(address)
        together = asyncio.run(crowd(address, visitors))
    for name, times in together.items():
        median = statistics.median(times)
        print(f"{visitors} visitors  {name:<30} {1000 * median:7.0f} ms  {median / alone[name]:.1f} x")


def measure(address: str) -> dict[str, float]:
    """Return the median seconds of each page, asked alone."""
    found = {}
    with httpx.Client(base_url=address, timeout=600) as client:
        for name, page in PAGES.items():
            client.get(_filled(page, 0))
            times, sent = [], 0
            for n in range(1, REPEATS + 1):
                started = time.perf_counter()
                answer = client.get(_filled(page, n))
                times.append(time.perf_counter() - started)
                assert answer.status_code == 200, (page, answer.status_code)
                sent = answer.num_bytes_downloaded
            found[name] = statistics.median(times)
            print(f"{name:<30} {1000 * found[name]:7.0f} ms  {sent / 1024:7.1f} KiB")
        for name in re.findall(r'(?:href|src)="(/static/[^"]+)"', client.get("/").text):
            print(f"{name:<30} {client.get(name).num_bytes_downloaded / 1024:17.1f} KiB")
    return found


def draw(address: str) -> None:
    """Print how long a map takes from its address to all its points, which the server has placed already."""
    with httpx.Client(base_url=address, timeout=600) as client:
        for place in re.findall(r'data-points="([^"]+)"', client.get("/map").text):
            client.get(html.unescape(place))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(bypass_csp=True)  # what waits for all drawings is evaluated in the page
        started = time.perf_counter()
        page.goto(f"{address}/map", wait_until="commit")
        page.wait_for_function("[...document.querySelectorAll('[data-points]')].every((one) => one.dataset.drawn)")
        took = time.perf_counter() - started
        points = page.locator("[data-drawn]").evaluate_all("(drawn) => drawn.map((one) => one.dataset.drawn)")
        print(f"{'map drawn':<30} {1000 * took:7.0f} ms  {' and '.join(points)} points")
        browser.close()


async def crowd(address: str, visitors: int) -> dict[str, list[float]]:
    """Return the seconds that visitors waited for each page; any that failed is an error."""
    times: dict[str, list[float]] = defaultdict(list)
    ends = time.perf_counter() + SECONDS

    async def visit(client: httpx.AsyncClient, number: int) -> None:
        await asyncio.sleep(PAUSE * number / visitors)
        turn = number
        while time.perf_counter() < ends:
            name, page = list(PAGES.items())[turn % len(PAGES)]
            started = time.perf_counter()
            answer = await client.get(_filled(page, _APART * number + turn))
            assert answer.status_code == 200, (page, answer.status_code)
            times[name].append(time.perf_counter() - started)
            turn += 1
            await asyncio.sleep(max(0.0, PAUSE - (time.perf_counter() - started)))

    async with httpx.AsyncClient(base_url=address, timeout=120) as client:
        await asyncio.gather(*(visit(client, number) for number in range(visitors)))
    return times


def _filled(page: str, n: int) -> str:
    first, question = QUESTION.format(n=0), QUESTION.format(n=n)
    share = round(0.0005 * (n % 16), 4)
    return page.format(n=n, beta=round(0.05 * (n % 20), 2), share=share, first=first, question=question)


if __name__ == "__main__":
    main()
