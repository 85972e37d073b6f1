"""The errors of coodie: one tree, the same for every backend.

Each error is also the builtin that fits, so that ``except TimeoutError`` or
``except ConnectionError`` in code that knows nothing of coodie works; the backend's own
exception is its ``__cause__``. What causes each and what cures it stands in ``exceptions.md``
beside this module, a section for each class; ``coodie explain NAME`` prints it::

    CoodieError
    ├── ConfigurationError (ValueError)           an argument, option or file can't be honoured
    │   ├── ObserverLoadError (ImportError)       an observer, named but not usable
    │   │   └── NotAnObserverError (TypeError)    it has no hooks, or some that don't fit
    │   ├── ConfigFileError                       mistakes in a configuration file or beside it
    │   └── DriverLoadError (ImportError)         a backend, named but not usable
    │       ├── DriverNotFoundError               no such driver_type is installed
    │       ├── DriverImportError                 its module raised while it was imported
    │       ├── DriverDependencyError             a distribution that it needs is missing
    │       ├── DriverApiVersionError             made for another version of the plug-in contract
    │       ├── NotADriverError (TypeError)       what was found isn't a plug-in or a driver
    │       ├── DuplicateDriverError              two distributions announce one name
    │       ├── DriverBlockedError                its distribution is blocked by configuration
    │       └── OverwrittenModuleError            another distribution's files are what is imported
    ├── DriverClosedError (RuntimeError)          used after close(), or in a forked child
    ├── UnsupportedError (NotImplementedError)    this backend can't do that
    ├── ConnectionFailedError (ConnectionError)   no host could be reached; nothing was sent
    │   ├── ConnectionLostError                   … or the connection ended before the answer came
    │   └── AuthenticationError (PermissionError) the server refused the credentials
    ├── SchemaError                               a table can't be brought into the wanted shape
    │   ├── SchemaTimeoutError (TimeoutError)     … in time
    │   ├── SchemaPermissionError (PermissionError)   … with this role's permissions
    │   └── SchemaConnectionError (ConnectionError)   … because the connection was lost
    ├── RowCountError (LookupError)               a result has no row, or more than the caller expects
    └── RequestError                              one request failed
        ├── InvalidQueryError (ValueError)        the server refuses the statement
        │   ├── QuerySyntaxError                  it isn't CQL
        │   └── AlreadyExistsError                what it creates is there already
        ├── ParameterError (ValueError)           too few, too many, unknown names, out of range
        │   └── ParameterTypeError (TypeError)    a value that its column can't hold
        ├── PagingStateError (ValueError)         a paging state that isn't this statement's
        ├── UnauthorizedError (PermissionError)   the role lacks a permission
        ├── RequestTimeoutError (TimeoutError)    no answer within the timeout
        │   ├── ReadTimeoutError                  too few replicas answered the coordinator's read
        │   └── WriteTimeoutError                 too few replicas acknowledged the write in time
        │       └── CasWriteUnknownError          … of a conditional one that met others
        ├── UnavailableError (ConnectionError)    too few replicas are alive
        ├── OverloadedError (ConnectionError)     the coordinator shed the request
        │   └── RateLimitedError                  … or its partition has had too many of its kind
        ├── ServerError                           the coordinator failed in another way
        │   ├── ReadFailureError                  a replica failed while it read
        │   ├── WriteFailureError                 a replica failed while it wrote
        │   └── FunctionFailureError              a user-defined function raised
        └── ExecuteManyError                      some of many executions failed
"""

from __future__ import annotations

import sys
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

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
    """The parent of every error that coodie raises.

    Args:
        message: What happened, what was found.
        hint: What to do or run about it; printed as the message's last part.
        command: What can be run as it stands; printed as a line of its own, the last.
        details: Values for the attributes that the class has beside its message.
    """

    #: What to do or run, or None where the message says it all; it ends with the command.
    hint: str | None = None
    #: A command that can be run as it stands, which is the message's last line; or None.
    command: str | None = None
    #: Whether any attempt of the request may have been applied: False where it is certain that none was.
    may_have_been_applied: bool = False

    #: The module whose classes have a section each; others are explained as their parents.
    explained_in: str = __name__

    def __init__(
        self, message: str, *, hint: str | None = None, command: str | None = None, **details: Any
    ) -> None:
        if command is not None:
            hint = f"{hint or 'Run:'}\n{command}"
        space = "" if message.endswith("\n") else " "
        super().__init__(message if hint is None else f"{message}{space}{hint}")
        self.hint = hint
        self.command = command
        for name, value in details.items():
            if not hasattr(type(self), name):
                raise TypeError(f"{type(self).__name__} has no attribute {name!r}")
            setattr(self, name, value)
        if sys.version_info >= (3, 11):  # a traceback ends with it; the text of the error stays what it is
            self.add_note(f"See: {self.explanation}")

    @property
    def explanation(self) -> str:
        """The command that prints what causes such an error and what cures it."""
        explained = (
            cls.__name__ for cls in type(self).__mro__ if cls.__module__ == getattr(cls, "explained_in", None)
        )
        return f"coodie explain {next(explained)}"

    def __reduce__(self) -> tuple[Callable[..., CoodieError], tuple[Any, ...]]:
        """Pickle by attributes, so that an error survives the way back from a worker process."""
        return _rebuild, (type(self), str(self), self.__dict__.copy())


