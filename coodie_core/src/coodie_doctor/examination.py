"""One examination: the environment, whose package ``coodie`` is, and then all that this package can tell."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from typing import TYPE_CHECKING, Any

from coodie_doctor.findings import Finding, Report, words_of
from coodie_doctor.ownership import CORE, NAMESAKE, core_findings, reinstall

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["connect_task", "examine"]

#: Settings that decide which backends are used.
_VARIABLES = ("COODIE_BLOCK", "COODIE_ALLOW")


def examine(connect: Mapping[str, Any] | None = None, *, timeout: float = 30.0) -> Report:
    """Find out what keeps coodie from working.

    Nothing of the package ``coodie`` is imported before it's certain to be ours.

    Args:
        connect: ``{"driver": name or None, "hosts": […], "options": {name: text}}``; None: don't connect.
        timeout: Seconds that the trial of each backend may take.
    """
    try:
        report = Report(_environment(), _core())
    except OSError as exc:  # which says nothing of what is installed
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
    report.findings += diagnosis.findings
    report.connection = diagnosis.connection
    return report


def connect_task(
    hosts: Sequence[str], driver: str | None, options: Sequence[str], password_env: str | None
) -> dict[str, Any] | None:
    """Return what to connect to, of what was given on a command line; None where nothing was.

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
    """Look at every file of coodie-core, and at whether it can be imported at all."""
    findings = core_findings(_find, only=None)
    if not findings and importlib.util.find_spec(NAMESAKE) is None:
        message = "The package coodie can't be imported. To install it, run:"
        findings.append(Finding(NAMESAKE, message, f"pip install --force-reinstall {CORE}"))
    return findings


def _not_working(exc: Exception) -> Finding:
    message = f"The package coodie raised {type(exc).__name__}: {exc}. To install it anew, run:"
    if isinstance(exc, ModuleNotFoundError) and exc.name is not None and not exc.name.startswith(NAMESAKE):
        message = f"{CORE} needs the module {exc.name!r}, which isn't there. To install what it needs, run:"
        return Finding(NAMESAKE, message, f"pip install --force-reinstall {CORE}")
    core = _find(CORE)
    return Finding(NAMESAKE, message, reinstall(CORE, None if core is None else core.version))
