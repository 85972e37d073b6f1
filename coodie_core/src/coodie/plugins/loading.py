"""One backend's plug-in: imported, checked by pluggy, and called."""

from __future__ import annotations

import signal
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

import pluggy

from coodie.exceptions import (
    ConnectionFailedError,
    CoodieError,
    DriverDependencyError,
    DriverImportError,
    DriverLoadError,
    NotADriverError,
)
from coodie.hooks import PROJECT, DriverDescription
from coodie.observers.hooks import OBSERVER_HOOKS, ObserverHooks
from coodie.plugins.descriptions import problem_of
from coodie.plugins.discovery import canonical_name
from coodie.plugins.errors import reading_metadata
from coodie.plugins.hooks import DriverHooks
from coodie_doctor.findings import plain_text, words_of
from coodie_doctor.ownership import pip_command

if TYPE_CHECKING:
    from coodie.plugins.discovery import DriverEntryPoint

__all__ = ["CHECK", "DESCRIBE", "INSPECT", "OPEN", "OPEN_ASYNC", "LoadedPlugin", "again", "load_plugin"]

DESCRIBE = "coodie_describe_driver"
CHECK = "coodie_check_config"
OPEN = "coodie_open_driver"
OPEN_ASYNC = "coodie_open_driver_async"
INSPECT = "coodie_inspect_driver"

#: What shows what a plug-in has to implement.
_HOOKS = "python -m pydoc coodie.plugins.hooks"


class LoadedPlugin:
    """A plug-in and its hooks.

    Each has a pluggy manager of its own, so that no call can reach another's hooks, whatever is
    loaded meanwhile.

    Args:
        plugin: What the entry point names.
        entry: Where it comes from.

    Raises:
        NotADriverError: Its hooks don't fit the specifications, or it can't open a driver.
    """

    __slots__ = ("_description", "_hooks", "entry", "plugin")

    def __init__(self, plugin: Any, entry: DriverEntryPoint) -> None:
        self.entry = entry
        self.plugin = plugin
        self._description: DriverDescription | None = None
        manager = pluggy.PluginManager(PROJECT)
        manager.add_hookspecs(DriverHooks)
        manager.add_hookspecs(ObserverHooks)
        self._hooks = manager.hook
        try:
            manager.register(plugin, entry.driver_type)
            manager.check_pending()
        except pluggy.PluginValidationError as exc:
            raise self.not_a_driver(f"{self._where()} is not a plug-in of ours: {plain_text(exc)}") from exc
        if not self.implements(OPEN):
            message = f"{self._where()} implements no hook {OPEN}, marked with coodie.plugins.hookimpl."
            raise self.not_a_driver(message, missing=(OPEN,))

    def _where(self) -> str:
        return f"{self.entry.entry_point.value!r} of {self.entry.owner}"

    @property
    def observes(self) -> bool:
        """Whether the plug-in is an observer, too."""
        return any(map(self.implements, OBSERVER_HOOKS))

    def implements(self, hook: str) -> bool:
        """Tell whether the plug-in implements the hook."""
        return bool(getattr(self._hooks, hook).get_hookimpls())

    def call(self, hook: str, **arguments: Any) -> Any:
        """Call a hook.

        Raises:
            CoodieError: The hook's own, or one for whatever else it raised.
        """
        try:
            return getattr(self._hooks, hook)(**arguments)
        except CoodieError as exc:
            self._sign(exc)
            raise
        except (Exception, SystemExit) as exc:
            if _ends_the_program(exc):
                raise
            raise self.error(hook, exc) from exc

    def describe(self) -> DriverDescription:
        """Return what the backend says of itself, once what it needs is there.

        It is asked and compared with what is installed once in a process, which goes on with the modules
        that it has, whatever is installed later. A failure isn't kept: the next call asks again.

        Raises:
            DriverDependencyError: A distribution that it needs isn't installed in a version that fits.
            NotADriverError: It returned something else, or a field holds what it can't.
        """
        if self._description is None:
            self._description = self._checked_description()
        return self._description

    def _checked_description(self) -> DriverDescription:
        description = self.call(DESCRIBE)
        if description is None:
            return DriverDescription(summary="")
        if not isinstance(description, DriverDescription):
            kind = type(description).__name__
            message = f"{DESCRIBE} of {self.entry.owner} returned a {kind}, not a DriverDescription."
            raise self.not_a_driver(message)
        problem = problem_of(description)
        if problem is not None:
            raise self.not_a_driver(f"The DriverDescription of {self.entry.owner} can't be used: {problem}.")
        if description.needs:
            from coodie.plugins.requirements import check_needs  # packaging, for those that need something

            with reading_metadata(self.entry.driver_type):
                check_needs(description.needs, self.entry)
        return description

    async def call_async(self, hook: str, **arguments: Any) -> Any:
        """Call a hook that returns an awaitable, and await it; raises as ``call``."""
        try:
            return await getattr(self._hooks, hook)(**arguments)
        except CoodieError as exc:
            self._sign(exc)
            raise
        except (Exception, SystemExit) as exc:
            if _ends_the_program(exc):
                raise
            raise self.error(hook, exc) from exc

    def _sign(self, error: CoodieError) -> None:
        """Note in an error about this backend whose it is, where the hook didn't."""
        mine = self.entry
        if isinstance(error, DriverLoadError) and error.driver_type in (None, mine.driver_type):
            error.driver_type = mine.driver_type
            error.distribution = error.distribution or mine.distribution

    def error(self, hook: str, raised: BaseException) -> CoodieError:
        """Return our error for what a hook let through."""
        owner = self.entry
        if isinstance(raised, ImportError):
            return import_error(raised, owner)
        message = f"{hook} of {owner.owner} raised {words_of(raised)}."
        if hook in (OPEN, OPEN_ASYNC) and isinstance(raised, OSError):
            return ConnectionFailedError(message)
        return DriverLoadError(message, **_report(owner))

    def not_a_driver(self, message: str, *, missing: tuple[str, ...] = ()) -> NotADriverError:
        """Return the error for a plug-in that doesn't keep the contract."""
        return NotADriverError(message, missing=missing, **_report(self.entry))


