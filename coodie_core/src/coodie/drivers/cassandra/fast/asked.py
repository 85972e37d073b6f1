"""One request on the fast path, and what its answers mean."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cassandra.protocol import ErrorMessage
from cassandra.query import BatchStatement, BoundStatement

from coodie.drivers.cassandra._sending import Answer as DriverAnswer
from coodie.drivers.cassandra.fast.answers import Late, Lost
from coodie.drivers.cassandra.fast.exchange import Exchange
from coodie.drivers.cassandra.fast.failures import Again, after_error, after_loss, give_up, too_late
from coodie.drivers.cassandra.fast.internals import adopt_metadata
from coodie.protocol.frames import BATCH, EXECUTE

if TYPE_CHECKING:
    from collections.abc import Callable

    from cassandra.pool import Host

    from coodie.drivers.cassandra._sending import Terms
    from coodie.drivers.cassandra.fast.answers import Answer
    from coodie.drivers.cassandra.fast.decoding import Page
    from coodie.drivers.cassandra.fast.exchange import Path
    from coodie.drivers.cassandra.fast.routing import Route
    from coodie.drivers.cassandra.fast.statements import FastStatement, Settings
    from coodie.rows import Rows

__all__ = ["Asked", "AskedStatement"]


class Asked(Exchange):
    """A request whose answer is pages.

    Args:
        path: The driver's fast path.
        opcode: What kind of request it is.
        body: Its body.
        terms: The terms on which it is sent.
        policy: The load-balancing policy to ask.
        statement: The statement, of a batch the one that tells where it goes.
        values: Its encoded parameters.
        level: The consistency level's code.
    """

    __slots__ = ("level", "statement", "terms", "values")

    def __init__(
        self,
        path: Path,
        opcode: int,
        body: bytes,
        terms: Terms,
        policy: Any,
        statement: FastStatement,
        values: bytes,
        level: int,
    ) -> None:
        # As Exchange does it; to call that would be a call more for each request.
        self.path = path
        self.opcode = opcode
        self.body = body
        self.timeout = terms.timeout
        self.policy = policy
        self.host = None
        self.terms = terms
        self.statement = statement
        self.values = values
        self.level = level

    def route(self) -> Route:
        """Return what decides where it goes."""
        return self.statement.route(self.values, self.level)

    def whole(self, answer: Answer | None) -> Rows | None:
        """Return the rows of an answer that is the only page; None for every other answer."""
        if not isinstance(answer, bytes):
            return None
        try:
            return self.statement.results.read_whole(answer)
        except Exception:  # noqa: BLE001 - the driver's decoder knows more, or says what is wrong
            return None

    def page(self, answer: Answer | None) -> Page | None:
        """Return the page that an answer holds; None where it takes more to make sense of it."""
        if not isinstance(answer, bytes):
            return None
        try:
            return self.statement.results.read(answer)
        except Exception:  # noqa: BLE001 - the driver's decoder knows more, or says what is wrong
            return None

    def otherwise(self, answer: Answer | None) -> DriverAnswer | Again:
        """Say what an answer means that is no page: what the driver's decoder finds, or what to do next.

        Raises:
            CoodieError: The request has failed.
        """
        if answer is None:
            return Again()
        if isinstance(answer, Late):
            raise too_late(self.terms, self.host if answer.sent else None)
        if isinstance(answer, Lost):
            self.path.check_open(self.terms)
            return self._failed(answer.error, after_loss) if answer.sent else Again()
        try:
            message = self.path.decoded(answer, self)
        except Exception as exc:  # noqa: BLE001 - whatever the driver's decoder raises for a broken body
            give_up(exc, self.terms)
        if isinstance(message, ErrorMessage):
            return self._failed(message, after_error)
        adopt_metadata(self.statement.prepared, message)
        rows = message.parsed_rows or ()
        return DriverAnswer(
            names=message.column_names or (),
            types=message.column_types or (),
            rows=rows if message.column_names else (),
            paging_state=message.paging_state,
            warnings=message.warnings or (),
            trace_id=None,
        )

    def _failed(self, error: Any, decide: Callable[..., Again]) -> Again:
        """Ask the retry policy; raise where it says so, or wants another node at once and there is none."""
        batched = self.opcode == BATCH
        statement = BatchStatement() if batched else BoundStatement(self.statement.prepared)
        policy = self.path.retry_policy(self.terms)
        again = decide(error, policy, statement, self.level, self.host, self.terms)
        if again.avoid is not None and not self.path.has_others(self, again.avoid):
            if not again.delay:
                give_up(error, self.terms, policy.write)
            return again._replace(avoid=None)
        return again


class AskedStatement(Asked):
    """One statement.

    Args:
        path: The driver's fast path.
        terms: The terms on which it is sent.
        policy: The load-balancing policy to ask.
        statement: The statement.
        values: Its encoded parameters.
        settings: What it runs with.
        state: Where the page starts, or None.
    """

    __slots__ = ("_settings",)

    def __init__(
        self,
        path: Path,
        terms: Terms,
        policy: Any,
        statement: FastStatement,
        values: bytes,
        settings: Settings,
        state: bytes | None = None,
    ) -> None:
        body = statement.body(values, settings, state)
        super().__init__(path, EXECUTE, body, terms, policy, statement, values, settings.level)
        self._settings = settings

    @property
    def is_stamped(self) -> bool:
        """Whether it has a timestamp."""
        return self._settings.timestamp is not None

    def around_values(self) -> tuple[bytes, bytes]:
        """Return what stands before and after the values in its body, but for the timestamp at the end."""
        return self.statement.around_values(self._settings)

    def again(self, values: bytes, host: Host | None, timeout: float) -> AskedStatement:
        """Return the same request with other values, as it was sent to a node."""
        terms = self.terms._replace(timeout=timeout)
        other = AskedStatement(self.path, terms, self.policy, self.statement, values, self._settings)
        other.host = host
        return other
