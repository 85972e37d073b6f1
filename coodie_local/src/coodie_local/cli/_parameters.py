"""What several commands take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from coodie_local._inventory import entries, entry_of
from coodie_local.errors import LocalNodeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie_local._inventory import ClusterEntry

__all__ = ["choice_option", "existing", "name_argument"]


def choice_option(name: str, choice: str, *, help: str) -> Callable[[Any], Any]:  # noqa: A002 - click's word
    """Return the option ``--CHOICE``: the parameter *name* gets that value; a second choice is refused."""

    def choose(context: click.Context, _option: click.Parameter, chosen: bool) -> None:  # noqa: FBT001 - click's way
        if chosen:
            other = context.params.setdefault(name, choice)
            if other != choice:
                raise click.UsageError(f"Give --{other} or --{choice}, not both.", context)

    return click.option(f"--{choice}", is_flag=True, expose_value=False, callback=choose, help=help)


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
