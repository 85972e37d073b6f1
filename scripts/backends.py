"""Write the table of capabilities in docs/reference/backends.md: python3 scripts/backends.py."""

from __future__ import annotations

from pathlib import Path

from coodie.capabilities import KNOWN, Capability

__all__ = ["PAGE", "page_of_backends"]

PAGE = Path(__file__).resolve().parent.parent / "docs" / "reference" / "backends.md"

_FROM, _TO = "<!-- made by scripts/backends.py: from here -->\n", "<!-- to here -->"


def page_of_backends() -> str:
    """Return the page with the table of the backends' declared capabilities."""
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(_FROM)
    _, _, after = rest.partition(_TO)
    return f"{before}{_FROM}\n{_capabilities()}\n{_TO}{after}"


def _capabilities() -> str:
    lines = [
        _row("capability", *(f"`{name}`" for name in KNOWN)),
        _row("---", *(":---:" for _ in KNOWN)),
    ]
    for capability in sorted(Capability, key=lambda one: one.value.lower()):
        has = ("✓" if capability in backend.capabilities else "–" for backend in KNOWN.values())
        lines.append(_row(capability.value, *has))
    return "\n".join(lines)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page_of_backends(), encoding="utf-8")
    print(f"wrote {PAGE.name}")
