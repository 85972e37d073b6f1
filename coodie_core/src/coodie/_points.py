"""Points: marked places on unusual branches, which test suites count.

A run of tests without failures says little if the states that matter never occurred. ``make test-all`` fails
if a point was never reached. Without a hook, a point costs a call and an empty loop, and no point is on the
way of an ordinary request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["hooks", "point"]

#: Called with the name of each point that is reached; added by test suites.
hooks: list[Callable[[str], object]] = []


def point(name: str) -> None:
    """Mark a branch; the name is a literal, unique in the source."""
    for hook in hooks:
        hook(name)
