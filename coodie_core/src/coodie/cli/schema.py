"""``coodie schema``: show, compare and sync tables."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click

from coodie.cli._exit_codes import ExitCode
from coodie.cli._flags import flags_of, with_flags
from coodie.cli._printing import escaped
from coodie.cli._targets import connected, connection_option, option_of
from coodie.contract.rows_argument import dicts_argument
from coodie.exceptions import ConfigurationError, CoodieError, InvalidQueryError

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie.contract.driver import AbstractDriver
    from coodie.schema.definitions import TableDefinition

__all__ = ["schema"]

_definitions = click.argument("definitions", metavar="MODULE:DEFINITIONS")
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_drop = click.option(
    "--drop-removed-indexes", "drop", is_flag=True, help="Drop indexes that aren't in the definitions."
)


@click.group()
def schema() -> None:
    """Show, compare and sync tables.

    MODULE:DEFINITIONS is a coodie.schema.TableDefinition, an iterable of them, or a function that returns
    either, for example shop.tables:ALL
    """


@schema.command()
@click.argument("name", metavar="KEYSPACE[.TABLE]")
@click.option("--python", "as_python", is_flag=True, help="As Python code: the DEFINITIONS of the tables.")
@_json
@option_of("timeout")
@connection_option
def show(*, name: str, as_python: bool, as_json: bool, timeout: float | None, connection: str | None) -> None:
    """Print the statements that create a keyspace, a table or a materialized view.

    This is the server's DESCRIBE. With --python, it is a module for diff and sync, with the definitions of
    one table or of all tables of the keyspace.
    """
    from coodie.schema.identifiers import quote

    if as_python and as_json:
        raise click.UsageError("Give --python or --json, not both.")
    keyspace, dot, table = name.partition(".")
    if dot and not table:
        raise click.UsageError(f"{name!r} has no table after the dot. Give KEYSPACE or KEYSPACE.TABLE.")
    if as_python:
        with connected(connection) as driver:
            click.echo(_python(driver, keyspace, table, timeout), nl=False)
        return
    # DESCRIBE TABLE doesn't find views.
    what = f"{quote(keyspace)}.{quote(table)}" if table else f"KEYSPACE {quote(keyspace)}"
    with connected(connection) as driver:
        for row in driver.execute(f"DESCRIBE {what}", [], timeout=timeout, **dicts_argument(driver)):
            click.echo(json.dumps(row, ensure_ascii=False) if as_json else f"{row['create_statement']}\n")


def _python(driver: AbstractDriver, keyspace: str, table: str, timeout: float | None) -> str:
    """Return the definitions of a table, or of all tables of a keyspace, as code."""
    from coodie.schema.source import python_source

    logging.getLogger("coodie.schema").addHandler(logging.NullHandler())  # its warnings are printed here

    def listed(kind: str) -> list[str]:
        query = f"SELECT {kind}_name AS name FROM system_schema.{kind}s WHERE keyspace_name = ?"  # noqa: S608 - "table" or "view"
        rows = driver.execute(query, [keyspace], timeout=timeout, **dicts_argument(driver))
        return [row["name"] for row in rows]

    names = [table] if table else listed("table")
    if not names:
        message = f"Keyspace {keyspace!r} has no tables, or doesn't exist (names are case-sensitive)."
        raise InvalidQueryError(message)
    found = [driver.describe(f"{keyspace}.{one}", timeout=timeout) for one in names]
    for one in found:
        for warning in one.warnings:
            click.echo(f"{keyspace}.{one.table}: {escaped(warning)}", err=True)
    for view in [] if table else listed("view"):
        click.echo(f"{keyspace}.{view}: it is a materialized view, which has no definition", err=True)
    return python_source(found)


@schema.command()
@_definitions
@_drop
@_json
@option_of("timeout")
@connection_option
def diff(
    *, definitions: str, drop: bool, as_json: bool, timeout: float | None, connection: str | None
) -> int:
    """Print the statements that sync would execute, without executing them.

    Exit code: 0 if the tables match their definitions; 2 for invalid arguments or configuration; 3 if sync
    would execute a statement; 4 if a table can't be altered to match; 5 if no server could be reached; 1 for
    other failures.
    """
    return (
        ExitCode.DIFFERENT
        if _bring(definitions, connection, drop=drop, dry_run=True, as_json=as_json, timeout=timeout)
        else 0
    )


@schema.command()
@_definitions
@_drop
@_json
@click.option("--dry-run", is_flag=True, help="Only print the statements.")
@option_of("timeout")
@connection_option
def sync(
    *,
    definitions: str,
    drop: bool,
    as_json: bool,
    dry_run: bool,
    timeout: float | None,
    connection: str | None,
) -> None:
    """Create or alter tables to match their definitions.

    Prints the executed statements.

    Exit code: 0 if the tables match now; 2 for invalid arguments or configuration; 4 if a table can't be
    altered to match, or the server rejected a statement; 5 if no server could be reached; 1 for other
    failures.
    """
    _bring(definitions, connection, drop=drop, dry_run=dry_run, as_json=as_json, timeout=timeout)


def _bring(
    definitions: str,
    connection: str | None,
    *,
    drop: bool,
    dry_run: bool,
    as_json: bool,
    timeout: float | None,
) -> bool:
    """Sync the tables and print the statements; return whether there were any."""
    from coodie.schema.syncoptions import SyncOptions

    logging.getLogger("coodie.schema").addHandler(logging.NullHandler())  # its warnings are printed below
    tables = _found(definitions)
    done = False
    with connected(connection) as driver:
        for one in tables:
            keyspace = _keyspace(one, driver)
            options = dict(one.table_options) if one.table_options is not None else None
            terms = {} if timeout is None else {"options": SyncOptions(timeout=timeout)}
            statements = driver.sync_table(
                one.table, keyspace, list(one.columns), options, dry_run, drop, **terms
            )
            done = done or bool(statements)
            if as_json:
                report = {"keyspace": keyspace, "table": one.table, "statements": list(statements)}
                click.echo(json.dumps(report, ensure_ascii=False))
            else:
                for statement in statements:
                    click.echo(f"{statement};")
            for warning in getattr(statements, "warnings", ()):
                text = with_flags(warning, flags_of(click.get_current_context().command, ()))
                click.echo(f"{keyspace}.{one.table}: {escaped(text)}", err=True)
    return done


def _keyspace(one: TableDefinition, driver: AbstractDriver) -> str:
    keyspace: str | None = one.keyspace or getattr(driver, "_default_keyspace", None)
    if keyspace is None:
        message = f"The definition of {one.table!r} has no keyspace, and neither has the connection."
        hint = "Set TableDefinition(keyspace=…), or keyspace in the configuration."
        raise ConfigurationError(message, hint=hint, option="keyspace")
    return keyspace


def _found(name: str) -> list[TableDefinition]:
    """Import definitions by module and name.

    Raises:
        click.BadParameter: The object doesn't exist, or isn't definitions.
    """
    from coodie.schema.definitions import TableDefinition

    module, colon, attribute = name.partition(":")
    if not colon or not module or not attribute:
        raise click.BadParameter(f"{name!r} isn't of the form MODULE:NAME, such as shop.tables:ALL")
    if "" not in sys.path:
        sys.path.insert(0, "")  # as `python -m` does: import from the working directory
    found: Any = _run(f"importing {module}", lambda: import_module(module))
    for part in attribute.split("."):
        if not hasattr(found, part):
            close = get_close_matches(part, vars(found), n=1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise click.BadParameter(f"{name!r}: there is no {part}.{hint}")
        found = getattr(found, part)
    if callable(found) and not isinstance(found, type):
        found = _run(f"calling {name}", found)
    tables = [found] if isinstance(found, TableDefinition) else found
    if not isinstance(tables, Iterable):
        raise click.BadParameter(f"{name}: expected TableDefinitions, got {type(found).__name__}")
    listed = list(tables)
    wrong = [one for one in listed if not isinstance(one, TableDefinition)]
    if wrong or not listed:
        kind = type(wrong[0]).__name__ if wrong else "nothing"
        raise click.BadParameter(f"{name}: expected TableDefinitions, got {kind}")
    return listed


def _run(what: str, code: Callable[[], Any]) -> Any:
    """Run the user's code.

    Raises:
        click.BadParameter: The code raised; the message contains the exception and its location.
    """
    try:
        return code()
    except CoodieError:
        raise
    except Exception as exc:
        where = traceback.extract_tb(exc.__traceback__)[-1]
        file, line = (
            (exc.filename, exc.lineno) if isinstance(exc, SyntaxError) else (where.filename, where.lineno)
        )
        place = "" if isinstance(exc, ModuleNotFoundError) else f" ({file}, line {line})"
        raise click.BadParameter(f"{what} raised {type(exc).__name__}: {exc}{place}") from exc
