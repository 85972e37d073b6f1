"""What is installed in this environment."""

from __future__ import annotations

__all__ = ["versions"]


def versions(*names: str) -> dict[str, str]:
    """Return the versions of those distributions that are installed."""
    # Not before a client is measured: some import this themselves.
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
