"""References in values: ``{env:NAME}`` and ``{file:PATH}`` in a string."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from coodie.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["has_reference", "is_reference", "resolve_references"]

_REFERENCE = re.compile(r"\{(env|file):([^{}]+)\}")


def has_reference(value: object) -> bool:
    """Tell whether a value is a string that refers to another place."""
    return isinstance(value, str) and _REFERENCE.search(value) is not None


def is_reference(value: object) -> bool:
    """Tell whether a value is nothing but one reference, and so no secret itself."""
    return isinstance(value, str) and _REFERENCE.fullmatch(value) is not None


def resolve_references(text: str, environ: Mapping[str, str], base: Path) -> str:
    """Return the text with what its references stand for; that isn't looked at for more of them.

    Args:
        text: With ``{env:NAME}`` or ``{file:PATH}`` anywhere in it.
        environ: The environment.
        base: The directory that relative paths start from.

    Raises:
        ConfigurationError: There is no such variable or file. The error has its name, never a value.
    """

    def found(match: re.Match[str]) -> str:
        kind, name = match[1], match[2].strip()
        if kind == "env":
            if name not in environ:
                message = f"The environment variable {name} isn't set."
                raise ConfigurationError(message, hint=f"Set it: export {name}=…")
            return environ[name]
        path = base / name
        try:
            # The line's end that editors and `echo` leave belongs to no secret.
            return path.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
        except (OSError, UnicodeDecodeError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else "it isn't UTF-8"
            # "from None": a decoding error carries the bytes along.
            message = f"The file {str(path)!r} can't be read: {reason}."
            error = ConfigurationError(message, hint="Mend its path or its permissions.")
        raise error

    return _REFERENCE.sub(found, text)
