"""The errors of coodie: one tree, the same for every backend.

Each error is also the builtin that fits, so that ``except TimeoutError`` works; the backend's own exception
is its ``__cause__``. ``exceptions.md`` has the cause and the fix of each; ``coodie explain NAME`` prints it::

    CoodieError
    ├── ConfigurationError (ValueError)           an argument, option or file isn't valid
    │   ├── ObserverLoadError (ImportError)       a named observer can't be used
    │   │   └── NotAnObserverError (TypeError)    it has no hooks, or unknown ones
    │   ├── ConfigFileError                       mistakes in a file or in the environment
    │   └── DriverLoadError (ImportError)         a named backend can't be used
    │       ├── DriverNotFoundError               no such driver_type is installed
    │       ├── DriverImportError                 its module raised during import
    │       ├── DriverDependencyError             a dependency is missing
    │       ├── DriverApiVersionError             made for another version of the plug-in contract
    │       ├── NotADriverError (TypeError)       the object isn't a plug-in or a driver
    │       ├── DuplicateDriverError              two distributions provide the name
    │       ├── DriverBlockedError                its distribution is blocked by configuration
    │       └── OverwrittenModuleError            another distribution has overwritten its files
    ├── DriverClosedError (RuntimeError)          used after close(), or in a forked child
    ├── UnsupportedError (NotImplementedError)    this backend lacks the feature
    ├── ConnectionFailedError (ConnectionError)   no host could be reached; nothing was sent
    │   ├── ConnectionLostError                   … or the connection closed before the response
    │   └── AuthenticationError (PermissionError) the server rejected the credentials
    ├── SchemaError                               a table can't be changed into the desired one
    │   ├── SchemaTimeoutError (TimeoutError)     … in time
    │   ├── SchemaPermissionError (PermissionError)   … with this role's permissions
    │   └── SchemaConnectionError (ConnectionError)   … because the connection was lost
    ├── RowCountError (LookupError)               a result has no row, or more than the caller expects
    └── RequestError                              one request failed
        ├── InvalidQueryError (ValueError)        the server rejects the statement
        │   ├── QuerySyntaxError                  it isn't CQL
        │   └── AlreadyExistsError                the keyspace or table already exists
        ├── ParameterError (ValueError)           too few, too many, unknown names, out of range
        │   └── ParameterTypeError (TypeError)    a value that its column can't hold
        ├── PagingStateError (ValueError)         an invalid paging state
        ├── UnauthorizedError (PermissionError)   the role lacks a permission
        ├── RequestTimeoutError (TimeoutError)    no response within the timeout
        │   ├── ReadTimeoutError                  too few replicas responded to the read in time
        │   └── WriteTimeoutError                 too few replicas acknowledged the write in time
        │       └── CasWriteUnknownError          … of a contended conditional write
        ├── UnavailableError (ConnectionError)    too few replicas are alive
        ├── OverloadedError (ConnectionError)     the coordinator rejected the request
        │   └── RateLimitedError                  … or the partition's rate limit did
        ├── ServerError                           the coordinator failed in another way
        │   ├── ReadFailureError                  a replica failed during the read
        │   ├── WriteFailureError                 a replica failed during the write
        │   └── FunctionFailureError              a user-defined function raised
        └── ExecuteManyError                      some of many executions failed
"""

from __future__ import annotations

import sys
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from coodie_doctor.pip_commands import to_run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from coodie.many_result import ManyResult

__all__ = [
    "AlreadyExistsError",
    "AuthenticationError",
    "CasWriteUnknownError",
    "ConfigFileError",
    "ConfigurationError",
    "ConnectionFailedError",
    "ConnectionLostError",
    "CoodieError",
    "DriverApiVersionError",
    "DriverBlockedError",
    "DriverClosedError",
    "DriverDependencyError",
    "DriverImportError",
    "DriverLoadError",
    "DriverNotFoundError",
    "DuplicateDriverError",
    "ExecuteManyError",
    "FunctionFailureError",
    "InvalidQueryError",
    "NotADriverError",
    "NotAnObserverError",
    "ObserverLoadError",
    "OverloadedError",
    "OverwrittenModuleError",
    "PagingStateError",
    "ParameterError",
    "ParameterTypeError",
    "QuerySyntaxError",
    "RateLimitedError",
    "ReadFailureError",
    "ReadTimeoutError",
    "RequestError",
    "RequestTimeoutError",
    "RowCountError",
    "SchemaConnectionError",
    "SchemaError",
    "SchemaPermissionError",
    "SchemaTimeoutError",
    "ServerError",
    "UnauthorizedError",
    "UnavailableError",
    "UnsupportedError",
    "WriteFailureError",
    "WriteTimeoutError",
]