def _rebuild(cls: type[CoodieError], message: str, state: Mapping[str, Any]) -> CoodieError:
    error = cls.__new__(cls, message)
    Exception.__init__(error, message)
    error.__dict__.update(state)
    return error


class ConfigurationError(CoodieError, ValueError):
    """An argument, an option or a combination of them can't be honoured."""

    #: The name of the offending option, or None.
    option: str | None = None
    #: The backends that could honour it, as far as is known; empty where that isn't the question.
    alternatives: tuple[str, ...] = ()


class ObserverLoadError(ConfigurationError, ImportError):
    """An observer was named or given but can't be used."""

    option: str | None = "observer"
    #: The name that was asked for, or None where an object was given.
    observer: str | None = None


class NotAnObserverError(ObserverLoadError, TypeError):
    """It has no hook, or one that the specifications don't have."""


class ConfigFileError(ConfigurationError):
    """A configuration file, or the variables beside it, hold mistakes; the message tells all of them."""

    #: Each mistake: where it is, the key, what is wrong and what to do.
    mistakes: tuple[str, ...] = ()


class DriverLoadError(ConfigurationError, ImportError):
    """A backend was named but can't be used; the parent of the ways in which that happens.

    The last line of its message is a command, ``command``, that helps or leads further.
    """

    option: str | None = "driver_type"
    #: The driver_type that was asked for.
    driver_type: str | None = None
    #: The distribution that announces it, or None.
    distribution: str | None = None


class DriverNotFoundError(DriverLoadError, LookupError):
    """No installed distribution announces this driver_type."""

    #: The driver_types that are installed and, as far as is known without importing them, usable.
    installed: tuple[str, ...] = ()
    #: Those that are installed and known to be broken.
    broken: tuple[str, ...] = ()
    #: Those whose distributions are blocked.
    blocked: tuple[str, ...] = ()
    #: The name that may have been meant, or None.
    suggestion: str | None = None


class DriverImportError(DriverLoadError):
    """The backend's module raised while it was imported; the exception is the ``__cause__``."""


class DriverDependencyError(DriverLoadError):
    """A distribution or module that the backend needs isn't installed, or in another version."""

    #: The name of what is missing.
    missing: str | None = None
    #: What is needed, with its versions, such as "acme-client>=2"; None where only a module is known.
    requirement: str | None = None
    #: The version that is installed, or None.
    found: str | None = None


class DriverApiVersionError(DriverLoadError):
    """The backend declares no version of the plug-in contract that this coodie-core speaks."""

    #: The versions that the backend declares.
    declared: tuple[int, ...] = ()
    #: The version that this coodie-core speaks.
    supported: int = 0


class NotADriverError(DriverLoadError, TypeError):
    """What an entry point, a hook or a caller gave lacks what a plug-in or a driver must have."""

    #: The methods or hooks that it lacks.
    missing: tuple[str, ...] = ()


class DuplicateDriverError(DriverLoadError):
    """Two or more installed distributions announce the same driver_type."""

    #: The distributions, each as "name version".
    distributions: tuple[str, ...] = ()


class DriverBlockedError(DriverLoadError):
    """The backend's distribution is blocked, by the environment or by the application."""

    #: What blocks it: "COODIE_BLOCK", "COODIE_ALLOW", "block" or "allow_only".
    blocked_by: str = ""


class OverwrittenModuleError(DriverLoadError):
    """The files of a module belong to another distribution than the one that is asked for.

    scylla-driver and cassandra-driver both install the package ``cassandra``, and the
    later of the two overwrites the earlier without a word from pip.
    """

    #: The import name whose files are in doubt.
    module: str = ""
    #: The distributions that claim it.
    distributions: tuple[str, ...] = ()


class DriverClosedError(CoodieError, RuntimeError):
    """The driver was closed, or this process is a fork of the one that opened it."""


class UnsupportedError(CoodieError, NotImplementedError):
    """This backend, or this server, can't do what was asked."""

    #: The name of what is unsupported.
    feature: str | None = None
    #: The backends that can, as far as is known.
    alternatives: tuple[str, ...] = ()


class ConnectionFailedError(CoodieError, ConnectionError):
    """No host could be reached, or none would take the request: this attempt of it was never sent."""

    #: Host → what went wrong there.
    hosts: Mapping[str, str] = MappingProxyType({})


class ConnectionLostError(ConnectionFailedError):
    """The connection ended after the request was sent, and before its answer came."""

    may_have_been_applied: bool = True


class AuthenticationError(ConnectionFailedError, PermissionError):
    """The server refused the credentials, or wants some and got none."""


class RowCountError(CoodieError, LookupError):
    """A result has no row, or more than the caller expects; the request itself succeeded."""

    #: How many rows there are, on this page.
    count: int = 0


