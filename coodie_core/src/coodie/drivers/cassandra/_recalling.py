"""Requests whose statement a node has forgotten: they are sent again when it is known what it is now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from coodie.drivers.cassandra._forgotten import ForgottenStatementError
from coodie.effects import Sleep
from coodie.exceptions import CoodieError, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from cassandra.pool import Host

    from coodie.drivers.cassandra._statements import StatementCache
    from coodie.drivers.cassandra.fast.failures import Again
    from coodie.effects import Effect

__all__ = ["Recaller"]

T = TypeVar("T")

#: How often a request is sent again for this, and seconds before the second time; they double from there.
_MOST = 5
_PAUSE = 0.02


class Recaller:
    """Have the statement cache look at forgotten statements, and requests made with what it finds.

    Args:
        statements: The cache.
        seconds: Makes seconds of a timeout that may be None.
        unsettle: Called before: no request may follow another one with the old statement.
    """

    def __init__(
        self,
        statements: StatementCache,
        seconds: Callable[[float | None], float],
        unsettle: Callable[[], None],
    ) -> None:
        self._statements = statements
        self._seconds = seconds
        self._unsettle = unsettle

    def sent(
        self,
        send: Callable[[Again], Generator[Effect, Any, T]],
        again: Again,
        stmt: str,
        timeout: float | None,
    ) -> Generator[Effect, Any, T]:
        """Have the driver send a request, and once more where the node has forgotten its statement.

        Args:
            send: Prepares what isn't prepared, binds, sends, and returns the answer.
            again: How the driver is to go on.
            stmt: The CQL text, for errors.
            timeout: Seconds for each step; None for the driver's.

        Raises:
            RequestError: The node forgets it again and again.
        """
        recalls = 0
        if again.delay:
            yield Sleep(again.delay)
        while True:
            try:
                if again.forgotten is not None and again.host is not None:
                    if recalls == _MOST:
                        raise _forgetful(again.host, recalls + 1, stmt)
                    self._unsettle()
                    if recalls:
                        yield Sleep(_PAUSE * 2 ** (recalls - 1))
                    yield from self._statements.recall(again.forgotten, again.host, self._seconds(timeout))
                    recalls += 1
                return (yield from send(again))
            except ForgottenStatementError as exc:
                again = again._replace(forgotten=exc.query_id, host=exc.host)
            except CoodieError as exc:
                exc.may_have_been_applied |= again.doubt
                raise


def _forgetful(host: Host, times: int, stmt: str) -> RequestError:
    message = f"{host} has forgotten the prepared statement {times} times in a row."
    hint = "Its cache of prepared statements may be too small for those that are in use."
    return RequestError(message, hint=hint, statement=stmt, may_have_been_applied=False)
