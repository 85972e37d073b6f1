"""The exit codes of all commands; docs/reference/command-line.md has the same table."""

from __future__ import annotations

from enum import IntEnum

from coodie import exceptions
from coodie.exceptions import (
    AuthenticationError,
    ConfigurationError,
    ConnectionFailedError,
    CoodieError,
    InvalidQueryError,
    ParameterError,
    SchemaConnectionError,
    SchemaError,
    SchemaPermissionError,
    SchemaTimeoutError,
    UnauthorizedError,
)

__all__ = ["ExitCode", "exit_code"]


class ExitCode(IntEnum):
    """How a command ended."""

    SUCCESS = 0
    #: Any other failure; the same command may succeed later.
    FAILURE = 1
    #: Invalid arguments or configuration: an unknown connection, a backend that can't be used, a value that
    #: its bind marker can't have.
    USAGE = 2
    #: ``schema diff``: the tables differ from their definitions.
    DIFFERENT = 3
    #: The server rejected the statement or the credentials, or a table can't be altered to match.
    REFUSED = 4
    #: No host could be reached; nothing was sent.
    NO_SERVER = 5
    INTERRUPTED = 130
    #: As for a program that SIGPIPE ended, in shells: 128 + 13.
    PIPE_CLOSED = 141


def exit_code(error: CoodieError) -> ExitCode:
    """Return the exit code of a command that failed with an error."""
    # The errors of local nodes are about files, ports and processes of this machine.
    is_core = error.explained_in == exceptions.__name__
    if isinstance(error, ParameterError) or (isinstance(error, ConfigurationError) and is_core):
        return ExitCode.USAGE
    if isinstance(error, SchemaError):
        return _of_schema(error)
    if isinstance(error, (AuthenticationError, InvalidQueryError, UnauthorizedError)):
        return ExitCode.REFUSED
    if isinstance(error, ConnectionFailedError) and is_core and not error.may_have_been_applied:
        return ExitCode.NO_SERVER
    return ExitCode.FAILURE


def _of_schema(error: SchemaError) -> ExitCode:
    if isinstance(error, (SchemaConnectionError, SchemaTimeoutError)):
        return ExitCode.FAILURE  # a part of the statements may have been executed
    if isinstance(error, SchemaPermissionError) or error.__cause__ is None:
        return ExitCode.REFUSED
    return ExitCode.REFUSED if isinstance(error.__cause__, InvalidQueryError) else ExitCode.FAILURE
