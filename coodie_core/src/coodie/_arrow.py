"""Import of coodie-arrow, which isn't a dependency of coodie-core."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Protocol

from coodie._version import __version__
from coodie.exceptions import ConfigurationError
from coodie_doctor.pip_commands import pip_command

__all__ = ["ArrowTable", "arrow_module", "is_arrow_data"]

_DISTRIBUTION = "coodie-arrow"


class ArrowTable(Protocol):
    """A data frame or a table of any library with Arrow's PyCapsule interface."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return a PyCapsule with a stream of record batches."""
        ...


def arrow_module(feature: str, option: str) -> Any:
    """Return the module coodie_arrow.

    Args:
        feature: What needs it, for the error.
        option: The argument that requests it.

    Raises:
        ConfigurationError: It isn't installed, or has another version.
    """
    try:
        module = import_module("coodie_arrow")
    except ImportError as exc:
        message = f"{feature} needs the package {_DISTRIBUTION}, which can't be imported: {exc}."
        command = pip_command("install --force-reinstall", _DISTRIBUTION)
        raise ConfigurationError(message, command=command, option=option) from exc
    # A directory of that name on the path is an empty namespace package.
    found = getattr(module, "__version__", None)
    if found is None:
        message = f"{feature} needs the package {_DISTRIBUTION}, which isn't installed."
        command = pip_command("install", _DISTRIBUTION)
        raise ConfigurationError(message, command=command, option=option)
    if found != __version__:
        message = f"{_DISTRIBUTION} {found} can't be used with coodie-core {__version__}."
        raise ConfigurationError(message, hint="Install the same version of both.", option=option)
    return module


def is_arrow_data(value: Any) -> bool:
    """Return whether a value is a data frame, a table or another object with Arrow's PyCapsule interface."""
    return hasattr(value, "__arrow_c_stream__") or hasattr(value, "__arrow_c_array__")
