"""Run the checks: the environment, the owner of the package ``coodie``, and the checks of that package."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from typing import TYPE_CHECKING, Any

from coodie_doctor.findings import Finding, Report
from coodie_doctor.ownership import NAMESAKE, core_findings
from coodie_doctor.pip_commands import CORE, pip_command, reinstall, to_run
from coodie_doctor.words import words_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["connect_task", "examine"]

#: Environment variables that determine which backends are used.
_VARIABLES = ("COODIE_BLOCK", "COODIE_ALLOW")


def examine(connect: Mapping[str, Any] | None = None, *, timeout: float = 30.0) -> Report:
    """Run all checks.

    The package ``coodie`` is only imported if it is coodie-core's.

    Args:
        connect: ``{"driver": name or None, "hosts": […], "options": {name: text}}``; None to not connect.
        timeout: The timeout for each backend in seconds.
    """
    try:
        report = Report(_environment(), _core())
    except OSError as exc:  # not a problem of the installed files
        return Report({}, [Finding(NAMESAKE, f"Metadata of {CORE} can't be read now: {words_of(exc)}.")])
    if not report.ok:
        return report
    try:
        from coodie.diagnostics.diagnosis import diagnose

        diagnosis = diagnose(connect, timeout)
    except Exception as exc:  # noqa: BLE001 - what keeps our own package from working is the finding
        report.findings.append(_not_working(exc))
        return report
    report.backends = diagnosis.backends
    report.credentials = diagnosis.credentials
    report.findings += diagnosis.findings
    report.connection = diagnosis.connection
    return report


def connect_task(
    hosts: Sequence[str], driver: str | None, options: Sequence[str], password_env: str | None
) -> dict[str, Any] | None:
    """Return the connection of a command line's arguments; None if there are none.

    Raises:
        ValueError: An option isn't NAME=VALUE, or the environment variable isn't set.
    """
    pairs = {}
    for option in options:
        name, equals, value = option.partition("=")
        if not name or not equals:
            raise ValueError(f"--option {option} isn't NAME=VALUE")
        pairs[name] = value
    if password_env is not None:
        if password_env not in os.environ:
            raise ValueError(f"the environment variable {password_env} isn't set")
        pairs["password"] = os.environ[password_env]
    if not hosts and not driver and not pairs:
        return None
    return {"driver": driver, "hosts": list(hosts), "options": pairs}


def _find(name: str) -> Any:
    from importlib.metadata import PackageNotFoundError, distribution

    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def _environment() -> dict[str, str]:
    core = _find(CORE)
    spec = importlib.util.find_spec(NAMESAKE)
    found = {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "executable": sys.executable,
        "virtual environment": sys.prefix if sys.prefix != sys.base_prefix else "none",
        "platform": platform.platform(),
        CORE: "not installed" if core is None else core.version,
        "the package coodie": "not importable" if spec is None else str(spec.origin),
    }
    return found | {name: os.environ[name] for name in _VARIABLES if name in os.environ}


def _core() -> list[Finding]:
    """Check all files of coodie-core, and whether it can be imported."""
    findings = core_findings(_find, only=None)
    if not findings and importlib.util.find_spec(NAMESAKE) is None:
        command = pip_command("install --force-reinstall", CORE)
        message = f"The package coodie can't be imported. To reinstall it, {to_run(command)}"
        findings.append(Finding(NAMESAKE, message, command))
    return findings


def _not_working(exc: Exception) -> Finding:
    if isinstance(exc, ModuleNotFoundError) and exc.name is not None and not exc.name.startswith(NAMESAKE):
        command = pip_command("install --force-reinstall", CORE)
        message = f"{CORE} needs the module {exc.name!r}, which isn't installed. "
        return Finding(NAMESAKE, f"{message}To install the dependencies, {to_run(command)}", command)
    core = _find(CORE)
    command = reinstall(CORE, None if core is None else core.version)
    message = f"The package coodie raised {type(exc).__name__}: {exc}. To reinstall it, {to_run(command)}"
    return Finding(NAMESAKE, message, command)
