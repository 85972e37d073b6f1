"""``coodie new-driver``: generate a complete package for a new driver."""

from __future__ import annotations

import json
import shlex
from importlib.util import find_spec
from pathlib import Path

import click

__all__ = ["new_driver"]

#: The commands to run in the new package, in this order, with their purposes.
_NEXT = (
    ("python -m venv .venv && . .venv/bin/activate", "a virtual environment"),
    ('pip install -e ".[test]"', "the driver, the conformance kit, a Cassandra"),
    ("pytest", "the kit, with a real server"),
    ("mypy && ruff check . && ruff format --check .", "the checks of its CI"),
)


@click.command("new-driver", short_help="Generate the package of a new driver.")
@click.argument("name")
@click.option(
    "--directory",
    type=click.Path(path_type=Path),
    help="The new directory, which must not exist.  [default: ./coodie-NAME]",
)
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def new_driver(name: str, directory: Path | None, *, as_json: bool) -> None:
    """Generate a complete package for the driver_type NAME.

    It contains a working driver, entry points, a README, tests with the conformance kit, and a CI file. A
    placeholder client makes it work until you replace it by your client.
    """
    from coodie.capabilities import KNOWN
    from coodie.exceptions import ConfigurationError
    from coodie.registry.registry import installed_drivers
    from coodie.scaffold.names import driver_names
    from coodie.scaffold.package import write_package

    taken = {found.driver_type: found.distribution for found in installed_drivers()}
    taken |= {known.driver_type: known.distribution for known in KNOWN.values()}
    names = driver_names(name, taken)
    if find_spec(names.package) is not None:
        raise ConfigurationError(
            f"There is a module {names.package} already.",
            hint="Choose another name, or uninstall its distribution.",
            option="name",
        )
    target = Path(names.distribution) if directory is None else directory
    written = write_package(names, target)
    commands = [f"cd {shlex.quote(str(target))}", *(command for command, _ in _NEXT)]
    if as_json:
        report = {
            "driver_type": names.driver_type,
            "distribution": names.distribution,
            "package": names.package,
            "directory": str(target),
            "files": [str(path) for path in written],
            "next": commands,
        }
        click.echo(json.dumps(report, indent=2))
        return
    click.echo(f"Wrote {target}: {len(written)} files, driver_type={names.driver_type!r}.")
    click.echo("\nIt works already. To try it:\n")
    width = max(map(len, commands))
    for command, purpose in zip(commands, ("", *(purpose for _, purpose in _NEXT)), strict=True):
        click.echo(f"    {command:<{width}}  {'# ' if purpose else ''}{purpose}".rstrip())
    client = Path("src") / names.package / "client.py"
    click.echo(f"\nThen call your client in {client}, one method at a time, and run pytest again.")
