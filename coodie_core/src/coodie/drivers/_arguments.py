"""What every backend refuses of a statement, in the same words."""

from __future__ import annotations

from typing import Any

from coodie.exceptions import ConfigurationError, InvalidQueryError, ParameterError

__all__ = ["check_statement", "refuse_parameters", "refuse_use"]


def check_statement(stmt: str) -> None:
    """Refuse a statement that isn't text.

    Raises:
        ConfigurationError: It isn't a str.
    """
    if not isinstance(stmt, str):
        message = f"The statement is of type {type(stmt).__name__}."
        raise ConfigurationError(message, hint="Give CQL as a str.", option="stmt")


def refuse_use(stmt: str) -> InvalidQueryError:
    """Return the error for a USE statement."""
    message = "USE would change the keyspace for everybody who shares this connection."
    hint = "Give init_coodie(keyspace=…), or write the keyspace before the table's name."
    return InvalidQueryError(message, hint=hint, statement=stmt)


def refuse_parameters(params: Any, stmt: str) -> None:
    """Refuse values for a statement that is sent unprepared.

    Raises:
        ParameterError: There are some.
    """
    if params:
        message = "A statement of this kind takes no parameters, and some were given."
        raise ParameterError(message, statement=stmt)