def load_plugin(entry: DriverEntryPoint) -> LoadedPlugin:
    """Import what the entry point names.

    Raises:
        DriverImportError: Its module raised, or isn't there.
        DriverDependencyError: A module that it needs isn't there.
        NotADriverError: It isn't a plug-in.
    """
    try:
        plugin = entry.entry_point.load()
    except CoodieError:
        raise
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as exc:  # a module that calls sys.exit() is broken, and no reason to end the program
        if _ends_the_program(exc):
            raise
        raise import_error(exc, entry) from exc
    return LoadedPlugin(plugin, entry)


def _ends_the_program(raised: BaseException) -> bool:
    """Tell whether a signal's handler raised it, such as one that exits on SIGTERM: the plug-in didn't."""
    if not isinstance(raised, SystemExit):
        return False
    handlers = [getattr(signal.getsignal(number), "__code__", None) for number in signal.valid_signals()]
    return any(frame.f_code in handlers for frame, _ in walk_tb(raised.__traceback__))


def import_error(raised: BaseException, entry: DriverEntryPoint) -> DriverLoadError:
    """Tell a missing dependency from a broken module."""
    point, owner = entry.entry_point, entry.owner
    known = {"driver_type": entry.driver_type, "distribution": entry.distribution}
    reinstall = {"hint": "To install it anew, run:", "command": again(entry)}
    if not isinstance(raised, ModuleNotFoundError):
        message = f"Importing {point.value!r} of {owner} raised {words_of(raised)}."
        return DriverImportError(message, **reinstall, **known)
    missing = raised.name or plain_text(raised)
    if missing.partition(".")[0] == point.module.partition(".")[0]:
        message = f"{owner} announces {point.value!r}, but has no module {missing!r}."
        return DriverImportError(message, **reinstall, **known)
    return _dependency(missing, entry)


def _dependency(missing: str, entry: DriverEntryPoint) -> DriverDependencyError:
    """Name the distribution that a missing module comes with, where the backend's metadata tells."""
    from coodie.plugins.requirements import (  # packaging, for a message alone
        dependency_error,
        unmet_requirements,
    )

    unmet = unmet_requirements(entry.distribution) if entry.distribution else []
    top = missing.partition(".")[0].lower()
    named = [wanted for wanted in unmet if canonical_name(wanted.name).replace("-", "_") == top]
    if named or len(unmet) == 1:
        return dependency_error((named or unmet)[0], entry)
    message = f"{entry.owner} needs the module {missing!r}, which isn't installed."
    return DriverDependencyError(
        message,
        command=again(entry),
        missing=missing,
        driver_type=entry.driver_type,
        distribution=entry.distribution,
    )


def again(entry: DriverEntryPoint) -> str:
    """Return the command that installs a backend anew."""
    return pip_command("install --force-reinstall", entry.distribution)


def _report(entry: DriverEntryPoint) -> dict[str, Any]:
    """Return what is said and carried where a plug-in doesn't do what it should."""
    known = {"driver_type": entry.driver_type, "distribution": entry.distribution}
    if not entry.distribution:
        return {"hint": "For what a plug-in has to do, run:", "command": _HOOKS, **known}
    hint = f"Report it to the authors of {entry.distribution}, or see whether they've mended it:"
    return {"hint": hint, "command": pip_command("install --upgrade", entry.distribution), **known}
