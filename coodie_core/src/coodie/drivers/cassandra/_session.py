"""Execute statements through the backend's session, and complete their futures."""

from __future__ import annotations

import time
from concurrent.futures import Future
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

from cassandra import OperationTimedOut
from cassandra.cluster import EXEC_PROFILE_DEFAULT, NoHostAvailable
from cassandra.query import tuple_factory

from coodie._points import point
from coodie.consistency import LEVEL_NAMES
from coodie.drivers.cassandra._connection import with_connect_errors
from coodie.drivers.cassandra._errors import Fate, translate
from coodie.drivers.cassandra._forgotten import ForgottenStatementError
from coodie.drivers.cassandra._instrumentation import Instrumentation
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
    from coodie.drivers.cassandra._nodes import NodeWatch
    from coodie.observers.retryreason import RetryReason
    from coodie.options.request_options import RequestOptions

__all__ = ["ExecutionSettings", "PendingRequest", "SessionExecutor", "SessionResponse"]

#: Seconds after the driver's own timer at which a request times out: the driver's thread has died.
DRIVER_TIMER_GRACE = 5.0

#: Seconds that a request waits for closed connections to be replaced; the same as in the drivers.
_REPLACEMENT_TIMEOUT = 2.0

#: Timeout in seconds if neither the request, the driver nor the session has one.
_FALLBACK_TIMEOUT = 10.0


class ExecutionSettings(NamedTuple):
    """The settings for executing a statement.

    Attributes:
        stmt: The CQL text, for errors.
        kind: The kind of statement.
        timeout: The timeout in seconds.
        repeatable: The request is idempotent.
        options: The caller's options.
        attempts: The number of earlier attempts, as a retry policy counts them.
        excluded_host: A node not to use again.
        write: The kind of write.
        doubt: An earlier attempt may have been applied.
        retried: Why this is a retry, and the node of the failed attempt; None for the first attempt.
    """

    stmt: str
    kind: Kind
    timeout: float
    repeatable: bool
    options: RequestOptions | None
    attempts: int = 0
    excluded_host: Host | None = None
    write: Write = Write.NONE
    doubt: bool = False
    retried: tuple[RetryReason, Host | None] | None = None


class SessionResponse(NamedTuple):
    """A decoded page; copied at once, since a speculative execution may overwrite the driver's."""

    names: Sequence[str]
    types: Sequence[Any]
    rows: Sequence[tuple[Any, ...]]
    paging_state: bytes | None
    warnings: Sequence[str]
    trace_id: UUID | None

    def first_cell(self) -> SessionResponse:
        """Return the response with only the first column of the first row."""
        return self._replace(names=self.names[:1], types=self.types[:1], rows=[self.rows[0][:1]])


class PendingRequest:
    """A request in flight.

    Args:
        statement: The driver's statement.
        settings: The execution settings.
        paging_state: The page's paging state; None for the first page.
        host: The only node to use; None for the choice of the session's policy.
    """

    def __init__(
        self, statement: Statement, settings: ExecutionSettings, paging_state: bytes | None, host: Host | None
    ) -> None:
        self.statement = statement
        self.settings = settings
        self.paging_state = paging_state
        self.host = host
        self.started = time.monotonic()
        #: The future of the response.
        self.outcome: Future[SessionResponse] = Future()
        #: The driver's future, which has the hosts; None until the request has been sent.
        self.response: ResponseFuture | None = None
        #: The error while no connection is free, and when to give up, on the monotonic clock.
        self.unsent: NoHostAvailable | None = None
        self.give_up_at = 0.0
        #: The request waits until the driver has connected again.
        self.waits_for_connection = False
        #: The connection of an attempt was lost.
        self.has_lost = False
        # The nodes of earlier attempts, and the reasons of the retries after them.
        self._hosts: list[Host | None] = []
        self._reasons: list[RetryReason] = []
        if settings.retried is not None:
            reason, failed = settings.retried
            self._hosts, self._reasons = [failed], [reason]

    @property
    def host_asked(self) -> Host | None:
        """The node that responded, or else the last one that was tried."""
        response = self.response
        host: Host | None = None if response is None else response.coordinator_host
        if host is None:
            host = next(reversed(self.attempted_hosts), None)
        return host

    @property
    def attempted_hosts(self) -> list[Host | None]:
        """The nodes that the request was sent to, in order."""
        response = self.response
        return self._hosts if response is None else [*self._hosts, *response.attempted_hosts]

    @property
    def was_refused(self) -> bool:
        """Whether nodes have failed the request, and the retry policy allowed no retry on them."""
        response = self.response
        return response is not None and bool(response.attempted_hosts) and not self.waits_for_connection

    def retries(self, error: BaseException | None) -> list[tuple[RetryReason, Host | None]]:
        """Return the reasons of the retries that were sent, each with the node of the failed attempt.

        Args:
            error: The request's final error.
        """
        policy, hosts = self.statement.retry_policy, self.attempted_hosts
        reasons = [*self._reasons, *(policy.retries if isinstance(policy, SafeRetryPolicy) else ())]
        # With these, the last retry that the policy allowed may have met no connection.
        if error is not None and isinstance(error.__cause__, (NoHostAvailable, OperationTimedOut)):
            reasons = reasons[: max(len(hosts) - 1, 0)]
        return [(reason, hosts[n] if n < len(hosts) else None) for n, reason in enumerate(reasons)]

    def start_over(self) -> None:
        """Keep what the driver's future knows, before the request is handed to the driver again."""
        policy = self.statement.retry_policy
        if self.response is None or not isinstance(policy, SafeRetryPolicy):
            return
        self._hosts, self._reasons = self.attempted_hosts, [*self._reasons, *policy.retries]
        self.response, self.outcome = None, Future()
        self.has_lost |= policy.has_lost
        if policy.level is not None:
            self.statement.consistency_level = policy.level
        self.settings = self.settings._replace(
            attempts=self.settings.attempts + policy.failed_attempts,
            doubt=self.settings.doubt or policy.in_doubt,
        )


