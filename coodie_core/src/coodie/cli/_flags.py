"""Errors and warnings with the flags of commands, in place of the arguments of functions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["flags_of", "with_flags"]

#: Other arguments are options of the configuration and of URLs.
_OPTION = re.compile(r"(?<![\w(.])([a-z_]+)=(?=[\s,.;:)]|$)")
#: Arguments of connecting are options, too; the backend is the driver of a connection.
_CONNECTING = re.compile(r"init_coodie\((\w+)=…\)")
_BACKEND = re.compile(r"(?<![\w(.])driver_type=(?=')")
#: The end of a hint that has no flag.
_PYTHON_ONLY = re.compile(r"; or use options=SyncOptions\(.*\)(?=\.)")


def flags_of(command: click.Command, words: Iterable[str]) -> dict[str, str]:
    """Return the flags of a command by the arguments that they set.

    Args:
        command: The command, or the group that has it.
        words: The command line without the program; its first words select a command of the group.
    """
    for word in words:
        if not isinstance(command, click.Group):
            break
        command = command.get_command(click.Context(command), word) or command
    found: dict[str, str] = {}
    for option in command.params:
        if isinstance(option, click.Option) and option.name:
            flag = max(option.opts, key=len)
            found |= {option.name: flag, flag.strip("-").replace("-", "_"): flag}
    return found


def with_flags(text: str, flags: Mapping[str, str]) -> str:
    """Return an error's or a warning's text with flags instead of arguments of functions.

    Args:
        text: The text.
        flags: The command's flags, from ``flags_of``.
    """

    def flag(match: re.Match[str]) -> str:
        following = match[2] or ""
        return flags[match[1]] + (" " if following and following not in ",.;:)" else "")

    text = _BACKEND.sub("driver ", _CONNECTING.sub(r"the connection's \1", _PYTHON_ONLY.sub("", text)))
    if flags:  # outside calls of functions
        text = re.sub(rf"(?<![\w(.])({'|'.join(flags)})=(?:True\b)?(?=(\S)?)", flag, text)
    return _OPTION.sub(r"\1", text)
