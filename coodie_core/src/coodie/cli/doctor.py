"""``coodie doctor``: what keeps coodie from working, and what to run about it."""

from __future__ import annotations

import click

from coodie.diagnostics.probe import TIMEOUT
from coodie_doctor.examination import connect_task, examine

__all__ = ["doctor"]


@click.command()
@click.option("--host", "hosts", multiple=True, metavar="HOST", help="Connect to this host; may be repeated.")
@click.option(
    "--driver", metavar="NAME", help="The backend to connect with; by default the one that is ready."
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
    help="How long each backend may take, and connecting.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def doctor(
    *,
    hosts: tuple[str, ...],
    driver: str | None,
    options: tuple[str, ...],
    password_env: str | None,
    timeout: float,
    as_json: bool,
) -> int:
    """Look at the environment, at each backend in a process of its own, and at a connection.

    The exit status is 0 where all is well and 1 where it isn't. Where another distribution's code has
    overwritten coodie's, run: python -m coodie_doctor
    """
    try:
        connect = connect_task(hosts, driver, options, password_env)
    except ValueError as exc:
        raise click.UsageError(str(exc)) from exc
    report = examine(connect, timeout=timeout)
    click.echo(report.as_json() if as_json else report.as_text())
    return 0 if report.ok else 1
