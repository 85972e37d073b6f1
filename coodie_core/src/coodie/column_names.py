"""The names of a result's columns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie.exceptions import InvalidQueryError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["check_column_names"]


def check_column_names(names: Sequence[str]) -> None:
    """Refuse columns of the same name: of a row as a dict, one of them would be lost.

    Raises:
        InvalidQueryError: There are some; it names the first such name.
    """
    if len(set(names)) == len(names):
        return
    twice = next(name for name in names if names.count(name) > 1)
    message = f"The result has {names.count(twice)} columns named {twice!r}, and a row as a dict takes one."
    raise InvalidQueryError(message, hint="Rename them: SELECT column AS name.")