class SchemaError(CoodieError):
    """A table can't be brought into the wanted shape."""

    #: The keyspace's plain name.
    keyspace: str | None = None
    #: The table's plain name.
    table: str | None = None
    #: The statements that took effect before the failure.
    executed: tuple[str, ...] = ()
    #: The statement that failed, and may have taken effect or not; None where none did.
    failed: str | None = None
    #: The statements that were still to be executed.
    remaining: tuple[str, ...] = ()


class SchemaTimeoutError(SchemaError, TimeoutError):
    """Bringing a table into shape took too long somewhere; calling again goes on from there."""


class SchemaPermissionError(SchemaError, PermissionError):
    """The role lacks a permission that the wanted shape needs."""


class SchemaConnectionError(SchemaError, ConnectionError):
    """The connection was lost while a table was brought into shape; calling again goes on from there."""


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
    """The keyspace or table to create exists already."""

    #: The keyspace's name.
    keyspace: str | None = None
    #: The table's name, or None where the keyspace is what exists.
    table: str | None = None


class ParameterError(_NothingDone, RequestError, ValueError):
    """The parameters don't fit the statement; nothing was sent."""


class ParameterTypeError(ParameterError, TypeError):
    """A value has a type that its column can't hold; nothing was sent."""

    #: The column's or bind marker's name.
    column: str | None = None
    #: Its CQL type.
    cql_type: str | None = None
    #: The name of the value's Python type.
    value_type: str | None = None


class PagingStateError(_NothingDone, RequestError, ValueError):
    """A paging state is empty, cut, altered or another statement's; nothing was sent."""


class UnauthorizedError(_NothingDone, RequestError, PermissionError):
    """The role lacks a permission for this statement."""


class RequestTimeoutError(RequestError, TimeoutError):
    """No answer came within the timeout; a write may have been applied, unless it was never sent."""

    #: How long was waited, in seconds; None where the server gave up.
    timeout: float | None = None


class _ReplicaCounts:
    """What a coordinator tells of the replicas it asked; mixed into the errors that carry it."""

    #: The consistency that the request asked for.
    consistency: str | None = None
    #: How many replicas that consistency needs.
    required: int | None = None
    #: How many answered.
    received: int | None = None


class ReadTimeoutError(_ReplicaCounts, RequestTimeoutError):
    """Too few replicas answered the coordinator's read in time."""

    #: Whether the replica that was asked for the data answered.
    data_retrieved: bool | None = None


class WriteTimeoutError(_ReplicaCounts, RequestTimeoutError):
    """Too few replicas acknowledged the write in time; it may have been applied."""

    #: SIMPLE, BATCH, UNLOGGED_BATCH, COUNTER, BATCH_LOG, CAS, VIEW or CDC.
    write_type: str | None = None
    #: How many others a conditional write met, where the server tells.
    contentions: int | None = None


class CasWriteUnknownError(WriteTimeoutError):
    """A conditional write met others, and was agreed on in part: it may be applied, now or by them."""


class UnavailableError(RequestError, ConnectionError):
    """Too few replicas are alive for the consistency; whether something was done the error says."""

    #: The consistency that the request asked for.
    consistency: str | None = None
    #: How many replicas that consistency needs.
    required: int | None = None
    #: How many are alive.
    alive: int | None = None


class OverloadedError(RequestError, ConnectionError):
    """The coordinator is overloaded, or still starting, and shed the request."""


class RateLimitedError(OverloadedError):
    """A partition has had more requests of a kind than its table allows (ScyllaDB)."""

    #: The kind: "read" or "write".
    operation: str | None = None
    #: Who rejected it: "coordinator", or "replicas", of which others may have accepted it.
    rejected_by: str | None = None


class ServerError(RequestError):
    """The coordinator failed in a way that has no class of its own."""


class ReadFailureError(_ReplicaCounts, ServerError):
    """A replica failed while it read (too many tombstones, a corrupt file…)."""

    #: How many replicas failed.
    failures: int | None = None
    #: Why, by the replica's address: codes of the server's, from protocol version 5 on.
    reasons: Mapping[str, int] = MappingProxyType({})
    #: As in ReadTimeoutError.
    data_retrieved: bool | None = None


class WriteFailureError(_ReplicaCounts, ServerError):
    """A replica failed while it wrote; the write may have been applied elsewhere."""

    #: How many replicas failed.
    failures: int | None = None
    #: As in ReadFailureError.
    reasons: Mapping[str, int] = MappingProxyType({})
    #: As in WriteTimeoutError.
    write_type: str | None = None


class FunctionFailureError(ServerError):
    """A user-defined function raised while it ran."""

    #: The function's keyspace.
    keyspace: str | None = None
    #: The function's name.
    function: str | None = None
    #: The CQL types of its arguments.
    argument_types: tuple[str, ...] = ()


class ExecuteManyError(RequestError):
    """At least one of many executions failed."""

    #: Counts, and rows and errors by index.
    result: ManyResult | None = None
