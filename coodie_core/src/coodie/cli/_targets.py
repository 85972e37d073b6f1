"""The target of a command: a connection of the configuration, or a URL."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from coodie.cli._completion import complete_connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from coodie.contract.driver import AbstractDriver

__all__ = ["connected", "connection_option", "option_of"]


def option_of(name: str, *flags: str, **more: Any) -> Callable[[Any], Any]:
    """Return the click option for an option of coodie-core, with its help and its unit or type.

    Args:
        name: The name in ``coodie.options.OPTIONS``.
        flags: The flags; ``--name`` by default.
        more: Further arguments for click.
    """
    from coodie.exceptions import ConfigurationError
    from coodie.options.declarations import OPTIONS
    from coodie.options.valuetypes import check_value, parse_value

    option = OPTIONS[name]

    def read(_context: click.Context, _parameter: click.Parameter, text: str | None) -> Any:
        if text is None:
            return None
        try:
            return check_value(option.name, option.type, parse_value(option.type, text))
        except ConfigurationError as exc:
            # click names the flag.
            raise click.BadParameter(str(exc).removeprefix(f"{option.name}=")) from exc

    shown = (option.unit or option.type).upper().replace(" ", "_")
    return click.option(
        *(flags or (f"--{name.replace('_', '-')}",)),
        name,
        **{"help": option.help, "metavar": shown, "callback": read, **more},
    )


def connection_option(command: Any) -> Any:
    """Add ``--connection`` to a command."""
    return click.option(
        "-c",
        "--connection",
        metavar="NAME|URL",
        help="A connection of the configuration, or a URL; by default, the configuration's default.",
        shell_complete=complete_connection,
    )(command)


@contextmanager
def connected(target: str | None) -> Iterator[AbstractDriver]:
    """Connect, and close the driver at the end of the block.

    Args:
        target: A connection's name or a URL; None for the configuration's default.

    Raises:
        CoodieError: The connection doesn't exist, or can't be opened.
    """
    from coodie.config.loading import connect, load_config
    from coodie.registry.lazy import LazyDriver
    from coodie.registry.registry import current_registry

    if target is not None and "://" in target:
        driver: AbstractDriver = connect(target)
    else:
        # Through the configuration, not the registry, whose error doesn't list the connections.
        name = load_config().named(target).name
        driver = current_registry().get(name)
    with driver:
        if isinstance(driver, LazyDriver):
            driver.connect()
        yield driver
