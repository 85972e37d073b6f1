"""What shells offer for an argument, by click's shell completion, without connecting or showing errors."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING

from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import click

    from coodie.config.configuration import Configuration

    _Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]

__all__ = [
    "complete_connection",
    "complete_consistency",
    "complete_driver",
    "complete_error",
    "complete_profile",
    "offered",
]


def offered(find: Callable[[click.Context], Iterable[tuple[str, str | None]]]) -> _Complete:
    """Return a completion that offers names with the typed prefix; any case matches.

    Args:
        find: Returns all names, each with a line of help or None. If it raises, nothing is offered.
    """

    @wraps(find)
    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:  # noqa: ARG001 - click's signature
        try:
            names = list(find(ctx))
        except Exception:  # noqa: BLE001 - an error would be printed into the command line that is typed
            return []
        start = incomplete.lower()
        return [CompletionItem(name, help=line) for name, line in names if name.lower().startswith(start)]

    return complete


def _configuration() -> Configuration:
    import os

    from coodie.config.loading import find_configuration

    return find_configuration(None, os.environ)


@offered
def complete_connection(_ctx: click.Context) -> Iterable[tuple[str, str | None]]:
    """Offer the connections of the configuration."""
    return [(name, None) for name in _configuration().connections]


@offered
def complete_profile(ctx: click.Context) -> Iterable[tuple[str, str | None]]:
    """Offer the request profiles of the connection."""
    settings = _configuration().named(ctx.params.get("connection")).settings
    return [(name, None) for name in sorted({path[1] for path in settings if path[0] == "profiles"})]


@offered
def complete_consistency(_ctx: click.Context) -> Iterable[tuple[str, str | None]]:
    """Offer the consistency levels."""
    from coodie.consistency import CONSISTENCY_LEVELS

    return [(name, None) for name in CONSISTENCY_LEVELS]


@offered
def complete_error(_ctx: click.Context) -> Iterable[tuple[str, str | None]]:
    """Offer the names of errors."""
    from coodie.explanations import explanations

    return [(name, None) for name in explanations()]


@offered
def complete_driver(_ctx: click.Context) -> Iterable[tuple[str, str | None]]:
    """Offer the installed backends, without importing them."""
    from coodie.registry.registry import installed_drivers

    return [(found.driver_type, found.distribution) for found in installed_drivers()]
