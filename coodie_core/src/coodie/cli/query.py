"""``coodie query``: execute a statement and print its rows."""

from __future__ import annotations

import time
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from coodie.cli._completion import complete_consistency, complete_profile
from coodie.cli._printing import FORMATS, escaped
from coodie.cli._statements import bound_values, parse_parameters, read_statement
from coodie.cli._targets import connected, connection_option, option_of
from coodie.cql import Kind, inspect_statement
from coodie.hooks import hookimpl
from coodie.observers.hub import observing
from coodie.rows import check_column_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from coodie.contract.driver import AbstractDriver
    from coodie.observers.events import RequestFinished
    from coodie.options.request_options import RequestOptions

__all__ = ["query"]


#: Without the character at its start, click would wrap the lines.
_EXAMPLES = """\b
Examples:
  coodie query "SELECT * FROM shop.items WHERE id = :id" -p id=7
  coodie query "UPDATE shop.items SET tags = :tags WHERE id = :id" -p id=7 -p tags='["a", "b"]'
  coodie query -c scylla://db1 --json < statement.cql
"""


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


@click.command(epilog=_EXAMPLES)
@click.argument("statement", metavar="[CQL]", required=False)
@click.option("-f", "--file", metavar="FILE", help="Read the statement from a file; - for standard input.")
@click.option(
    "-p",
    "--param",
    "params",
    multiple=True,
    metavar="NAME=VALUE",
    help="The value of the bind marker :NAME, or of a ? that is compared with the column NAME; may be "
    "repeated. Collections and user-defined types are JSON.",
)
@click.option("--null", "nulls", multiple=True, metavar="NAME", help="Bind null; may be repeated.")
@_form("json", help="One JSON object per line.")
@_form("csv", help="Comma-separated values, with a header.")
@_form("table", help="A table; the default. On a terminal, values are cut to its width.")
@click.option("--timing", is_flag=True, help="Print the duration, without connecting, to standard error.")
@option_of("fetch_size", "--page-size", help="The number of rows of a page.")
@option_of("consistency", shell_complete=complete_consistency)
@option_of("timeout")
@click.option(
    "--profile",
    metavar="NAME",
    help="A request profile of the connection.",
    shell_complete=complete_profile,
)
@connection_option
def query(
    *, statement: str | None, file: str | None, params: Sequence[str], nulls: Sequence[str], **given: Any
) -> None:
    """Execute a CQL statement and print its rows.

    The statement is CQL, the content of --file, or what is piped in. The rows are printed as they arrive,
    with only one page in memory. If the output pipe is closed (head, less), the query is cancelled silently.

    Exit code: 0; 1 if the statement failed; 2 for invalid arguments or configuration; 4 if the server
    rejected the statement; 5 if no server could be reached.
    """
    text = read_statement(statement, file)
    parameters = parse_parameters(params, nulls)
    parameters.check(text)
    with connected(given["connection"]) as driver, observing(_Warnings()):
        values = bound_values(driver, text, parameters, given["timeout"])
        _execute(driver, text, values, given)


def _execute(driver: AbstractDriver, statement: str, values: Sequence[Any], given: Mapping[str, Any]) -> None:
    """Execute the statement and print its rows."""
    consistency, timeout, options = given["consistency"], given["timeout"], _options(given["profile"])
    print_rows = FORMATS[given.get("form", "table")]
    if inspect_statement(statement).kind is not Kind.READ:
        clock = _Clock()
        rows = driver.execute(statement, list(values), consistency, timeout, options=options)
        if rows:  # a write only has rows if it is a lightweight transaction
            print_rows(clock.watched(rows))
        clock.stop(printed=given["timing"])
        return
    columns = _columns(driver, statement, timeout)
    # The default is the profile's.
    stream = (
        driver.stream
        if given["fetch_size"] is None
        else partial(driver.stream, fetch_size=given["fetch_size"])
    )
    terms: dict[str, Any] = {"consistency": consistency, "timeout": timeout, "options": options}
    clock = _Clock()
    with closing(stream(statement, values, **terms)) as read:
        print_rows(clock.watched(read), columns)
    clock.stop(printed=given["timing"])


class _Clock:
    """The duration of a statement, and of its first row."""

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self._first: float | None = None

    def watched(self, rows: Iterable[Any]) -> Iterator[Any]:
        """Yield the rows, and note when the first one has arrived."""
        for row in rows:
            if self._first is None:
                self._first = time.perf_counter()
            yield row

    def stop(self, *, printed: bool) -> None:
        """End the measurement; print it."""
        if not printed:
            return
        total = time.perf_counter() - self._started
        first = (
            "" if self._first is None else f", first row after {(self._first - self._started) * 1000:.1f} ms"
        )
        click.echo(f"Time: {total * 1000:.1f} ms{first}", err=True)


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
