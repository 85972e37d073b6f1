"""The versions of installed distributions."""

from __future__ import annotations

__all__ = ["versions"]


def versions(*names: str) -> dict[str, str]:
    """Return the versions of installed distributions."""
    # Imported lazily, because some clients import it, too, and imports are measured.
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