class CoodieError(Exception):
    """The base class of all errors that coodie raises.

    Args:
        message: What happened, and the details.
        hint: How to fix it; printed at the end of the message.
        command: A complete shell command; printed as the message's last line.
        details: Values for the class's attributes.
    """

    #: How to fix it, or None; ends with the command, if there is one.
    hint: str | None = None
    #: A complete shell command, which is the message's last line; or None.
    command: str | None = None
    #: Whether any attempt of the request may have been applied: False where it is certain that none was.
    may_have_been_applied: bool = False
    #: The module whose classes have a section each; others are explained as their parents.
    explained_in: str = __name__

    def __init__(
        self, message: str, *, hint: str | None = None, command: str | None = None, **details: Any
    ) -> None:
        if command is not None:
            hint = f"{hint or to_run(command).capitalize()}\n{command}"
        space = "" if message.endswith("\n") else " "
        super().__init__(message if hint is None else f"{message}{space}{hint}")
        self.hint = hint
        self.command = command
        for name, value in details.items():
            if not hasattr(type(self), name):
                raise TypeError(f"{type(self).__name__} has no attribute {name!r}")
            setattr(self, name, value)
        if sys.version_info >= (3, 11):  # shown in tracebacks; str(error) stays the same
            self.add_note(f"See: {self.explanation}")

    @property
    def explanation(self) -> str:
        """The command that prints the cause of such an error and its fix."""
        classes = [cls for cls in type(self).__mro__ if cls.__module__ == getattr(cls, "explained_in", None)]
        return f"coodie explain {classes[0].__name__}"

    def __reduce__(self) -> tuple[Callable[..., CoodieError], tuple[Any, ...]]:
        """Pickle the attributes, so that a worker process can return the error."""
        return _rebuild, (type(self), str(self), self.__dict__.copy())


def _rebuild(cls: type[CoodieError], message: str, state: Mapping[str, Any]) -> CoodieError:
    error = cls.__new__(cls, message)
    Exception.__init__(error, message)
    error.__dict__.update(state)
    return error


class ConfigurationError(CoodieError, ValueError):
    """An argument, an option or a combination of them isn't supported."""

    #: The name of the offending option, or None.
    option: str | None = None
    #: The known backends that support it; empty if that isn't the problem.
    alternatives: tuple[str, ...] = ()


class ObserverLoadError(ConfigurationError, ImportError):
    """An observer was named or passed, and can't be used."""

    option: str | None = "observer"
    #: The requested name; None if an object was passed.
    observer: str | None = None


class NotAnObserverError(ObserverLoadError, TypeError):
    """The object implements no hook, or one that has no specification."""


class ConfigFileError(ConfigurationError):
    """A configuration file or an environment variable has mistakes; the message lists all of them."""

    #: Each mistake: its place, the key, the problem and the fix.
    mistakes: tuple[str, ...] = ()


class DriverLoadError(ConfigurationError, ImportError):
    """A backend or a credentials provider was named, and can't be used; each subclass is one cause.

    The last line of the message is a command, ``command``, that fixes the problem or shows more.
    """

    option: str | None = "driver_type"
    #: The requested driver_type; None if ``option`` is "credentials".
    driver_type: str | None = None
    #: The distribution that provides the plug-in, or None.
    distribution: str | None = None


class DriverNotFoundError(DriverLoadError, LookupError):
    """No installed distribution provides this name."""

    #: The names that are installed, and not known to be broken (they aren't imported to find out).
    installed: tuple[str, ...] = ()
    #: Those that are installed and known to be broken.
    broken: tuple[str, ...] = ()
    #: Those whose distributions are blocked.
    blocked: tuple[str, ...] = ()
    #: A similar name that is known, or None.
    suggestion: str | None = None


