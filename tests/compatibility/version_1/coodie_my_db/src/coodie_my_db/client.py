"""The calls of the database client: connect, prepare, send, close.

TODO: the calls below are a stand-in's, another backend of coodie's. Put your client's in
their place.

Each method is a generator. It yields what it waits for and gets the answer back, so that it
is written once for threads and for event loops::

    result = yield Blocking(lambda: session.run(cql))      # a client that blocks
    result = yield Wait(session.run_in_background(cql))    # one that returns concurrent futures
    result = yield Call(session, "run", cql)               # one with methods run and run_async

``Blocking`` is in ``coodie.drivers.client``, ``Wait`` in ``coodie.waiting``, ``Call`` in
``coodie.effects``; any object with methods ``run()`` and ``run_async()`` will do. What the client
raises comes out of the ``yield``; let it through, and translate it in ``errors.py``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from coodie.drivers.client import Blocking, Client, DriverCall, Page
from coodie.plugins import open_driver

from coodie_my_db.errors import translated

if TYPE_CHECKING:
    from coodie.drivers import AbstractDriver
    from coodie.drivers.client import ClientRequest, Steps
    from coodie.exceptions import CoodieError
    from coodie.plugins import ConnectionConfig

__all__ = ["MyDbClient", "connect"]

#: TODO: goes with the stand-in.
STAND_IN = "scylla"


def connect(config: ConnectionConfig) -> Steps[MyDbClient]:
    """Connect; on failure leave nothing behind.

    Args:
        config: ``hosts``, ``port``, ``username``… have been checked; ``options`` has those that
            ``plugin.py`` describes.

    Raises:
        ConnectionFailedError: No host can be reached within the option ``connect_timeout``.
        AuthenticationError: The server refuses the credentials.
    """
    # TODO: `session = yield Blocking(lambda: my_client.connect(config.hosts), discard=…)`
    inner = replace(config, driver_type=STAND_IN)
    session: AbstractDriver = yield Blocking(
        lambda: open_driver(inner),
        discard=lambda late: late.close(),  # the task that waited was cancelled
    )
    return MyDbClient(session)


class MyDbClient(Client):
    """One connected client; any number of threads and tasks use it at once.

    Args:
        session: TODO: your client's own.
    """

    def __init__(self, session: AbstractDriver) -> None:
        self._session = session

    def prepare(self, cql: str, timeout: float) -> Steps[Any]:
        """Have the server prepare a statement, within *timeout* seconds.

        The driver keeps what this returns and hands it to ``send`` as ``request.prepared``.
        """
        # TODO: `return (yield Blocking(lambda: self._session.prepare(cql)))`
        yield from ()  # the stand-in prepares by itself
        return cql

    def send(self, request: ClientRequest) -> Steps[Page]:
        """Send a request, and read one page of its answer.

        ``request.prepared`` is None for statements without values that aren't worth preparing, such
        as CREATE TABLE. Values come as users give them: turn them into what your client takes,
        raise ParameterTypeError for a type that the column doesn't hold, and turn what comes
        back into coodie's values (see "Values" in its documentation). Keep to
        ``request.timeout``. Unless ``request.repeatable``, never let the client send it twice.
        """
        # TODO: `result = yield Blocking(lambda: self._session.execute(request.prepared, …))`
        result = yield DriverCall(
            self._session,
            "execute",
            request.cql,
            list(request.values),
            request.consistency,
            request.timeout,
            request.page_size,
            request.paging_state,
            options=request.options,
        )
        return Page(
            rows=list(result),
            paging_state=result.paging_state,
            warnings=result.warnings,
            trace_id=result.trace_id,
        )

    def close(self) -> None:
        """Disconnect, end the requests under way and the client's threads; called once."""
        self._session.close()

    def error(self, raised: Exception, stmt: str, timeout: float) -> CoodieError:
        """Return coodie's error for what the client raised in ``prepare`` or ``send``."""
        return translated(raised, stmt, timeout)
