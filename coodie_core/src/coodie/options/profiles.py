"""Request profiles: named defaults for the options of requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from coodie.exceptions import ConfigurationError
from coodie.options.declarations import OPTIONS
from coodie.options.request_options import RequestOptions
from coodie.options.valuetypes import check_value

__all__ = ["RequestProfile", "build_profiles", "named_profile"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RequestProfile:
    """Defaults for the options of requests that name the profile.

    Args:
        consistency: The name of a consistency level, case-insensitive.
        timeout: The timeout of each round trip in seconds.
        fetch_size: The number of rows of a page of ``stream``. ``execute`` always returns all rows.
        idempotent: Applying the request twice has the same effect as once.
        serial_consistency: ``"SERIAL"`` or ``"LOCAL_SERIAL"``.
        trace: Let the server trace the request.
        retry_policy: ``"default"``, ``"never"``, ``"backoff"``, or a policy object of the backend's driver.
        speculative_execution_policy: ``"0.1x2"``, or a policy object; needs ``idempotent=True``.

    Raises:
        ConfigurationError: A value is invalid, or options are contradictory.
    """

    consistency: str | None = None
    timeout: float | None = None
    fetch_size: int | None = None
    idempotent: bool = False
    serial_consistency: str | None = None
    trace: bool = False
    retry_policy: Any = None
    speculative_execution_policy: Any = None

    def __post_init__(self) -> None:
        """Validate the values; convert levels to capitals."""
        for entry in fields(self):
            value = getattr(self, entry.name)
            if value is not None:
                checked = check_value(entry.name, OPTIONS[entry.name].type, value)
                object.__setattr__(self, entry.name, checked)
        self.over(None)

    def over(self, options: RequestOptions | None) -> RequestOptions:
        """Return the request's options, with the profile's values as defaults.

        Args:
            options: The request's options; their ``profile`` is this one.
        """
        given = RequestOptions() if options is None else options
        return replace(
            given,
            idempotent=given.idempotent or self.idempotent,
            serial_consistency=given.serial_consistency or self.serial_consistency,
            trace=given.trace or self.trace,
            retry_policy=self.retry_policy if given.retry_policy is None else given.retry_policy,
            speculative_execution_policy=self.speculative_execution_policy
            if given.speculative_execution_policy is None
            else given.speculative_execution_policy,
            profile=None,
        )


def build_profiles(profiles: Any) -> Mapping[str, RequestProfile]:
    """Return the profiles by name, frozen.

    Args:
        profiles: RequestProfiles, or mappings of their fields, by name; None for none.

    Raises:
        ConfigurationError: A profile is invalid; the error contains its name.
    """
    if profiles is None:
        return MappingProxyType({})
    if not isinstance(profiles, Mapping):
        message = f"profiles: expected a dict of RequestProfile by name, got {type(profiles).__name__}."
        hint = "Example: {'reports': RequestProfile(timeout=60)}."
        raise ConfigurationError(message, hint=hint, option="profiles")
    return MappingProxyType({name: _profile(name, given) for name, given in profiles.items()})


def _profile(name: object, given: Any) -> RequestProfile:
    if not isinstance(name, str) or not name:
        message = f"profiles has {name!r} as the name of a request profile."
        raise ConfigurationError(message, hint="Give a non-empty str.", option="profiles")
    if isinstance(given, RequestProfile):
        return given
    if not isinstance(given, Mapping):
        message = f"profiles[{name!r}]: expected RequestProfile, got {type(given).__name__}."
        raise ConfigurationError(message, option="profiles")
    known = [entry.name for entry in fields(RequestProfile)]
    for key in given:
        if key not in known:
            close = get_close_matches(str(key), known, n=1)
            hint = f"Did you mean {close[0]!r}?" if close else f"It takes {', '.join(known)}."
            message = f"The profile {name!r} has no option {key!r}."
            raise ConfigurationError(message, hint=hint, option=str(key))
    return RequestProfile(**given)


def named_profile(
    profiles: Mapping[str, RequestProfile], options: RequestOptions | None
) -> RequestProfile | None:
    """Return the profile that a request's options name, or None.

    Args:
        profiles: The connection's profiles by name.
        options: The request's options.

    Raises:
        ConfigurationError: The connection has no such profile.
    """
    if not isinstance(options, RequestOptions) or options.profile is None:
        return None
    return _found(profiles, options.profile)


def _found(profiles: Mapping[str, RequestProfile], name: str) -> RequestProfile:
    if name in profiles:
        return profiles[name]
    message = f"The connection has no request profile {name!r}."
    close = get_close_matches(name, profiles, n=1)
    have = f"It has {', '.join(profiles)}." if profiles else "Define one: [connections.NAME.profiles.…]."
    hint = f"Did you mean {close[0]!r}?" if close else have
    raise ConfigurationError(message, hint=hint, option="profile")
