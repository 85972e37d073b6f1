"""``coodie schema``: what tables there are, and what keeps them from their definitions."""

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

from coodie.cli._targets import connected, connection_option
from coodie.exceptions import ConfigurationError, CoodieError

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie.contract.driver import AbstractDriver
    from coodie.schema.definitions import TableDefinition

__all__ = ["schema"]

#: The exit status of ``diff`` where sync would execute something; 1 and 2 are failures.
_DIFFERENT = 3

_definitions = click.argument("definitions", metavar="MODULE:DEFINITIONS")
_json = click.option("--json", "as_json", is_flag=True, help="As JSON.")
_drop = click.option(
    "--drop-removed-indexes", "drop", is_flag=True, help="Drop indexes that the definitions don't have."
)


@click.group()
def schema() -> None:
    """Show tables, and bring them to their definitions.

    MODULE:DEFINITIONS names a coodie.schema.TableDefinition, or an iterable of them, or a function that
    returns either: shop.tables:ALL
    """


@schema.command()
@click.argument("name", metavar="KEYSPACE[.TABLE]")
@connection_option
def show(*, name: str, connection: str | None) -> None:
    """Print the statements that make a keyspace or a table.

    They are as the server has them: its DESCRIBE.
    """
    from coodie.schema.identifiers import quote

    keyspace, _, table = name.partition(".")
    what = f"TABLE {quote(keyspace)}.{quote(table)}" if table else f"KEYSPACE {quote(keyspace)}"
    with connected(connection) as driver:
        for row in driver.execute(f"DESCRIBE {what}", []):
            click.echo(f"{row['create_statement']}\n")


@schema.command()
@_definitions
@_drop
@_json
@connection_option
def diff(*, definitions: str, drop: bool, as_json: bool, connection: str | None) -> int:
    """Print what sync would execute; changes nothing.

    Exit status: 0 where the tables are as defined, 3 where they differ, 1 where that can't be found out.
    """
    return _DIFFERENT if _bring(definitions, connection, drop=drop, dry_run=True, as_json=as_json) else 0


@schema.command()
@_definitions
@_drop
@_json
@click.option("--dry-run", is_flag=True, help="Only print what would be executed.")
@connection_option
def sync(*, definitions: str, drop: bool, as_json: bool, dry_run: bool, connection: str | None) -> None:
    """Bring the tables to their definitions.

    The statements that it took are printed.

    Exit status: 0, also where there was nothing to do; 1 where a table can't be brought there.
    """
    _bring(definitions, connection, drop=drop, dry_run=dry_run, as_json=as_json)


def _bring(definitions: str, connection: str | None, *, drop: bool, dry_run: bool, as_json: bool) -> bool:
    """Sync the tables and print; tell whether there was anything to do."""
    logging.getLogger("coodie.schema").addHandler(logging.NullHandler())  # its warnings are printed below
    tables = _found(definitions)
    done = False
    with connected(connection) as driver:
        for one in tables:
            keyspace = _keyspace(one, driver)
            options = dict(one.table_options) if one.table_options is not None else None
            statements = driver.sync_table(one.table, keyspace, list(one.columns), options, dry_run, drop)
            done = done or bool(statements)
            if as_json:
                report = {"keyspace": keyspace, "table": one.table, "statements": list(statements)}
                click.echo(json.dumps(report, ensure_ascii=False))
            else:
                for statement in statements:
                    click.echo(f"{statement};")
            for warning in getattr(statements, "warnings", ()):
                click.echo(f"{keyspace}.{one.table}: {warning}", err=True)
    return done


def _keyspace(one: TableDefinition, driver: AbstractDriver) -> str:
    keyspace: str | None = one.keyspace or getattr(driver, "_default_keyspace", None)
    if keyspace is None:
        message = f"The definition of {one.table!r} names no keyspace, and the connection has none."
        hint = "Give either one: TableDefinition(keyspace=…), or keyspace in the configuration."
        raise ConfigurationError(message, hint=hint, option="keyspace")
    return keyspace


def _found(name: str) -> list[TableDefinition]:
    """Return the definitions that a module has under a name.

    Raises:
        click.BadParameter: There is no such thing, or it isn't definitions.
    """
    from coodie.schema.definitions import TableDefinition

    module, colon, attribute = name.partition(":")
    if not colon or not module or not attribute:
        raise click.BadParameter(f"{name!r} isn't a module and a name, such as shop.tables:ALL")
    if "" not in sys.path:
        sys.path.insert(0, "")  # as `python -m` has it: the working directory's modules are found
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
        raise click.BadParameter(f"{name} is of type {type(found).__name__}, not TableDefinitions")
    listed = list(tables)
    wrong = [one for one in listed if not isinstance(one, TableDefinition)]
    if wrong or not listed:
        kind = type(wrong[0]).__name__ if wrong else "nothing"
        raise click.BadParameter(f"{name} holds {kind}, not TableDefinitions")
    return listed


def _run(what: str, code: Callable[[], Any]) -> Any:
    """Run code of the user's.

    Raises:
        click.BadParameter: It raised; the message says what and where.
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
