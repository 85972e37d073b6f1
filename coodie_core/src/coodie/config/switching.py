"""Observers by name, as a configuration has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie.exceptions import ConfigurationError, ObserverLoadError
from coodie.registry.registry import current_registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coodie.config.settings import Setting
    from coodie.plugins.host import PluginHost

__all__ = ["choose_distributions", "switch_on"]


def choose_distributions(top: Mapping[str, Setting], plugins: PluginHost) -> None:
    """Allow and block the distributions that a file lists."""
    if "allow" in top:
        plugins.allow_only(*top["allow"].value)
    if "block" in top:
        plugins.block(*top["block"].value)


def switch_on(setting: Setting) -> None:
    """Register the observers of a list; those that an earlier list named stay as they are.

    Args:
        setting: The names, as ``activate_observer`` takes them.

    Raises:
        ObserverLoadError: One of them can't be used.
    """
    from coodie.observers.activation import activate_observer

    done = current_registry().switched_on
    for name in setting.value:
        if name in done:
            continue
        try:
            activate_observer(name)
        except ConfigurationError as exc:
            message = f"{setting.where}: {exc}"
            raise ObserverLoadError(message, option="observers", observer=name) from exc
        done.add(name)
