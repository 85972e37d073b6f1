"""Observers by name, as a configuration has them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from coodie.exceptions import ObserverLoadError
from coodie.registry import current_registry

if TYPE_CHECKING:
    from coodie.config.settings import Setting

__all__ = ["find_observer", "switch_on"]


def switch_on(setting: Setting) -> None:
    """Register the observers of a list; those that an earlier list named stay as they are.

    Args:
        setting: The names, each ``module:attribute``.

    Raises:
        ObserverLoadError: One of them isn't there.
    """
    from coodie.observers import register_observer

    done = current_registry().switched_on
    for name in setting.value:
        if name not in done:
            register_observer(find_observer(name, setting.where))
            done.add(name)


def find_observer(name: str, where: str) -> Any:
    """Return the observer of that name; a class is called for one.

    Args:
        name: ``module:attribute``.
        where: The place of the name, for the error.

    Raises:
        ObserverLoadError: It isn't there.
    """
    module, colon, attribute = name.partition(":")
    hint = "Write the module and the attribute, such as 'shop.observers:slow_requests'."
    if not colon or not module or not attribute:
        message = f"{where}: the observer {name!r} isn't a module and an attribute."
        raise ObserverLoadError(message, hint=hint, option="observers", observer=name)
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as exc:
        message = f"{where}: the observer {name!r} can't be found: {exc}."
        raise ObserverLoadError(message, hint=hint, option="observers", observer=name) from exc
    return found() if isinstance(found, type) else found
