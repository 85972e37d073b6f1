"""``coodie drivers``: list backends and their state."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from coodie.diagnostics.inventory import BackendReport, BackendState, take_inventory
from coodie.diagnostics.probe import TIMEOUT
from coodie.registry.registry import current_registry
from coodie_doctor.words import plain_text

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["drivers"]

_COLOURS = {BackendState.READY: "green", BackendState.NOT_INSTALLED: "bright_black"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    metavar="SECONDS",
    default=TIMEOUT,
    show_default=True,
    help="The timeout for loading each backend.",
)
def drivers(*, as_json: bool, timeout: float) -> None:
    """List all installed and known backends, their state and problems.

    Each is loaded in a separate process, so that a broken one doesn't affect others.
    """
    reports = take_inventory(current_registry().plugins, timeout=timeout)
    if as_json:
        click.echo(json.dumps([report.as_dict() for report in reports], indent=2))
        return
    _table(reports)
    for report in reports:
        if report.capabilities and report.state is BackendState.READY:
            click.echo(f"\n{report.driver_type} can: {', '.join(report.capabilities)}")
    for report in reports:
        if report.reason:
            click.echo(plain_text(f"\n{report.driver_type or report.distribution}: {report.reason}"))
            # Without indentation, so that it can be copied.
            if report.command:
                click.echo(plain_text(report.command))


def _table(reports: Sequence[BackendReport]) -> None:
    titles = ("NAME", "DISTRIBUTION", "VERSION", "API", "STATE")
    rows = [
        _cells(
            report.driver_type or "?",
            report.distribution or "(the application's)",
            report.version or "–",
            ", ".join(map(str, report.api_versions)) or "–",
            str(report.state),
        )
        for report in reports
    ]
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    click.secho("  ".join(title.ljust(width) for title, width in zip(titles, widths, strict=True)), bold=True)
    for report, row in zip(reports, rows, strict=True):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=True)]
        cells[-1] = click.style(row[-1], fg=_COLOURS.get(report.state, "red"))
        click.echo("  ".join(cells))


def _cells(*values: str) -> tuple[str, ...]:
    return tuple(map(plain_text, values))
