"""How long is a newcomer's path? Run: python -m benchmarks.newcomer [FOLDER], where tests and Chromium are.

In a fresh clone and with an empty home it takes the steps that README begins with: ``make demo``, a search, the
application, then in a real browser the first feature and where it fires, and a search by a picture of one's own. A line
a step: what was done, its seconds, and those since the beginning. The clone is made in FOLDER, or in a temporary one.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

from PIL import Image, ImageDraw
from playwright.sync_api import Page

from tests.browser.chromium import chromium
from tests.command import serving

ROOT = Path(__file__).parents[1]

OWN = re.compile(r"^(LENS|PREFECT|VIRTUAL_ENV|PYTHONPATH|HF|TRANSFORMERS|XDG)")
"""Settings of whoever runs this, which a newcomer has not made."""


def main() -> None:
    """Take the steps and tell their times."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(place)
        (folder / "home").mkdir(parents=True)
        environment = {name: value for name, value in os.environ.items() if not OWN.match(name)}
        environment["HOME"] = str(folder / "home")
        take(Steps(), folder, environment)


class Steps:
    """Tells what each step took."""

    def __init__(self) -> None:
        """Begin."""
        self._began = self._last = time.perf_counter()

    def done(self, what: str) -> None:
        """Tell of the step that ends here."""
        now = time.perf_counter()
        print(f"{what:<54} {now - self._last:7.1f} s {now - self._began:8.1f} s", flush=True)
        self._last = now


def take(steps: Steps, folder: Path, environment: Mapping[str, str]) -> None:
    """Clone, run the demo, search, and use the application."""
    clone, lens = folder / "clone", folder / "clone" / ".venv" / "bin" / "lens"

    def run(*command: str, place: Path = clone) -> None:
        subprocess.run(command, cwd=place, env=environment, check=True, stdout=subprocess.DEVNULL)  # noqa: S603

    run("git", "clone", "--quiet", str(ROOT), str(clone), place=folder)
    steps.done("git clone")
    run("make", "demo")
    steps.done("make demo: installed, two models analysed")
    run(str(lens), "search", "train", "-k", "2")
    steps.done("lens search train -k 2")
    with serving([str(lens), "serve"], clone, environment) as address, chromium() as browser:
        page = browser.new_page()
        page.goto(address)
        steps.done("lens serve, and its first page")
        understand(page)
        steps.done("a feature: what it responds to, and where in it")
        search(page, folder)
        steps.done("a picture of one's own searched, its scores explained")


def understand(page: Page) -> None:
    """Open the feature that adds most to similarity but is not always on, and have the model read its samples."""
    page.get_by_role("link", name="Features", exact=True).click()
    row = page.locator("table.features tbody tr").filter(has_not=page.locator(".tag")).first
    row.locator("th a").click()
    page.get_by_text("Have the model read these samples").click()
    page.get_by_text("read by").wait_for(timeout=120_000)


def search(page: Page, folder: Path) -> None:
    """Search with a drawn picture; wait for the answers of every system."""
    drawn = Image.new("RGB", (160, 160), "white")
    ImageDraw.Draw(drawn).ellipse((24, 24, 136, 136), fill="red")
    drawn.save(folder / "own.png")
    page.get_by_role("link", name="Search", exact=True).click()
    page.locator("input[type=file]").set_input_files(folder / "own.png")
    page.get_by_alt_text("the picture that is searched with").wait_for(timeout=120_000)
    page.locator("section.column li").first.wait_for()


if __name__ == "__main__":
    main()
