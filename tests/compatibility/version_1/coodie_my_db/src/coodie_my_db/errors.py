"""What the client raises, as coodie's errors.

coodie's have the client's exception as their cause; they tell what happened and what to do, and
never show a parameter's value. All of them are in ``coodie.exceptions``.
"""

from __future__ import annotations

from coodie import exceptions as ours

__all__ = ["translated"]


def translated(raised: Exception, stmt: str, timeout: float) -> ours.CoodieError:
    """Return coodie's error for one of the client's.

    Args:
        raised: What the client raised.
        stmt: The CQL text.
        timeout: The seconds that the request was given.
    """
    # TODO: your client's exceptions: a syntax error is a QuerySyntaxError, an unknown table an
    # InvalidQueryError, too few replicas an UnavailableError…
    if isinstance(raised, TimeoutError):
        message = f"No answer came within {timeout:g} s."
        hint = "Give a longer timeout=; a write may have been applied."
        return ours.RequestTimeoutError(message, hint=hint, statement=stmt, timeout=timeout)
    if isinstance(raised, OSError):
        message = f"The connection was lost: {raised}."
        return ours.ConnectionFailedError(message, hint="A write may have been applied.")
    return ours.ServerError(f"The request failed: {type(raised).__name__}.", statement=stmt)
