"""Import a backend's plug-in, validate it with pluggy, and call its hooks."""

from __future__ import annotations

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
from coodie.plugins.plain_requirements import is_plainly_met
from coodie_doctor.pip_commands import pip_command, to_run
from coodie_doctor.words import plain_text, words_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from coodie.plugins.discovery import DriverEntryPoint

__all__ = [
    "CHECK",
    "CODECS",
    "DESCRIBE",
    "INSPECT",
    "OPEN",
    "OPEN_ASYNC",
    "LoadedPlugin",
    "again",
    "load_object",
    "load_plugin",
    "report",
]

DESCRIBE = "coodie_describe_driver"
CHECK = "coodie_check_config"
CODECS = "coodie_codecs"
OPEN = "coodie_open_driver"
OPEN_ASYNC = "coodie_open_driver_async"
INSPECT = "coodie_inspect_driver"

#: The command that prints the hooks of a plug-in.
_HOOKS = "python -m pydoc coodie.plugins.hooks"


class LoadedPlugin:
    """A plug-in and its hooks.

    Each has its own pluggy manager, so a call never reaches the hooks of other plug-ins.

    Args:
        plugin: The object of the entry point.
        entry: The entry point.

    Raises:
        NotADriverError: A hook doesn't match its specification, or ``coodie_open_driver`` is missing.
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
            raise self.not_a_driver(f"{self._where()} isn't a valid plug-in: {plain_text(exc)}") from exc
        if not self.implements(OPEN):
            message = (
                f"{self._where()} doesn't implement the hook {OPEN}, marked with coodie.plugins.hookimpl."
            )
            raise self.not_a_driver(message, missing=(OPEN,))

    def _where(self) -> str:
        return f"{self.entry.entry_point.value!r} of {self.entry.owner}"

    @property
    def observes(self) -> bool:
        """Whether the plug-in is also an observer."""
        return any(map(self.implements, OBSERVER_HOOKS))

    def implements(self, hook: str) -> bool:
        """Return whether the plug-in implements a hook."""
        return bool(getattr(self._hooks, hook).get_hookimpls())

    def call(self, hook: str, **arguments: Any) -> Any:
        """Call a hook.

        Raises:
            CoodieError: The hook's own error, or a translation of any other exception.
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
        """Return the backend's description, after checking its dependencies.

        This is done once per process, since later installations don't change imported modules. After a
        failure, the next call tries again.

        Raises:
            DriverDependencyError: A dependency isn't installed in a suitable version.
            NotADriverError: The hook returned something else, or a field is invalid.
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
            raise self.not_a_driver(f"The DriverDescription of {self.entry.owner} is invalid: {problem}.")
        if description.needs:
            with reading_metadata(self.entry.plugin_name):
                self._check_needs(description.needs)
        return description

    def _check_needs(self, needs: Iterable[str]) -> None:
        unclear = tuple(need for need in needs if not is_plainly_met(need, self.entry))
        if unclear:
            from coodie.plugins.requirements import check_needs  # imports packaging

            check_needs(unclear, self.entry)

    async def call_async(self, hook: str, **arguments: Any) -> Any:
        """Call a hook that returns an awaitable, and await it; raises as ``call`` does."""
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
        """Add the backend and its distribution to an error, if the hook hasn't."""
        mine = self.entry
        if isinstance(error, DriverLoadError) and error.driver_type in (None, mine.driver_type):
            error.driver_type = mine.driver_type
            error.distribution = error.distribution or mine.distribution

    def error(self, hook: str, raised: BaseException) -> CoodieError:
        """Translate an exception of a hook."""
        owner = self.entry
        if isinstance(raised, ImportError):
            return import_error(raised, owner)
        message = f"{hook} of {owner.owner} raised {words_of(raised)}."
        if hook in (OPEN, OPEN_ASYNC) and isinstance(raised, OSError):
            return ConnectionFailedError(message)
        return DriverLoadError(message, **report(owner))

    def not_a_driver(self, message: str, *, missing: tuple[str, ...] = ()) -> NotADriverError:
        """Return the error for a plug-in that violates the contract."""
        return NotADriverError(message, missing=missing, **report(self.entry))


def load_plugin(entry: DriverEntryPoint) -> LoadedPlugin:
    """Import the plug-in of an entry point.

    Raises:
        DriverImportError: Its module raised, or doesn't exist.
        DriverDependencyError: A module that it imports isn't installed.
        NotADriverError: The object isn't a plug-in.
    """
    return LoadedPlugin(load_object(entry), entry)


def load_object(entry: DriverEntryPoint) -> Any:
    """Import the object of an entry point.

    Raises:
        DriverImportError: Its module raised, or doesn't exist.
        DriverDependencyError: A module that it imports isn't installed.
    """
    try:
        return entry.entry_point.load()
    except CoodieError:
        raise
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as exc:  # a module that calls sys.exit() is broken, but mustn't end the program
        if _ends_the_program(exc):
            raise
        raise import_error(exc, entry) from exc


def _ends_the_program(raised: BaseException) -> bool:
    """Return whether a signal handler raised the exception, such as one that exits on SIGTERM."""
    if not isinstance(raised, SystemExit):
        return False
    import signal  # for this alone, as the next one
    from traceback import walk_tb

    handlers = [getattr(signal.getsignal(number), "__code__", None) for number in signal.valid_signals()]
    return any(frame.f_code in handlers for frame, _ in walk_tb(raised.__traceback__))


def import_error(raised: BaseException, entry: DriverEntryPoint) -> DriverLoadError:
    """Return the error for a failed import: a missing dependency, or a broken module."""
    point, owner = entry.entry_point, entry.owner
    known = {"distribution": entry.distribution, **entry.plugin_name.details}
    command = again(entry)
    reinstall = {"hint": f"To reinstall it, {to_run(command)}", "command": command}
    if not isinstance(raised, ModuleNotFoundError):
        message = f"Importing {point.value!r} of {owner} raised {words_of(raised)}."
        return DriverImportError(message, **reinstall, **known)
    missing = raised.name or plain_text(raised)
    if missing.partition(".")[0] == point.module.partition(".")[0]:
        message = f"{owner} provides {point.value!r}, but has no module {missing!r}."
        return DriverImportError(message, **reinstall, **known)
    return _dependency(missing, entry)


def _dependency(missing: str, entry: DriverEntryPoint) -> DriverDependencyError:
    """Return the error for a missing module, with its distribution if the backend's metadata have it."""
    from coodie.plugins.requirements import (  # imports packaging, which is only needed for errors
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
        distribution=entry.distribution,
        **entry.plugin_name.details,
    )


def again(entry: DriverEntryPoint) -> str:
    """Return the command that reinstalls a backend."""
    return pip_command("install --force-reinstall", entry.distribution)


def report(entry: DriverEntryPoint) -> dict[str, Any]:
    """Return the arguments of an error about a plug-in that violates the contract."""
    known = {"distribution": entry.distribution, **entry.plugin_name.details}
    if not entry.distribution:
        return {"hint": "For the hooks of a plug-in, run:", "command": _HOOKS, **known}
    hint = f"Report it to the authors of {entry.distribution}, or try a new version:"
    return {"hint": hint, "command": pip_command("install --upgrade", entry.distribution), **known}
