"""Hand one statement to the backend's session, and take its answer off the driver's thread."""

from __future__ import annotations

import time
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from cassandra import OperationTimedOut
from cassandra.cluster import EXEC_PROFILE_DEFAULT, NoHostAvailable
from cassandra.query import tuple_factory

from coodie.consistency import LEVEL_NAMES
from coodie.drivers.cassandra._connection import with_connect_errors
from coodie.drivers.cassandra._errors import Fate, translate
from coodie.drivers.cassandra._instrumentation import sending_method
from coodie.drivers.cassandra._nonblocking import Attempt, PoolWatcher, SendListener
from coodie.drivers.cassandra._policies import ExcludeHostPolicy, retry_policy, speculation_policy
from coodie.drivers.cassandra._prepared import complete
from coodie.drivers.cassandra._retries import SafeRetryPolicy
from coodie.drivers.cassandra._server_errors import on_servers
from coodie.drivers.cassandra.fastpath.driver_internals import forget_result, in_legacy_mode
from coodie.exceptions import ConnectionFailedError, RequestTimeoutError, UnsupportedError
from coodie.protocol.error_codes import Write
from coodie.waiting import Wait

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence
    from uuid import UUID

    from cassandra.cluster import ResponseFuture, Session
    from cassandra.pool import Host
    from cassandra.query import Statement

    from coodie.cql import Kind
    from coodie.drivers._lifecycle import Lifecycle
    from coodie.observers.events import Host as ObservedHost
    from coodie.options.request_options import RequestOptions

__all__ = ["ExecutionSettings", "PendingRequest", "SessionExecutor", "SessionResponse", "described"]

#: Seconds beyond the driver's own timer after which an answer is given up: its thread is gone.
_GRACE = 5.0

#: Seconds that a request waits for closed connections to be replaced, as long as the drivers themselves wait.
_REPLACEMENT_TIMEOUT = 2.0

#: Seconds where neither the call, the driver nor the session has a limit: none is never meant.
_FALLBACK_TIMEOUT = 10.0


class ExecutionSettings(NamedTuple):
    """The terms on which a statement is sent.

    Attributes:
        stmt: The CQL text, for errors.
        kind: What kind of statement it is.
        timeout: Seconds for the round trip.
        repeatable: Sending it again does no harm.
        options: What the caller asked for.
        tried: How often it was sent before, as a retry policy counts.
        avoid: A node that has been tried, and isn't to be asked again.
        write: What kind of write it is.
        doubt: What was sent before may have been applied.
    """

    stmt: str
    kind: Kind
    timeout: float
    repeatable: bool
    options: RequestOptions | None
    tried: int = 0
    avoid: Host | None = None
    write: Write = Write.NONE
    doubt: bool = False


class SessionResponse(NamedTuple):
    """What came back for one page; taken at once, since a speculative answer may overwrite it."""

    names: Sequence[str]
    types: Sequence[Any]
    rows: Sequence[tuple[Any, ...]]
    paging_state: bytes | None
    warnings: Sequence[str]
    trace_id: UUID | None

    def first_cell(self) -> SessionResponse:
        """Return the first column of the first row alone."""
        return self._replace(names=self.names[:1], types=self.types[:1], rows=[self.rows[0][:1]])


class PendingRequest(Future[SessionResponse]):
    """An answer under way.

    Args:
        statement: The driver's.
        terms: The terms.
        paging_state: Where the page starts.
        host: The only node to send to; None leaves that to the session's policy.
    """

    def __init__(
        self, statement: Statement, terms: ExecutionSettings, paging_state: bytes | None, host: Host | None
    ) -> None:
        super().__init__()
        self.statement = statement
        self.terms = terms
        self.paging_state = paging_state
        self.host = host
        self.started = time.monotonic()
        #: The driver's side of it, which knows the hosts; None until it has been sent.
        self.response: ResponseFuture | None = None
        #: Why no connection could take the request yet, and when to stop trying, on the monotonic clock.
        self.unsent: NoHostAvailable | None = None
        self.give_up_at = 0.0

    @property
    def host_asked(self) -> Host | None:
        """The node that answered, or else the last that was asked: what ResponseFuture documents."""
        response = self.response
        if response is None:
            return None
        host: Host | None = response.coordinator_host
        if host is None and response.attempted_hosts:
            host = response.attempted_hosts[-1]
        return host


class _StillUnsentError(Exception):
    """No connection became free in time."""


