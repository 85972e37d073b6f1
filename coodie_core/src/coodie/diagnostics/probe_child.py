"""The child process of a probe: load one plug-in, and connect with it if requested.

The task is JSON on standard input; the outcome is JSON in the file that the task names, since a plug-in may
print to standard output.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coodie.exceptions import ConfigurationError, CoodieError, DriverLoadError
from coodie.options.connection import build_config
from coodie.options.declarations import OPTIONS
from coodie.options.valuetypes import parse_value
from coodie.plugins.host import PluginHost
from coodie.plugins.kinds import CREDENTIALS
from coodie_doctor.words import plain_text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from coodie.options.connection import ConnectionConfig

__all__ = ["main"]


def main() -> None:
    """Execute the task on standard input."""
    task = json.load(sys.stdin)
    outcome: dict[str, Any]
    try:
        outcome = _outcome_of(task)
    except (Exception, SystemExit) as exc:  # noqa: BLE001 - the parent reports it
        outcome = {"error": _error_of(exc)}
    Path(task["outcome"]).write_text(json.dumps(outcome), encoding="utf-8")


def _outcome_of(task: Mapping[str, Any]) -> dict[str, Any]:
    host = PluginHost()
    if task["option"] == CREDENTIALS.option:
        host.credentials.provider(f"{task['driver_type']}@{task['distribution']}")
        return {"summary": "", "capabilities": [], "options": [], "facts": {}}
    pin = {"driver_type": task["driver_type"], "distribution": task["distribution"] or None}
    config = build_config(**pin)
    description = host.described(config)
    try:
        host.check(config)
    except DriverLoadError:
        raise
    except ConfigurationError:
        pass  # it lacks hosts, for example, which isn't the backend's fault
    outcome: dict[str, Any] = {
        "summary": description.summary,
        "capabilities": sorted(str(one) for one in description.capabilities),
        "options": sorted(option.name for option in description.options),
        "facts": _facts(host, config, None),
    }
    if task["connect"] is not None:
        try:
            outcome["connection"] = _connected(host, build_config(**pin, **_arguments(task["connect"])))
        except (Exception, SystemExit) as exc:  # noqa: BLE001 - as above
            outcome["connection"] = {"error": _error_of(exc)}
    return outcome


def _connected(host: PluginHost, config: ConnectionConfig) -> dict[str, Any]:
    started = time.monotonic()
    driver = host.open(config)
    try:
        opened = time.monotonic()
        answers = driver.ping() if hasattr(driver, "ping") else None
        return {
            "connecting_seconds": round(opened - started, 3),
            "round_trip_seconds": round(time.monotonic() - opened, 3),
            "answers": answers,
            "facts": _facts(host, config, driver),
        }
    finally:
        driver.close()


def _facts(host: PluginHost, config: ConnectionConfig, driver: Any) -> dict[str, str]:
    return {plain_text(name): plain_text(value) for name, value in host.inspect(config, driver).items()}


def _arguments(connect: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``init_coodie``, from texts."""
    arguments: dict[str, Any] = {}
    for name, text in connect["options"].items():
        known = OPTIONS.get(name)
        arguments[name] = text if known is None else parse_value(known.type, text)
    if connect["hosts"]:
        arguments["hosts"] = connect["hosts"]
    return arguments


def _error_of(exc: BaseException) -> dict[str, Any]:
    command = exc.command if isinstance(exc, CoodieError) else None
    text = plain_text(exc)
    message = text.removesuffix(f"\n{command}") if command else text
    return {"type": type(exc).__name__, "message": message, "command": command}
