"""Observers by name: included ones, entry points of other distributions, and attributes of modules.

A distribution declares an observer in the entry-point group ``coodie.observers``, and again in
``coodie.observer_api.1``, which names the version of the hooks. Installing it doesn't activate it:
``activate_observer`` and configuration files do.
"""

from __future__ import annotations

from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from coodie._module_attribute import imported_attribute
from coodie.exceptions import ConfigurationError, CoodieError, ObserverLoadError
from coodie.observers.hub import current_observers
from coodie_doctor.pip_commands import CORE, pip_command
from coodie_doctor.words import plain_text, words_of

if TYPE_CHECKING:
    from importlib_metadata import EntryPoint

__all__ = ["activate_observer", "find_observer", "get_observer"]

_GROUP = "coodie.observers"
_API_GROUP = "coodie.observer_api.1"

#: Included observers, which need no scan of metadata.
_OURS = {
    "requestlog": ("coodie.observers.log", "RequestLog"),
    "counters": ("coodie.observers.metrics", "RequestCounters"),
    "otel": ("coodie.observers.otel", "OpenTelemetryObserver"),
}


def activate_observer(name: str, **options: Any) -> Any:
    """Create an observer by name, and register it.

    Args:
        name: "requestlog", "counters", "otel", the name of an installed entry point, or
            ``module:attribute``.
        options: Arguments of its class or function.

    Returns:
        The observer, for ``unregister_observer``; ``get_observer`` returns it, too.

    Raises:
        ObserverLoadError: No distribution provides it, or two do; or it was made for another version of the
            hooks, is blocked, or can't be imported.
        ConfigurationError: An option is invalid.
    """
    make = find_observer(name)
    if callable(make):
        try:
            observer = make(**options)
        except TypeError as exc:
            given = ", ".join(options) or "no options"
            message = f"The observer {name!r} can't be created with {given}: {plain_text(exc)}."
            hint = "Check the options in its documentation."
            raise ConfigurationError(message, hint=hint, option=next(iter(options), None)) from exc
    elif options:
        message = f"The observer {name!r} takes no options."
        raise ConfigurationError(message, hint="Leave them out.", option=next(iter(options)))
    else:
        observer = make
    current_observers().add(observer, name)
    return observer


def get_observer(name: str) -> Any:
    """Return the observer that a configuration or ``activate_observer`` registered under a name.

    Args:
        name: As in ``activate_observer``, and in ``observers`` of a configuration.

    Returns:
        The observer; if there are several, the last one.

    Raises:
        ConfigurationError: No observer is registered under the name.
    """
    named = {one.name: one.observer for one in current_observers().all if one.name is not None}
    if isinstance(name, str) and name in named:
        return named[name]
    known = ", ".join(named) or "none"
    message = f"No observer is registered under {name!r}. Registered: {known}."
    hint = "Name it in observers of the configuration and call load_config(), or call activate_observer()."
    raise ConfigurationError(message, hint=hint, option="name")


def find_observer(name: str) -> Any:
    """Return the observer of a name, or the class or function that creates it.

    Raises:
        ObserverLoadError: As ``activate_observer``.
    """
    if not isinstance(name, str) or not name:
        message = f"{name!r} is not an observer's name."
        raise ObserverLoadError(message, hint="Give a str, such as 'requestlog'.", observer=str(name))
    if name in _OURS:
        module, attribute = _OURS[name]
        return getattr(import_module(module), attribute)
    if ":" in name:
        error = partial(ObserverLoadError, observer=name)
        return imported_attribute(name, "observer", "shop.observers:slow_requests", error)
    return _announced(name)


def _announced(name: str) -> Any:
    """Load the only entry point of a name."""
    from importlib_metadata import entry_points  # slow, and needed here alone

    try:
        points: list[EntryPoint] = list(entry_points(group=_GROUP))
    except OSError as exc:
        message = f"The observer {name!r} can't be looked up: reading metadata raised {words_of(exc)}."
        raise ObserverLoadError(message, hint="The next call tries again.", observer=name) from exc
    found = [point for point in points if point.name == name]
    if not found:
        from difflib import get_close_matches  # for the error alone

        names = sorted({*_OURS, *(point.name for point in points)})
        close = get_close_matches(name, names, n=1)
        message = f"There is no observer {name!r}. Installed: {', '.join(names)}."
        hint = f"Did you mean {close[0]!r}?" if close else "Install the distribution that provides it."
        raise ObserverLoadError(message, hint=hint, observer=name)
    owners = [_owner(point) for point in found]
    if len(found) > 1:
        message = f"The observer {name!r} is provided by {' and '.join(owners)}."
        raise ObserverLoadError(
            message, command=pip_command("uninstall", _distribution(found[-1])), observer=name
        )
    (point,), (owner,) = found, owners
    _check_open(owner, name)
    if all(other.name != name for other in entry_points(group=_API_GROUP)):
        message = f"The observer {name!r} of {owner} isn't made for version 1 of the hooks ({_API_GROUP})."
        command = pip_command("install --upgrade", CORE, _distribution(point))
        raise ObserverLoadError(message, command=command, observer=name)
    try:
        return point.load()
    except CoodieError:
        raise
    except (Exception, SystemExit) as exc:
        message = f"Importing {point.value!r} of {owner} raised {words_of(exc)}."
        command = pip_command("install --force-reinstall", _distribution(point))
        raise ObserverLoadError(message, command=command, observer=name) from exc


def _check_open(owner: str, name: str) -> None:
    """Raise if the observer's distribution is blocked."""
    blocked_by = current_observers().blocked_by(owner.split(maxsplit=1)[0])
    if blocked_by is not None:
        message = f"The observer {name!r} of {owner} is blocked by {blocked_by}."
        raise ObserverLoadError(message, hint="Use another one, or allow its distribution.", observer=name)


def _distribution(point: EntryPoint) -> str:
    return "" if point.dist is None else point.dist.name


def _owner(point: EntryPoint) -> str:
    return f"{point.dist.name} {point.dist.version}" if point.dist is not None else "unknown"
