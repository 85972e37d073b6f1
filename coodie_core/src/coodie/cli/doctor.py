"""``coodie doctor``: find problems, with the commands that fix them."""

from __future__ import annotations

import click

from coodie.cli._completion import complete_driver
from coodie.diagnostics.probe import TIMEOUT
from coodie_doctor.examination import connect_task, examine

__all__ = ["doctor"]


@click.command()
@click.option("--host", "hosts", multiple=True, metavar="HOST", help="Connect to this host; may be repeated.")
@click.option(
    "--driver",
    metavar="NAME",
    help="The backend to connect with; by default, the usable one.",
    shell_complete=complete_driver,
)
@click.option(
    "--option",
    "options",
    multiple=True,
    metavar="NAME=VALUE",
    help="An option of init_coodie, such as port=9142; may be repeated.",
)
@click.option("--password-env", metavar="NAME", help="The environment variable with the password.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    metavar="SECONDS",
    default=TIMEOUT,
    show_default=True,
    help="The timeout for each backend, and for connecting.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(
    *,
    hosts: tuple[str, ...],
    driver: str | None,
    options: tuple[str, ...],
    password_env: str | None,
    timeout: float,
    as_json: bool,
) -> int:
    """Check the environment, each backend in a separate process, and a connection.

    Exit code: 0 if there are no problems, 1 otherwise. If another distribution has overwritten coodie's
    files, run: python -m coodie_doctor
    """
    try:
        connect = connect_task(hosts, driver, options, password_env)
    except ValueError as exc:
        raise click.UsageError(str(exc)) from exc
    report = examine(connect, timeout=timeout)
    click.echo(report.as_json() if as_json else report.as_text())
    return 0 if report.ok else 1