class SessionExecutor:
    """Send through a session and leave it as it is.

    Rows are wanted as tuples, whatever the session's row factory. A session with execution profiles
    is given a copy of its default profile, as that is at the time; one in legacy mode refuses profiles,
    and there a listener sets the row factory of our own requests. The same listener keeps them from waiting
    for a connection in the thread that sends.

    Args:
        session: The backend's session.
        lifecycle: The driver's.
    """

    def __init__(self, session: Session, lifecycle: Lifecycle) -> None:
        self._session = session
        self._lifecycle = lifecycle
        self._legacy = in_legacy_mode(session.cluster)
        self._listener = SendListener()
        session.add_request_init_listener(self._listener)
        self._pools = PoolWatcher(session, lifecycle)
        self._copied: tuple[dict[str, Any], Any] = ({}, None)
        self._in_flight: set[Future[SessionResponse]] = set()

    @property
    def in_flight(self) -> int:
        """How many requests wait for an answer."""
        return len(self._in_flight)

    def default_timeout(self) -> float:
        """Return the seconds that a request may take, as the session has it."""
        if self._legacy:
            default = self._session.default_timeout
        else:
            default = self._session.get_execution_profile(EXEC_PROFILE_DEFAULT).request_timeout
        return float(default or _FALLBACK_TIMEOUT)

    def level(self) -> str | None:
        """Return the consistency level of requests that name none, as the session has it."""
        if self._legacy:
            code = self._session.default_consistency_level
        else:
            code = self._session.get_execution_profile(EXEC_PROFILE_DEFAULT).consistency_level
        return LEVEL_NAMES.get(code)

    def send(
        self,
        statement: Statement,
        terms: ExecutionSettings,
        paging_state: bytes | None = None,
        host: Host | None = None,
    ) -> PendingRequest:
        """Send, without waiting; what no connection can take now is sent while it is waited for.

        Args:
            statement: The driver's.
            terms: The terms.
            paging_state: Where the page starts.
            host: The only node to send to; None leaves that to the session's policy.

        Raises:
            CoodieError: It could not be sent.
        """
        self._lifecycle.check()
        answer = PendingRequest(statement, terms, paging_state, host)
        answer.add_done_callback(self._in_flight.discard)
        self._attempt(answer, terms.timeout)
        return answer

    def _attempt(self, answer: PendingRequest, timeout: float) -> None:
        """Hand a request to the driver, or note why no connection could take it."""
        terms = answer.terms
        answer.unsent = None
        self._in_flight.add(answer)
        attempt = self._listener.attempt = Attempt(self._session)
        try:
            response = self._start(answer, timeout)
        except Exception as exc:
            complete(answer, None)
            raise self._failure(exc, answer) from exc
        finally:
            self._listener.attempt = None
            attempt.is_running = False
        attempt.stand_down(response)
        answer.response = response

        def arrived(rows: Any) -> None:
            try:
                complete(answer, _read_off(response, rows, traced=_traced(terms)))
            except Exception as exc:  # noqa: BLE001 - handed on to whoever waits
                complete(answer, translate(exc, terms.stmt, fate=_fate(exc, answer)))

        def failed(exc: Exception) -> None:
            is_unsent = isinstance(exc, NoHostAvailable) and not response.attempted_hosts
            if is_unsent and (attempt.found_full or attempt.found_closed):
                self._in_flight.discard(answer)
                limit = terms.timeout if attempt.found_full else min(terms.timeout, _REPLACEMENT_TIMEOUT)
                answer.unsent, answer.give_up_at = exc, answer.started + limit
            else:
                complete(answer, self._failure(exc, answer))

        response.add_callbacks(arrived, failed)

    def _failure(self, exc: Exception, answer: PendingRequest) -> Exception:
        """Return the error of ours; connections that fail because the driver was closed are that."""
        terms = answer.terms
        raised = with_connect_errors(exc, self._session.cluster)
        error: Exception = translate(raised, terms.stmt, terms.timeout, _fate(raised, answer))
        if self._lifecycle.closed and isinstance(error, ConnectionFailedError):
            error = self._lifecycle.cut_off(writes=terms.write is not Write.NONE)
            error.__cause__ = exc
        return error

    def wait(self, answer: PendingRequest, terms: ExecutionSettings) -> Generator[Wait, Any, SessionResponse]:
        """Wait for an answer; the driver keeps the time, unless its own thread is gone."""

        def late() -> RequestTimeoutError:
            message = f"The driver gave neither an answer nor a timeout within {terms.timeout:g} s."
            hint = "Its thread has died, or can't keep up: open a new connection."
            applied = terms.doubt or terms.write is not Write.NONE
            return RequestTimeoutError(
                message,
                hint=hint,
                statement=terms.stmt,
                timeout=terms.timeout,
                may_have_been_applied=applied,
            )

        while answer.unsent is not None:
            yield from self._send_later(answer, answer.unsent)
        result: SessionResponse = yield Wait(answer, terms.timeout + _GRACE, late)
        return result

    def _send_later(self, answer: PendingRequest, refusal: NoHostAvailable) -> Generator[Wait, Any, None]:
        """Wait until a connection can take a request, and try once more.

        Raises:
            CoodieError: The request's time is over, or that of closed connections to be replaced.
        """
        left = answer.give_up_at - time.monotonic()
        if left <= 0:
            # Not a timeout: it was never sent, and this says why.
            raise self._failure(refusal, answer) from refusal
        with suppress(_StillUnsentError):
            yield Wait(self._pools.change(), left, _StillUnsentError)
        self._lifecycle.check()
        left = answer.started + answer.terms.timeout - time.monotonic()
        if left > 0 and self._pools.has_room():
            self._attempt(answer, left)

    def detach(self) -> None:
        """Take our listener off the session."""
        self._session.remove_request_init_listener(self._listener)

    def fail_in_flight(self) -> None:
        """End every request that the closed session left without an answer."""
        for answer in tuple(self._in_flight):
            reads = isinstance(answer, PendingRequest) and answer.terms.write is Write.NONE
            complete(answer, self._lifecycle.cut_off(writes=not reads))

    def _start(self, answer: PendingRequest, timeout: float) -> ResponseFuture:
        statement, terms, host = answer.statement, answer.terms, answer.host
        options, send = terms.options, sending_method(self._session)
        payload = options.custom_payload if options is not None else None
        arguments: dict[str, Any] = {
            "timeout": timeout,
            "trace": _traced(terms),
            "custom_payload": dict(payload) if payload else None,
            "paging_state": answer.paging_state,
            "host": host,
        }
        if not self._legacy:
            profile = self._profile()
            if options is not None and options.speculative_execution_policy is not None:
                profile = self._session.execution_profile_clone_update(
                    profile,
                    speculative_execution_policy=speculation_policy(options.speculative_execution_policy),
                )
            if terms.avoid is not None:
                policy = ExcludeHostPolicy(profile.load_balancing_policy, terms.avoid)
                profile = self._session.execution_profile_clone_update(profile, load_balancing_policy=policy)
            statement.retry_policy = self._safe(profile.retry_policy, terms, host)
            try:
                return send(statement, execution_profile=profile, **arguments)
            except ValueError as exc:
                if "legacy parameters" not in str(exc):
                    raise
                self._legacy = True  # which can't change any more
        if options is not None and options.speculative_execution_policy is not None:
            message = (
                "This session is configured with legacy parameters, which exclude speculative execution."
            )
            hint = "Give the Cluster execution_profiles instead."
            raise UnsupportedError(message, hint=hint, feature="speculative_execution_policy")
        statement.retry_policy = self._safe(self._session.cluster.default_retry_policy, terms, host)
        return send(statement, **arguments)

    def _safe(self, default: Any, terms: ExecutionSettings, host: Host | None) -> SafeRetryPolicy:
        own = terms.options.retry_policy if terms.options is not None else None
        return SafeRetryPolicy(
            default if own is None else retry_policy(own),
            repeatable=terms.repeatable,
            write=on_servers(self._session.cluster, terms.write),
            tried=terms.tried,
            pinned=host is not None,
        )

    def _profile(self) -> Any:
        """Return a copy of the session's default profile, made anew when its owner has changed that."""
        seen, copied = self._copied
        now = vars(self._session.get_execution_profile(EXEC_PROFILE_DEFAULT))
        if seen != now:
            seen = dict(now)
            copied = self._session.execution_profile_clone_update(
                EXEC_PROFILE_DEFAULT, row_factory=tuple_factory
            )
            self._copied = (seen, copied)
        return copied


