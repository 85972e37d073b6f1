"""``coodie query``: execute a statement and print its rows."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from coodie.cli._printing import FORMATS, escaped
from coodie.cli._targets import connected, connection_option, option_of
from coodie.cql import Kind, inspect_statement
from coodie.hooks import hookimpl
from coodie.observers.registration import observing
from coodie.rows import check_column_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie.contract.driver import AbstractDriver
    from coodie.observers.events import RequestFinished
    from coodie.options.request_options import RequestOptions

__all__ = ["query"]


class _Warnings:
    """Print the server's warnings on standard error, each once."""

    def __init__(self) -> None:
        self._printed: set[str] = set()

    @hookimpl
    def coodie_request_finished(self, event: RequestFinished) -> None:
        """Print what is new."""
        for warning in event.warnings:
            if warning not in self._printed:
                self._printed.add(warning)
                click.echo(f"Warning: {escaped(warning)}", err=True)


def _form(name: str, *, help: str) -> Callable[[Any], Any]:  # noqa: A002 - click's word
    """Return the flag of a format, which is exclusive."""

    def choose(context: click.Context, _option: click.Parameter, chosen: bool) -> None:  # noqa: FBT001 - click's way
        if chosen:
            other = context.params.setdefault("form", name)
            if other != name:
                raise click.UsageError(f"Give --{other} or --{name}, not both.", context)

    return click.option(f"--{name}", is_flag=True, expose_value=False, callback=choose, help=help)


@click.command()
@click.argument("statement", metavar="CQL")
@_form("json", help="One JSON object per line.")
@_form("csv", help="Comma-separated values, with a header.")
@_form("table", help="A table; the default.")
@option_of("fetch_size", "--page-size")
@option_of("consistency")
@option_of("timeout")
@click.option("--profile", metavar="NAME", help="A request profile of the connection.")
@connection_option
def query(
    *,
    statement: str,
    form: str = "table",
    fetch_size: int | None,
    consistency: str | None,
    timeout: float | None,
    profile: str | None,
    connection: str | None,
) -> None:
    """Execute a CQL statement and print its rows.

    The rows are printed as they arrive, with only one page in memory. If the output pipe is closed (head,
    less), the query is cancelled silently.

    Exit code: 0; 1 if the statement failed; 130 after Ctrl-C; 141 if the output pipe was closed.
    """
    options = _options(profile)
    with connected(connection) as driver, observing(_Warnings()):
        if inspect_statement(statement).kind is not Kind.READ:
            rows = driver.execute(statement, [], consistency, timeout, options=options)
            if rows:  # a write only has rows if it is a lightweight transaction
                FORMATS[form](rows)
            return
        columns = _columns(driver, statement, timeout)
        # The default is the profile's.
        stream = driver.stream if fetch_size is None else partial(driver.stream, fetch_size=fetch_size)
        with closing(stream(statement, consistency=consistency, timeout=timeout, options=options)) as read:
            FORMATS[form](read, columns)


def _columns(driver: AbstractDriver, statement: str, timeout: float | None) -> tuple[str, ...]:
    """Return the column names of a SELECT; none if the backend doesn't know them.

    Raises:
        InvalidQueryError: Two columns have the same name, so rows as dicts would lose one.
    """
    find = getattr(getattr(driver, "driver", driver), "_result_columns", None)
    columns: tuple[str, ...] = () if find is None else find(statement, timeout)
    check_column_names(columns)
    return columns


def _options(profile: str | None) -> RequestOptions | None:
    from coodie.options.request_options import RequestOptions

    return None if profile is None else RequestOptions(profile=profile)
