"""Tracebacks of errors that the caller of a public function can fix: without the frames inside of coodie.

A request passes through about ten functions, whose frames say nothing about a misspelt statement. The
functions that run whole calls, ``effects.run_sync`` and ``run_async``, and those that open drivers raise such
errors anew. Tracebacks with frames of other code, such as an iterator of the caller's, stay whole. So do
those of all other errors, and with ``python -X dev`` all of them. The cause of an error keeps its frames.
"""

from __future__ import annotations

import sys
from typing import TypeVar

from coodie.exceptions import (
    ConfigurationError,
    ConnectionFailedError,
    DriverClosedError,
    ExecuteManyError,
    InvalidQueryError,
    ParameterError,
)

__all__ = ["CALLER_ERRORS", "shortened"]

#: Errors whose message says what the caller has to change.
CALLER_ERRORS = (
    ConfigurationError,
    ConnectionFailedError,
    DriverClosedError,
    ExecuteManyError,
    InvalidQueryError,
    ParameterError,
)

#: Packages whose frames aren't the caller's code.
_INNER = frozenset(
    {
        "asyncio",
        "cassandra",
        "concurrent",
        "coodie",
        "coodie_acsylla",
        "coodie_arrow",
        "coodie_cassandra",
        "coodie_local",
        "coodie_rust",
        "coodie_scylla",
        "pluggy",
        "threading",
    }
)

E = TypeVar("E", bound=BaseException)


def shortened(error: E) -> E:
    """Return an error to raise, without the frames below the caller."""
    trace = error.__traceback__
    while trace is not None:
        package = str(trace.tb_frame.f_globals.get("__name__")).partition(".")[0]
        if package not in _INNER:
            return error
        trace = trace.tb_next
    return error if sys.flags.dev_mode else error.with_traceback(None)
