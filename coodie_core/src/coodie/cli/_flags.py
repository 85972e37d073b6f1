"""Errors and warnings with the flags of commands, in place of the arguments of functions."""

from __future__ import annotations

import re

__all__ = ["with_flags"]

#: Arguments of functions, and the flags that set them.
_FLAGS = {
    "consistency": "--consistency",
    "drop_removed_indexes": "--drop-removed-indexes",
    "fetch_size": "--page-size",
    "profile": "--profile",
    "timeout": "--timeout",
}
#: An argument's name, outside calls of functions, and what follows.
_ARGUMENT = re.compile(rf"(?<![\w(.])({'|'.join(_FLAGS)})=(?:True\b)?(?=(\S)?)")
#: Other arguments are options of the configuration and of URLs.
_OPTION = re.compile(r"(?<![\w(.])([a-z_]+)=(?=[\s,.;:)]|$)")
#: Arguments of connecting are options, too.
_CONNECTING = re.compile(r"init_coodie\((\w+)=…\)")
#: The end of a hint that has no flag.
_PYTHON_ONLY = re.compile(r"; or use options=SyncOptions\(.*\)(?=\.)")


def with_flags(text: str) -> str:
    """Return an error's or a warning's text with flags instead of arguments of functions."""

    def flag(match: re.Match[str]) -> str:
        following = match[2] or ""
        return _FLAGS[match[1]] + (" " if following and following not in ",.;:)" else "")

    text = _CONNECTING.sub(r"the connection's \1", text)
    return _OPTION.sub(r"\1", _ARGUMENT.sub(flag, _PYTHON_ONLY.sub("", text)))
