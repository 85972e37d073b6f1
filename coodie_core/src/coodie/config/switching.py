"""Observers by name, as a configuration has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coodie.exceptions import ConfigurationError, ObserverLoadError
from coodie.registry import current_registry

if TYPE_CHECKING:
    from coodie.config.settings import Setting

__all__ = ["switch_on"]


def switch_on(setting: Setting) -> None:
    """Register the observers of a list; those that an earlier list named stay as they are.

    Args:
        setting: The names, as ``activate_observer`` takes them.

    Raises:
        ObserverLoadError: One of them can't be used.
    """
    from coodie.observers import activate_observer

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