def described(host: Host | None) -> ObservedHost | None:
    """Return a node as observers see it."""
    if host is None:
        return None
    from coodie.observers.events import Host as ObservedHost  # slow, and for those alone who observe

    return ObservedHost(
        address=str(host.endpoint.address),
        port=host.endpoint.port,
        datacenter=host.datacenter,
        rack=host.rack,
        host_id=host.host_id,
    )


def _traced(terms: ExecutionSettings) -> bool:
    return terms.options is not None and terms.options.trace


def _fate(exc: Any, answer: PendingRequest) -> Fate:
    """Return what is known of a request, beside its last failure, by all that the driver did with it."""
    response, policy, terms = answer.response, answer.statement.retry_policy, answer.terms
    if response is None or not isinstance(policy, SafeRetryPolicy):
        return Fate(terms.write, doubt=terms.doubt)
    attempts = len(response.attempted_hosts)
    sent = attempts > 0
    if isinstance(exc, NoHostAvailable):
        sent = policy.has_lost  # the last node that was looked at got nothing
    elif isinstance(exc, OperationTimedOut):
        sent = sent or exc.last_host is not None  # which is noted before it is sent to
    # Under speculative execution another attempt may still be under way.
    doubt = policy.in_doubt or (terms.write is not Write.NONE and attempts > max(1, policy.failed_attempts))
    host = str(response.attempted_hosts[-1].endpoint) if attempts else None
    return Fate(policy.write, sent, terms.doubt or doubt, host)


def _disagreement(response: ResponseFuture) -> Iterator[str]:
    """Warn of a schema change on which the nodes didn't agree within max_schema_agreement_wait."""
    # A session without metadata doesn't say.
    if not response.is_schema_agreed and response.session.cluster.schema_metadata_enabled:
        yield "The schema was changed, but whether all nodes know of that couldn't be told in time."


def _read_off(response: ResponseFuture, rows: Any, *, traced: bool) -> SessionResponse:
    result = response.result()
    traces = response.get_query_trace_ids() if traced else ()
    forget_result(response)
    return SessionResponse(
        names=result.column_names or (),
        types=result.column_types or (),
        rows=rows if result.column_names else (),
        paging_state=result.paging_state,
        warnings=[*(response.warnings or ()), *_disagreement(response)],
        trace_id=traces[-1] if traces else None,
    )
