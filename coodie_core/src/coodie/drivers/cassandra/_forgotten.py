"""What a node says that has forgotten a prepared statement."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from coodie.exceptions import RequestError

if TYPE_CHECKING:
    from cassandra.pool import Host

__all__ = ["ForgottenStatementError", "telling_future"]


class ForgottenStatementError(RequestError):
    """A node has forgotten a prepared statement, and has done nothing; never leaves the package.

    Args:
        query_id: The statement's id.
        host: The node.
    """

    def __init__(self, query_id: bytes, host: Host) -> None:
        super().__init__(f"{host} has forgotten the prepared statement.")
        self.query_id = query_id
        self.host = host


@cache
def telling_future() -> Any:
    """Return the class of the driver's future that asks the retry policy by what an ERROR means.

    And it tells of a forgotten statement, by an error.

    The drivers prepare the statement again and send the same bytes, even where its markers have other types
    by then.
    """
    from cassandra.cluster import ResponseFuture
    from cassandra.protocol import ErrorMessage, PreparedQueryNotFound

    from coodie.drivers.cassandra._server_errors import as_asked

    class TellingResponseFuture(ResponseFuture):  # type: ignore[misc]  # the drivers have no types
        def _set_result(self, host: Any, connection: Any, pool: Any, response: Any) -> None:
            if isinstance(response, PreparedQueryNotFound):
                response = ForgottenStatementError(response.info, host)
            elif isinstance(response, ErrorMessage):
                response = as_asked(response)
            super()._set_result(host, connection, pool, response)

    return TellingResponseFuture
