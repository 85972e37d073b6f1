"""The check of the built site's links finds what leads nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from site_links import broken_links

if TYPE_CHECKING:
    from pathlib import Path


def test_links_that_lead_nowhere_are_found(tmp_path: Path) -> None:
    """Files, anchors, images and raw HTML are checked; other sites, and the page of no address, aren't."""
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "one.html").write_text('<p id="here">', encoding="utf-8")
    (tmp_path / "404.html").write_text('<a href="/anything.html">', encoding="utf-8")
    good = ("a/one.html#here", "a/one.html", "#top", "https://example.org/#x", "mailto:a@example.org")
    bad = ("a/one.html#there", "none.html", "#nowhere", "none.svg")
    links = "".join(f'<a href="{link}"></a>' for link in (*good, *bad[:-1]))
    (tmp_path / "index.html").write_text(f'<p id="top">{links}<img src="{bad[-1]}">', encoding="utf-8")
    assert broken_links(tmp_path) == [f"index.html: {link}" for link in bad]
