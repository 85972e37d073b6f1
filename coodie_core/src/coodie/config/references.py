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
    """Return whether a value is a string with a reference."""
    return isinstance(value, str) and _REFERENCE.search(value) is not None


def is_reference(value: object) -> bool:
    """Return whether a value is only a reference, and so not a secret itself."""
    return isinstance(value, str) and _REFERENCE.fullmatch(value) is not None


def resolve_references(text: str, environ: Mapping[str, str], base: Path) -> str:
    """Resolve the references in a text; not recursively.

    Args:
        text: A text with ``{env:NAME}`` or ``{file:PATH}``.
        environ: The environment.
        base: The base directory of relative paths.

    Raises:
        ConfigurationError: A variable or file doesn't exist. The error contains its name, but no value.
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
            # Editors and `echo` append a newline, which isn't part of the value.
            return path.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
        except (OSError, UnicodeDecodeError) as exc:
            reason = exc.strerror if isinstance(exc, OSError) else "it isn't UTF-8"
            # "from None": a decoding error contains the bytes.
            message = f"The file {str(path)!r} can't be read: {reason}."
            error = ConfigurationError(message, hint="Fix its path or its permissions.")
        raise error

    return _REFERENCE.sub(found, text)