class DriverImportError(DriverLoadError):
    """The plug-in's module raised an exception during import: the ``__cause__``."""


class DriverDependencyError(DriverLoadError):
    """A dependency of the plug-in isn't installed, or its version isn't supported."""

    #: The name of the missing distribution or module.
    missing: str | None = None
    #: The requirement, such as "acme-client>=2"; None if only a module is known.
    requirement: str | None = None
    #: The installed version, or None.
    found: str | None = None


class DriverApiVersionError(DriverLoadError):
    """The plug-in declares no version of its contract that this coodie-core supports."""

    #: The versions that the plug-in declares.
    declared: tuple[int, ...] = ()
    #: The version that this coodie-core supports.
    supported: int = 0


class NotADriverError(DriverLoadError, TypeError):
    """An object lacks hooks of a plug-in, or methods of a driver, or isn't a credentials provider."""

    #: The missing methods or hooks.
    missing: tuple[str, ...] = ()


class DuplicateDriverError(DriverLoadError):
    """Two or more installed distributions provide the same name."""

    #: The distributions, each as "name version".
    distributions: tuple[str, ...] = ()


class DriverBlockedError(DriverLoadError):
    """The environment or the application blocks the plug-in's distribution."""

    #: The list that blocks it: "COODIE_BLOCK", "COODIE_ALLOW", "block" or "allow_only".
    blocked_by: str = ""


class OverwrittenModuleError(DriverLoadError):
    """The files of a module belong to another distribution than the requested one.

    scylla-driver and cassandra-driver both install the package ``cassandra``: the one that is installed
    later overwrites the other, and pip doesn't warn.
    """

    #: The import name of the package.
    module: str = ""
    #: The distributions that install it.
    distributions: tuple[str, ...] = ()


class DriverClosedError(CoodieError, RuntimeError):
    """The driver was closed, or this process is a fork of the one that opened it."""


class UnsupportedError(CoodieError, NotImplementedError):
    """This backend or server doesn't support a feature."""

    #: The feature's name.
    feature: str | None = None
    #: The known backends that support it.
    alternatives: tuple[str, ...] = ()


class ConnectionFailedError(CoodieError, ConnectionError):
    """No host could be reached, or none accepted the request: this attempt was never sent."""

    #: The reason for each host.
    hosts: Mapping[str, str] = MappingProxyType({})


class ConnectionLostError(ConnectionFailedError):
    """The connection was closed after the request was sent and before the response arrived."""

    may_have_been_applied: bool = True


class AuthenticationError(ConnectionFailedError, PermissionError):
    """The server rejected the credentials, or requires some and got none."""


class RowCountError(CoodieError, LookupError):
    """A result has no row, or more than the caller expects; the request itself succeeded."""

    #: How many rows there are, on this page.
    count: int = 0


class SchemaError(CoodieError):
    """A table can't be changed into the desired one."""

    #: The keyspace's plain name.
    keyspace: str | None = None
    #: The table's plain name.
    table: str | None = None
    #: The statements that took effect before the failure.
    executed: tuple[str, ...] = ()
    #: The statement that failed, and may or may not have taken effect; None if none failed.
    failed: str | None = None
    #: The statements that were still to be executed.
    remaining: tuple[str, ...] = ()


class SchemaTimeoutError(SchemaError, TimeoutError):
    """A sync of a table timed out; call again to continue."""


class SchemaPermissionError(SchemaError, PermissionError):
    """The role lacks a permission that the sync needs."""


class SchemaConnectionError(SchemaError, ConnectionError):
    """The connection was lost during the sync of a table; call again to continue."""


class _NothingDone:
    may_have_been_applied: bool = False


class RequestError(CoodieError):
    """One request failed; bound values are never part of an error."""

    may_have_been_applied: bool = True
    #: The CQL text of the request, without its values.
    statement: str | None = None


class InvalidQueryError(_NothingDone, RequestError, ValueError):
    """The statement can't be executed: an unknown table or column, or a filter that isn't allowed."""


class QuerySyntaxError(InvalidQueryError):
    """The statement isn't CQL."""


