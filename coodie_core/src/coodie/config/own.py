"""A backend's own options, read from text as the backend describes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie.options.connection import build_config
from coodie.options.valuetypes import parse_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coodie.plugins.host import PluginHost

__all__ = ["read_own_options"]


def read_own_options(
    texts: Mapping[str, str], arguments: Mapping[str, Any], plugins: PluginHost
) -> dict[str, Any]:
    """Return the options' values; a name that the backend doesn't know is left for it to refuse.

    Args:
        texts: Name → what was written.
        arguments: Those of ``init_coodie``; of interest is which backend they name.
        plugins: Who knows the backend.

    Raises:
        DriverLoadError: The backend can't be used.
    """
    if not texts:
        return {}
    named = {name: arguments[name] for name in ("driver_type", "distribution") if name in arguments}
    types = {option.name: option.type for option in plugins.described(build_config(**named)).options}
    return {name: parse_value(types.get(name, ""), text) for name, text in texts.items()}
