"""The built site in a browser: both widths, light and dark; `make test-all` builds it first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from browser import PACKAGE, Browser, find_browser
from checks import SITE
from serving import serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.browser

#: Windows of a computer and of a telephone.
WIDTHS = (1280, 390)
#: How long a page may be in the wide window, in pixels; the lists of all errors may be longer.
LONGEST = 10_000
LONG = {"reference/errors.html", "reference/api/exceptions.html"}

#: Blocks of code that are wider than their place.
WIDE_BLOCKS = """[...document.querySelectorAll("div.highlight pre")]
    .filter(block => block.scrollWidth > block.clientWidth + 1)
    .map(block => block.textContent.slice(0, 80))"""
#: Tables that are wider than their place.
WIDE_TABLES = """[...document.querySelectorAll(".table-wrapper")]
    .filter(place => place.scrollWidth > place.clientWidth + 1)
    .map(place => place.textContent.trim().slice(0, 80))"""
#: Images that weren't loaded; those in closed sections are loaded nevertheless.
MISSING_IMAGES = """[...document.images]
    .filter(image => image.loading !== "lazy" && !(image.complete && image.naturalWidth))
    .map(image => image.src)"""
SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
HEIGHT = "document.documentElement.scrollHeight"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Start the browser."""
    program = find_browser()
    if program is None:
        pytest.skip(f"Chromium isn't installed: apt install {PACKAGE}")
    with Browser(program, tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module")
def pages() -> list[str]:
    """List the pages, relative to the site."""
    found = sorted(
        path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html") if "_static" not in path.parts
    )
    assert "index.html" in found, "build the site first: make docs"
    return found


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Serve the site."""
    with serving(SITE) as where:
        yield where


@pytest.mark.timeout(600)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_pages_fit(browser: Browser, pages: list[str], address: str, width: int, scheme: str) -> None:
    """No page scrolls sideways, none is endless, no image is missing, no script fails."""
    browser.resize(width)
    browser.prefer(scheme)
    faults = []
    for page in pages:
        browser.open(address + page)
        faults += [f"{page}: {error}" for error in browser.errors()]
        faults += [f"{page}: no image {image}" for image in browser.evaluate(MISSING_IMAGES)]
        faults += [f"{page}: too wide: {block!r}" for block in browser.evaluate(WIDE_BLOCKS)]
        if (beyond := browser.evaluate(SIDEWAYS)) > 0:
            faults.append(f"{page}: {beyond} pixels wider than the window")
        if width == max(WIDTHS):
            faults += [f"{page}: too wide: {table!r}" for table in browser.evaluate(WIDE_TABLES)]
            if page not in LONG and (height := browser.evaluate(HEIGHT)) > LONGEST:
                faults.append(f"{page}: {height} pixels long")
    assert not faults, "\n".join(faults)


def test_a_link_opens_a_folded_section(browser: Browser, address: str) -> None:
    """A section that is closed is open where a link leads into it."""
    browser.resize(1280)
    closed = "document.querySelector('#read-64 > details').open"
    browser.open(f"{address}benchmarks.html")
    assert browser.evaluate(closed) is False
    browser.open("about:blank")
    browser.open(f"{address}benchmarks.html#read-64")
    assert browser.evaluate(closed) is True


def test_faults_are_found(browser: Browser, tmp_path: Path) -> None:
    """A page with one fault of each kind has each of them."""
    page = tmp_path / "page.html"
    block = f"<div class='highlight' style='width: 100px'><pre style='overflow: auto'>{'x' * 99}</pre></div>"
    table = "<div class='table-wrapper' style='width: 9px; overflow: auto'><table><td>wide</table></div>"
    text = f"<!doctype html><img src='none.svg'>{block}{table}<script>nothing()</script>"
    page.write_text(text, encoding="utf-8")
    browser.resize(1280)
    browser.open(page.as_uri())
    assert len(browser.errors()) == 2  # the script, and the file of the image
    assert len(browser.evaluate(MISSING_IMAGES)) == 1
    assert browser.evaluate(WIDE_BLOCKS) == ["x" * 80]
    assert browser.evaluate(WIDE_TABLES) == ["wide"]
