"""The checks of ``coodie doctor`` that need an intact package ``coodie``."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from coodie.capabilities import KNOWN
from coodie.diagnostics.inventory import BackendReport, BackendState, take_inventory, take_providers
from coodie.diagnostics.probe import probe
from coodie.plugins.requirements import plain_requirement, unmet_requirements
from coodie.registry.registry import current_registry
from coodie_doctor.findings import Finding
from coodie_doctor.pip_commands import to_run

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Diagnosis", "diagnose"]

#: States that are problems.
_PROBLEMS = (BackendState.BROKEN, BackendState.WRONG_VERSION, BackendState.DUPLICATE)


class Diagnosis:
    """The backends, the problems, and the result of connecting.

    Args:
        connect: As for ``diagnose``.
        timeout: As for ``diagnose``.
    """

    def __init__(self, connect: Mapping[str, Any] | None, timeout: float) -> None:
        host = current_registry().plugins
        reports = take_inventory(host, timeout=timeout)
        providers = take_providers(host, timeout=timeout)
        self.backends = [report.as_dict() for report in reports]
        self.credentials = [report.as_provider() for report in providers]
        self.findings = [
            finding for report in (*reports, *providers) if (finding := _finding(report)) is not None
        ]
        installed = [report for report in (*reports, *providers) if report.version is not None]
        if all(report.state is BackendState.NOT_INSTALLED for report in reports):
            self.findings.append(_no_backend())
        for distribution in sorted({report.distribution for report in installed if report.distribution}):
            self.findings += _unmet(distribution, self.findings)
        self.connection: dict[str, Any] | None = None
        if connect is not None:
            self.connection = _connection(connect, reports, timeout)
            if "error" in self.connection:
                error = self.connection["error"]
                self.findings.append(Finding("connection", error["message"], error["command"]))


def diagnose(connect: Mapping[str, Any] | None, timeout: float) -> Diagnosis:
    """Load each backend in a child process; connect with one if requested.

    Args:
        connect: ``{"driver": name or None, "hosts": […], "options": {name: text}}``; None to not connect.
        timeout: The timeout of each probe in seconds.
    """
    return Diagnosis(connect, timeout)


def _no_backend() -> Finding:
    command = KNOWN["scylla"].install
    return Finding("backends", f"No backend is installed. To install one, {to_run(command)}", command)


def _finding(report: BackendReport) -> Finding | None:
    if report.state in _PROBLEMS:
        subject = report.driver_type or report.distribution
        return Finding(subject, report.reason or "", report.command)
    if report.state is BackendState.BLOCKED:
        return Finding(report.driver_type, report.reason or "", report.command, is_problem=False)
    return None


def _unmet(distribution: str, reported: list[Finding]) -> list[Finding]:
    """Return the missing requirements of a distribution, without those that were reported already."""
    found = []
    for wanted in unmet_requirements(distribution):
        plain = plain_requirement(wanted)
        if not any(wanted.name in finding.message for finding in reported):
            message = f"{distribution} requires {plain}, but no such version is installed. Run:"
            found.append(
                Finding(distribution, message, f"pip install {shlex.quote(plain)}", is_problem=False)
            )
    return found


def _connection(connect: Mapping[str, Any], reports: list[BackendReport], timeout: float) -> dict[str, Any]:
    ready = [report for report in reports if report.state is BackendState.READY]
    wanted, _, pin = (connect["driver"] or "").partition("@")
    chosen = [
        report
        for report in ready
        if (report.driver_type == wanted if wanted else report.driver_type != "local")
        and pin in ("", report.distribution)
    ]
    if len(chosen) != 1:
        names = ", ".join(report.driver_type for report in ready) or "none"
        message = f"Expected one usable backend, found: {names}. Select one with --driver, for example:"
        example = chosen[0].driver_type if chosen else "scylla"
        host = (connect["hosts"] or ["127.0.0.1"])[0]
        command = f"python -m coodie_doctor --host {host} --driver {example}"
        return {"error": {"type": "ConfigurationError", "message": message, "command": command}}
    (backend,) = chosen
    found = probe(backend.driver_type, backend.distribution, connect=connect, timeout=timeout)
    if found.connection is None:
        error = {"type": found.error_type, "message": found.error, "command": found.command}
        return {"driver": backend.driver_type, "error": error}
    outcome = {"driver": backend.driver_type, **found.connection}
    if outcome.get("answers") is False:
        message = "Connected, but the server doesn't respond to requests."
        outcome["error"] = {"type": "ConnectionFailedError", "message": message, "command": None}
    return outcome
