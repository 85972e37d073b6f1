"""What several commands take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from coodie_local._inventory import entries, entry_of
from coodie_local.errors import LocalNodeError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from coodie_local._inventory import ClusterEntry

__all__ = ["existing", "name_argument"]


def name_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the argument NAME."""
    return click.argument("name", default="default", metavar="[NAME]")(function)


def existing(name: str) -> ClusterEntry:
    """Look at the node or cluster of a name.

    Raises:
        LocalNodeError: There is none.
    """
    entry = entry_of(name)
    if not entry.directory.is_dir():
        known = ", ".join(entry.name for entry in entries())
        msg = f"There is no local node {name!r}; there {f'are: {known}' if known else 'is none at all'}."
        raise LocalNodeError(msg, hint="To start it, run:", command=f"coodie local up {name}")
    return entry
