"""A request's profile, looked up and put into the gaps of the call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie.exceptions import ConfigurationError
from coodie.requests import RequestOptions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from coodie.config.profiles import RequestProfile

__all__ = ["fill_from_profile"]

#: Where the methods of drivers have these, behind the statement and its parameters.
_POSITIONS = ((2, "consistency"), (3, "timeout"))


def fill_from_profile(
    profiles: Mapping[str, RequestProfile],
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    *,
    paged: bool = False,
) -> tuple[list[Any], dict[str, Any]]:
    """Return a call's arguments with those of its profile where it gave none.

    Args:
        profiles: Those of the connection, by name.
        args: The positional arguments.
        kwargs: The others; ``options`` may name a profile.
        paged: The method yields rows, a page at a time: it is what a profile's fetch_size is for.

    Raises:
        ConfigurationError: The connection has no such profile.
    """
    arguments, named = list(args), dict(kwargs)
    options = named.get("options")
    if not isinstance(options, RequestOptions) or options.profile is None:
        return arguments, named
    profile = _found(profiles, options.profile)
    for position, name in _POSITIONS:
        if position < len(arguments):
            if arguments[position] is None:
                arguments[position] = getattr(profile, name)
        elif named.get(name) is None:
            named[name] = getattr(profile, name)
    if paged and profile.fetch_size is not None:
        named.setdefault("fetch_size", profile.fetch_size)
    filled = profile.over(options)
    # Drivers made before there were options take none.
    named["options"] = None if filled == RequestOptions() else filled
    return arguments, named


def _found(profiles: Mapping[str, RequestProfile], name: str) -> RequestProfile:
    if name in profiles:
        return profiles[name]
    from difflib import get_close_matches  # for the error alone

    message = f"The connection has no request profile {name!r}."
    close = get_close_matches(name, profiles, n=1)
    have = f"It has {', '.join(profiles)}." if profiles else "Give it some: [connections.NAME.profiles.…]."
    hint = f"Did you mean {close[0]!r}?" if close else have
    raise ConfigurationError(message, hint=hint, option="profile")
