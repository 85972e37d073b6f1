"""One backend's plug-in: imported, checked by pluggy, and called."""

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
from coodie.plugins.hooks import PROJECT, DriverHooks

if TYPE_CHECKING:
    from coodie.plugins.discovery import Announcement

__all__ = ["CHECK", "DESCRIBE", "OPEN", "OPEN_ASYNC", "LoadedPlugin", "load_plugin"]

DESCRIBE = "coodie_describe_driver"
CHECK = "coodie_check_config"
OPEN = "coodie_open_driver"
OPEN_ASYNC = "coodie_open_driver_async"


class LoadedPlugin:
    """A plug-in and its hooks.

    Each has a pluggy manager of its own, so that no call can reach another's hooks, whatever is
    loaded meanwhile.

    Args:
        plugin: What the entry point names.
        announcement: Where it comes from.

    Raises:
        NotADriverError: Its hooks don't fit the specifications, or it can't open a driver.
    """

    __slots__ = ("_hooks", "announcement")

    def __init__(self, plugin: Any, announcement: Announcement) -> None:
        self.announcement = announcement
        manager = pluggy.PluginManager(PROJECT)
        manager.add_hookspecs(DriverHooks)
        self._hooks = manager.hook
        where = f"{announcement.entry_point.value!r} of {announcement.distribution} {announcement.version}"
        try:
            manager.register(plugin, announcement.driver_type)
            manager.check_pending()
        except pluggy.PluginValidationError as exc:
            raise self.not_a_driver(f"{where} is not a plug-in of ours: {exc}") from exc
        if not self.implements(OPEN):
            message = f"{where} implements no hook {OPEN}, marked with coodie.plugins.hookimpl."
            raise self.not_a_driver(message, missing=(OPEN,))

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
        except CoodieError:
            raise
        except Exception as exc:
            raise self.error(hook, exc) from exc

    async def call_async(self, hook: str, **arguments: Any) -> Any:
        """Call a hook that returns an awaitable, and await it; raises as ``call``."""
        try:
            return await getattr(self._hooks, hook)(**arguments)
        except CoodieError:
            raise
        except Exception as exc:
            raise self.error(hook, exc) from exc

    def error(self, hook: str, raised: Exception) -> CoodieError:
        """Return our error for what a hook let through."""
        driver_type, distribution = self.announcement.driver_type, self.announcement.distribution
        if isinstance(raised, ImportError):
            return import_error(raised, self.announcement)
        message = (
            f"{hook} of {distribution} {self.announcement.version} raised {type(raised).__name__}: {raised}."
        )
        if hook in (OPEN, OPEN_ASYNC) and isinstance(raised, OSError):
            return ConnectionFailedError(message)
        return DriverLoadError(
            message, hint=_report(distribution), driver_type=driver_type, distribution=distribution
        )

    def not_a_driver(self, message: str, *, missing: tuple[str, ...] = ()) -> NotADriverError:
        """Return the error for a plug-in that doesn't keep the contract."""
        owner = self.announcement.distribution
        return NotADriverError(
            message,
            hint=_report(owner),
            driver_type=self.announcement.driver_type,
            distribution=owner,
            missing=missing,
        )


def load_plugin(announcement: Announcement) -> LoadedPlugin:
    """Import what the entry point names.

    Raises:
        DriverImportError: Its module raised, or isn't there.
        DriverDependencyError: A module that it needs isn't there.
        NotADriverError: It isn't a plug-in.
    """
    try:
        plugin = announcement.entry_point.load()
    except CoodieError:
        raise
    except Exception as exc:
        raise import_error(exc, announcement) from exc
    return LoadedPlugin(plugin, announcement)


def import_error(raised: Exception, announcement: Announcement) -> DriverLoadError:
    """Tell a missing dependency from a broken module."""
    point, owner = announcement.entry_point, f"{announcement.distribution} {announcement.version}"
    known = {"driver_type": announcement.driver_type, "distribution": announcement.distribution}
    reinstall = f"Run: pip install --force-reinstall {announcement.distribution}"
    if not isinstance(raised, ModuleNotFoundError):
        message = f"Importing {point.value!r} of {owner} raised {type(raised).__name__}: {raised}."
        return DriverImportError(message, hint=reinstall, **known)
    missing = raised.name or str(raised)
    if missing.partition(".")[0] == point.module.partition(".")[0]:
        message = f"{owner} announces {point.value!r}, but has no module {missing!r}."
        return DriverImportError(message, hint=reinstall, **known)
    message = f"{owner} needs the module {missing!r}, which isn't installed."
    return DriverDependencyError(message, hint=reinstall, missing=missing, **known)


def _report(distribution: str) -> str:
    return f"Report it to the authors of {distribution}."
