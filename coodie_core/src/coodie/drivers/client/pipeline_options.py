"""The options of all requests of a driver."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from coodie.consistency import parse_consistency
from coodie.drivers.client.gate import Gate
from coodie.exceptions import ConfigurationError
from coodie.requests import check_timeout

if TYPE_CHECKING:
    from coodie.capabilities import Capability

__all__ = ["PipelineOptions", "make_gate"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PipelineOptions:
    """Options of all requests of a driver.

    Args:
        name: The driver's name in errors.
        capabilities: The driver's capabilities; a request that needs others raises.
        timeout: The default timeout in seconds; None for the client's default.
        consistency: The default consistency level; None for the client's default.
        statement_cache_size: The number of cached prepared statements, 1 or more.
        statement_lifetime: Seconds after which a statement is prepared again; None for never.
        max_in_flight: The maximum number of requests in flight; None for no limit.
        max_queued: The maximum number of queued requests; None for *max_in_flight*.

    Raises:
        ConfigurationError: A value is invalid.
    """

    name: str
    capabilities: frozenset[Capability]
    timeout: float | None = None
    consistency: str | None = None
    statement_cache_size: int = 1000
    statement_lifetime: float | None = None
    max_in_flight: int | None = None
    max_queued: int | None = None

    def __post_init__(self) -> None:
        """Check the values; write the consistency level in capitals."""
        _check_count("statement_cache_size", self.statement_cache_size, 1)
        if self.max_in_flight is not None:
            _check_count("max_in_flight", self.max_in_flight, 1)
        if self.max_queued is not None:
            _check_count("max_queued", self.max_queued, 0)
            if self.max_in_flight is None:
                message = "max_queued= requires max_in_flight=."
                raise ConfigurationError(message, hint="Give both.", option="max_queued")
        if self.consistency is not None:
            object.__setattr__(self, "consistency", parse_consistency(self.consistency))
        check_timeout(self.timeout, "request_timeout")
        check_timeout(self.statement_lifetime, "statement_lifetime")


def make_gate(options: PipelineOptions) -> Gate | None:
    """Return the gate that limits a driver's requests; None if they aren't limited."""
    if options.max_in_flight is None:
        return None
    return Gate(
        options.max_in_flight, options.max_in_flight if options.max_queued is None else options.max_queued
    )


def _check_count(option: str, value: Any, least: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        expected = "a positive integer" if least else "an integer of 0 or more"
        raise ConfigurationError(f"{option}={value!r} isn't {expected}.", option=option)