class _StillUnsentError(Exception):
    """No connection became free in time."""


class SessionExecutor:
    """Execute statements through a session without changing its configuration.

    Rows are returned as tuples, whatever the session's row factory is. With execution profiles, a request
    uses a copy of the session's current default profile. In legacy mode, which doesn't allow profiles, a
    request listener sets the row factory of our requests. The same listener prevents them from blocking the
    sending thread, see ``_nonblocking``.

    Args:
        session: The backend's session.
        lifecycle: The driver's lifecycle.
        nodes: Counts errors and response times by node.
    """

    def __init__(self, session: Session, lifecycle: Lifecycle, nodes: NodeWatch) -> None:
        self._session = session
        self._nodes = nodes
        self._lifecycle = lifecycle
        self._legacy = in_legacy_mode(session.cluster)
        self.instrumentation = Instrumentation(session)
        self._listener = SendListener()
        session.add_request_init_listener(self._listener)
        self._pools = PoolWatcher(session, lifecycle)
        self._copied: tuple[dict[str, Any], Any] = ({}, None)
        self._in_flight: set[PendingRequest] = set()

    @property
    def in_flight(self) -> int:
        """The number of requests in flight."""
        return len(self._in_flight)

    def default_timeout(self) -> float:
        """Return the session's default timeout in seconds."""
        if self._legacy:
            default = self._session.default_timeout
        else:
            default = self._session.get_execution_profile(EXEC_PROFILE_DEFAULT).request_timeout
        return float(default or _FALLBACK_TIMEOUT)

    def level(self) -> str | None:
        """Return the name of the session's default consistency level."""
        if self._legacy:
            code = self._session.default_consistency_level
        else:
            code = self._session.get_execution_profile(EXEC_PROFILE_DEFAULT).consistency_level
        return LEVEL_NAMES.get(code)

    def send(
        self,
        statement: Statement,
        settings: ExecutionSettings,
        paging_state: bytes | None = None,
        host: Host | None = None,
    ) -> PendingRequest:
        """Send a request without waiting; if no connection is free, ``wait`` sends it.

        Args:
            statement: The driver's statement.
            settings: The execution settings.
            paging_state: The page's paging state; None for the first page.
            host: The only node to use; None for the choice of the session's policy.

        Raises:
            CoodieError: Sending failed.
        """
        self._lifecycle.check()
        answer = PendingRequest(statement, settings, paging_state, host)
        self._attempt(answer, settings.timeout)
        return answer

    def _attempt(self, answer: PendingRequest, timeout: float) -> None:
        """Hand a request to the driver; keep the error if no connection is free."""
        answer.start_over()
        settings = answer.settings
        answer.unsent = None
        self._in_flight.add(answer)
        attempt = self._listener.attempt = Attempt(self._session, self._nodes.failed)
        if settings.options is not None:
            attempt.timestamp = settings.options.timestamp
        try:
            response = self._start(answer, timeout)
        except Exception as exc:
            self._end(answer, None)
            raise self._failure(exc, answer) from exc
        finally:
            self._listener.attempt = None
            attempt.is_running = False
        attempt.stand_down(response)
        answer.response = response

        def arrived(rows: Any) -> None:
            self._nodes.answered(answer.host_asked, time.monotonic() - answer.started)
            try:
                self._end(answer, _read_off(response, rows, traced=_traced(settings)))
            except Exception as exc:  # noqa: BLE001 - raised in the caller
                self._end(answer, translate(exc, settings.stmt, fate=_fate(exc, answer)))

        def failed(exc: Exception) -> None:
            if isinstance(exc, NoHostAvailable) and _waits(answer, attempt):
                answer.unsent = exc
                self._end(answer, _StillUnsentError())
                return
            if isinstance(exc, OperationTimedOut):
                self._nodes.failed(answer.host_asked)
            self._end(answer, self._failure(exc, answer))

        response.add_callbacks(arrived, failed)

    def _end(self, answer: PendingRequest, outcome: Any) -> None:
        self._in_flight.discard(answer)
        complete(answer.outcome, outcome)

    def _failure(self, exc: Exception, answer: PendingRequest) -> Exception:
        """Translate an exception; return DriverClosedError if the driver was closed."""
        settings = answer.settings
        if isinstance(exc, NoHostAvailable) and not answer.was_refused:
            self._nodes.failed(None)
        raised = with_connect_errors(exc, self._session.cluster)
        fate = _fate(raised, answer)
        if isinstance(raised, ForgottenStatementError):  # only earlier attempts may have been applied
            raised.may_have_been_applied = fate.doubt
        error: Exception = translate(raised, settings.stmt, settings.timeout, fate)
        if self._lifecycle.closed and isinstance(error, ConnectionFailedError):
            error = self._lifecycle.cut_off(writes=settings.write is not Write.NONE)
            error.__cause__ = exc
        return error

    def wait(
        self, answer: PendingRequest, settings: ExecutionSettings
    ) -> Generator[Wait, Any, SessionResponse]:
        """Wait for a response; the driver handles the timeout, unless its thread has died."""

        def late() -> RequestTimeoutError:
            message = f"The driver returned neither a response nor a timeout within {settings.timeout:g} s."
            hint = "Its thread has died or is overloaded: open a new connection."
            applied = settings.doubt or settings.write is not Write.NONE
            return RequestTimeoutError(
                message,
                hint=hint,
                statement=settings.stmt,
                timeout=settings.timeout,
                may_have_been_applied=applied,
            )

        while True:
            while answer.unsent is not None:
                yield from self._send_later(answer, answer.unsent)
            # Raised for a retry, if no connection is left.
            with suppress(_StillUnsentError):
                result: SessionResponse = yield Wait(
                    answer.outcome, settings.timeout + DRIVER_TIMER_GRACE, late
                )
                return result

    def _send_later(self, answer: PendingRequest, refusal: NoHostAvailable) -> Generator[Wait, Any, None]:
        """Wait for a free connection, and try once more.

        Raises:
            CoodieError: The timeout of the request, or of replacing closed connections, is over.
        """
        point("request waits for a free connection of the driver")
        left = answer.give_up_at - time.monotonic()
        if left <= 0:
            # Not a timeout: the request wasn't sent, and this is the reason.
            raise self._failure(refusal, answer) from refusal
        host, reconnected = answer.host, answer.waits_for_connection
        with suppress(_StillUnsentError):
            yield Wait(self._pools.change(host, reconnected=reconnected), left, _StillUnsentError)
        if self._lifecycle.closed and answer.attempted_hosts:
            raise self._lifecycle.cut_off(writes=_fate(refusal, answer).may_have_been_applied)
        self._lifecycle.check()
        left = answer.started + answer.settings.timeout - time.monotonic()
        if left > 0 and self._pools.has_room(host, reconnected=reconnected):
            self._attempt(answer, left)

    def detach(self) -> None:
        """Remove our listener from the session."""
        self._session.remove_request_init_listener(self._listener)

    def fail_in_flight(self) -> None:
        """Fail all requests that a closed session left in flight."""
        for answer in tuple(self._in_flight):
            writes = answer.settings.write is not Write.NONE
            self._end(answer, self._lifecycle.cut_off(writes=writes))

    def _start(self, answer: PendingRequest, timeout: float) -> ResponseFuture:
        statement, settings, host = answer.statement, answer.settings, answer.host
        options, send = settings.options, self.instrumentation.sending_method()
        payload = options.custom_payload if options is not None else None
        arguments: dict[str, Any] = {
            "timeout": timeout,
            "trace": _traced(settings),
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
            if settings.excluded_host is not None:
                policy = ExcludeHostPolicy(profile.load_balancing_policy, settings.excluded_host)
                profile = self._session.execution_profile_clone_update(profile, load_balancing_policy=policy)
            statement.retry_policy = self._safe(profile.retry_policy, settings, host)
            try:
                return send(statement, execution_profile=profile, **arguments)
            except ValueError as exc:
                if "legacy parameters" not in str(exc):
                    raise
                self._legacy = True  # can't change back
        if options is not None and options.speculative_execution_policy is not None:
            message = "Sessions with legacy parameters don't support speculative execution."
            hint = "Configure the Cluster with execution_profiles."
            raise UnsupportedError(message, hint=hint, feature="speculative_execution_policy")
        statement.retry_policy = self._safe(self._session.cluster.default_retry_policy, settings, host)
        return send(statement, **arguments)

    def _safe(self, default: Any, settings: ExecutionSettings, host: Host | None) -> SafeRetryPolicy:
        own = settings.options.retry_policy if settings.options is not None else None
        return SafeRetryPolicy(
            default if own is None else retry_policy(own),
            repeatable=settings.repeatable,
            write=on_servers(self._session.cluster, settings.write),
            attempts=settings.attempts,
            pinned=host is not None,
        )

    def _profile(self) -> Any:
        """Return a copy of the session's default profile; copy again if the profile has changed."""
        profile_state, copied = self._copied
        now = vars(self._session.get_execution_profile(EXEC_PROFILE_DEFAULT))
        if profile_state != now:
            profile_state = dict(now)
            copied = self._session.execution_profile_clone_update(
                EXEC_PROFILE_DEFAULT, row_factory=tuple_factory
            )
            self._copied = (profile_state, copied)
        return copied


def _traced(settings: ExecutionSettings) -> bool:
    return settings.options is not None and settings.options.trace


def _waits(answer: PendingRequest, attempt: Attempt) -> bool:
    """Return whether a request that found no connection waits for one, and set until when."""
    response, policy = answer.response, answer.statement.retry_policy
    is_unsent = response is None or not response.attempted_hosts
    is_full = is_unsent and attempt.found_full
    is_replaced = is_unsent and attempt.found_closed
    if not (is_full or is_replaced):
        if not is_unsent:  # a retry
            answer.waits_for_connection = policy.is_delayed
        elif not answer.waits_for_connection:
            statement = answer.statement
            answer.waits_for_connection = policy.waits_for_connection(statement, statement.consistency_level)
        if not answer.waits_for_connection:
            return False
    now, end = time.monotonic(), answer.started + answer.settings.timeout
    if is_full:
        answer.give_up_at = end
    elif not is_unsent or not answer.give_up_at:
        answer.give_up_at = min(end, now + _REPLACEMENT_TIMEOUT)
    return True


def _fate(exc: Any, answer: PendingRequest) -> Fate:
    """Return the state of a failed request, from all of the driver's attempts."""
    response, policy, settings = answer.response, answer.statement.retry_policy, answer.settings
    if response is None or not isinstance(policy, SafeRetryPolicy):
        return Fate(settings.write, doubt=settings.doubt)
    attempts = len(response.attempted_hosts)
    sent = attempts > 0
    if isinstance(exc, NoHostAvailable):
        sent = policy.has_lost or answer.has_lost  # the request wasn't sent to the last node
    elif isinstance(exc, OperationTimedOut):
        sent = sent or exc.last_host is not None  # set before the request is sent
    # The retry policy isn't asked about an unprepared statement.
    ended = policy.failed_attempts + isinstance(exc, ForgottenStatementError)
    # A speculative execution may still be in flight.
    doubt = policy.in_doubt or (settings.write is not Write.NONE and attempts > max(1, ended))
    host = str(response.attempted_hosts[-1].endpoint) if attempts else None
    return Fate(policy.write, sent, settings.doubt or doubt, host)


def _disagreement(response: ResponseFuture) -> Iterator[str]:
    """Warn of a schema change on which the nodes didn't agree within max_schema_agreement_wait."""
    # A session without metadata doesn't say.
    if not response.is_schema_agreed and response.session.cluster.schema_metadata_enabled:
        yield "The schema was changed, but schema agreement couldn't be checked in time."


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
