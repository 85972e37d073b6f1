"""Connections by URL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie.exceptions import ConfigurationError
from coodie.registry.opening import init_coodie, init_coodie_async
from coodie.registry.registry import current_registry
from coodie.waiting import call_in_thread

if TYPE_CHECKING:
    from coodie.contract.driver import AbstractDriver
    from coodie.plugins.host import PluginHost

__all__ = ["connect", "connect_async"]


def connect(url: str, **options: Any) -> AbstractDriver:
    """Open the connection that a URL describes and register it.

    Args:
        url: ``scylla://user:password@host1,host2:9042/keyspace?consistency=LOCAL_QUORUM&lazy=true``: the
            backend's name, credentials, hosts with one port, the keyspace, and any option of
            ``init_coodie``. In each part, what would separate parts is percent-encoded.
        options: Options that the URL doesn't have, such as objects.

    Returns:
        The driver; also what ``get_driver(name)`` returns, where ``name`` is among the options, else
        "default".

    Raises:
        ConfigurationError: The URL can't be read or honoured. It is never quoted: it may have a password.
        CoodieError: As ``init_coodie``.
    """
    return init_coodie(**_arguments(url, options, current_registry().plugins))


async def connect_async(url: str, **options: Any) -> AbstractDriver:
    """Async version of :func:`connect`; never blocks the event loop."""
    registry = current_registry()

    def prepare() -> dict[str, Any]:
        # May import the backend, to ask it for its options' types.
        return _arguments(url, options, registry.plugins)

    arguments = await call_in_thread(prepare, "coodie-prepare", discard=lambda _: None)
    return await init_coodie_async(**arguments)


def _arguments(url: str, options: dict[str, Any], plugins: PluginHost) -> dict[str, Any]:
    """Return the arguments of ``init_coodie``."""
    from coodie.config.own import read_own_options
    from coodie.config.url import parse_url

    parts = parse_url(url)
    twice = sorted((parts.arguments.keys() | parts.own.keys()) & options.keys())
    if twice:
        message = f"{twice[0]} is given in the URL, and as an argument beside it."
        raise ConfigurationError(message, hint="Give it once.", option=twice[0])
    return {**parts.arguments, **read_own_options(parts.own, parts.arguments, plugins), **options}


# What users import is coodie: tracebacks and help() name that.
for _function in (connect, connect_async):
    _function.__module__ = "coodie"
del _function