class AlreadyExistsError(InvalidQueryError):
    """The keyspace or table to create already exists."""

    #: The keyspace's name.
    keyspace: str | None = None
    #: The table's name; None if the keyspace already exists.
    table: str | None = None


class ParameterError(_NothingDone, RequestError, ValueError):
    """The parameters don't fit the statement; nothing was sent."""


class ParameterTypeError(ParameterError, TypeError):
    """The type of a value doesn't fit its column; nothing was sent."""

    #: The column's or bind marker's name.
    column: str | None = None
    #: Its CQL type.
    cql_type: str | None = None
    #: The name of the value's Python type.
    value_type: str | None = None


class PagingStateError(_NothingDone, RequestError, ValueError):
    """A paging state is empty, truncated, altered or of another statement; nothing was sent."""


class UnauthorizedError(_NothingDone, RequestError, PermissionError):
    """The role lacks a permission for this statement."""


class RequestTimeoutError(RequestError, TimeoutError):
    """No response arrived in time; a write may have been applied, unless it was never sent."""

    #: The timeout in seconds; None if the server timed out.
    timeout: float | None = None
    #: Whether it is the timeout of the whole request, ``RequestOptions.total_timeout``.
    is_total: bool = False


class _ReplicaCounts:
    """The replica counts in a coordinator's error; a mixin."""

    #: The request's consistency level.
    consistency: str | None = None
    #: How many replicas that level requires.
    required: int | None = None
    #: How many responded.
    received: int | None = None


class ReadTimeoutError(_ReplicaCounts, RequestTimeoutError):
    """Too few replicas responded to the coordinator's read in time."""

    #: Whether the replica that had to return the data responded.
    data_retrieved: bool | None = None


class WriteTimeoutError(_ReplicaCounts, RequestTimeoutError):
    """Too few replicas acknowledged the write in time; it may have been applied."""

    #: SIMPLE, BATCH, UNLOGGED_BATCH, COUNTER, BATCH_LOG, CAS, VIEW or CDC.
    write_type: str | None = None
    #: How many other conditional writes competed with this one, if the server reports it.
    contentions: int | None = None


class CasWriteUnknownError(WriteTimeoutError):
    """Some replicas accepted a contended conditional write: it may be applied, now or later."""


class UnavailableError(RequestError, ConnectionError):
    """Too few replicas are alive for the consistency level; see ``may_have_been_applied``."""

    #: The request's consistency level.
    consistency: str | None = None
    #: How many replicas that level requires.
    required: int | None = None
    #: How many are alive.
    alive: int | None = None


class OverloadedError(RequestError, ConnectionError):
    """The coordinator is overloaded or still starting, and rejected the request."""


class RateLimitedError(OverloadedError):
    """The rate limit of a table per partition was exceeded (ScyllaDB)."""

    #: The kind of request: "read" or "write".
    operation: str | None = None
    #: Who rejected it: "coordinator", or "replicas", of which others may have accepted the write.
    rejected_by: str | None = None


class ServerError(RequestError):
    """The coordinator failed, without a more specific error code."""


class ReadFailureError(_ReplicaCounts, ServerError):
    """A replica failed during a read (too many tombstones, a corrupt file…)."""

    #: How many replicas failed.
    failures: int | None = None
    #: The server's reason code by the replica's address, from protocol version 5 on.
    reasons: Mapping[str, int] = MappingProxyType({})
    #: As in ReadTimeoutError.
    data_retrieved: bool | None = None


class WriteFailureError(_ReplicaCounts, ServerError):
    """A replica failed during a write; other replicas may have applied it."""

    #: How many replicas failed.
    failures: int | None = None
    #: As in ReadFailureError.
    reasons: Mapping[str, int] = MappingProxyType({})
    #: As in WriteTimeoutError.
    write_type: str | None = None


class FunctionFailureError(ServerError):
    """A user-defined function raised an exception."""

    #: The function's keyspace.
    keyspace: str | None = None
    #: The function's name.
    function: str | None = None
    #: The CQL types of its arguments.
    argument_types: tuple[str, ...] = ()


class ExecuteManyError(RequestError):
    """At least one of many executions failed."""

    #: The counts, and the rows and errors by index.
    result: ManyResult | None = None
