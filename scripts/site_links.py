"""Check the links of the built site: relative links must have a file, and anchors an element.

Sphinx only checks links that it resolves; this also checks raw HTML, images, styles and scripts.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

__all__ = ["broken_links", "main"]

#: Its links are absolute, because it is shown at any address.
_NOT_FOUND = "404.html"


class _Page(HTMLParser):
    """Collects the ids and links of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" or (name == "name" and tag == "a"):
                self.ids.add(value or "")
            elif name in ("href", "src") and value:
                self.links.append(value)


def broken_links(site: Path) -> list[str]:
    """Return a line for each broken link.

    Args:
        site: The directory of the built site.
    """
    pages = {path: _Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    broken = []
    for path, page in pages.items():
        for link in page.links if path.name != _NOT_FOUND else ():
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            fragment = unquote(parts.fragment)
            there = target in pages if fragment else target.exists()
            # The link of Furo's "back to top" has a fragment without an element.
            if not there or (fragment and fragment not in pages[target].ids):
                broken.append(f"{path.relative_to(site)}: {link}")
    return broken


def main(site: str) -> int:
    """Print broken links.

    Args:
        site: The directory of the built site.

    Returns:
        The exit code: 1 if there are any.
    """
    broken = broken_links(Path(site).resolve())
    print("\n".join(broken))
    return bool(broken)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
