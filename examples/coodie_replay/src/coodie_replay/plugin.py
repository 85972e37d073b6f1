"""The hooks of driver_type "replay"."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from coodie.exceptions import ConfigurationError
from coodie.plugins import (
    Capability,
    DriverDescription,
    OptionDescription,
    hookimpl,
    open_driver,
    open_driver_async,
)
from coodie_replay.driver import RecordingDriver, ReplayingDriver
from coodie_replay.recording import Player, Recorder

if TYPE_CHECKING:
    from coodie import AbstractDriver
    from coodie.plugins import ConnectionConfig

__all__ = ["coodie_check_config", "coodie_describe_driver", "coodie_open_driver", "coodie_open_driver_async"]

_MODES = ("record", "replay")


@hookimpl
def coodie_describe_driver() -> DriverDescription:
    """Declare the options; the wrapped backend has all capabilities, or rejects what it lacks."""
    return DriverDescription(
        summary="Records the requests of another backend in a file, and replays them",
        options=(
            OptionDescription(name="backend", type="str", help="The driver_type to wrap, for mode='record'."),
            OptionDescription(name="file", type="path", help="The recording."),
            OptionDescription(
                name="mode", type="'record' or 'replay'", default="replay", help="What the driver does."
            ),
            OptionDescription(
                name="backend_options", type="object", help="A dict of the wrapped backend's options."
            ),
        ),
        capabilities=frozenset(Capability),
    )


@hookimpl
def coodie_check_config(config: ConnectionConfig) -> None:
    """Check the options, before anything is connected."""
    options = config.options
    if options.get("file") is None:
        message = f"driver_type={config.driver_type!r} was given no file=."
        raise ConfigurationError(message, hint="Give the path of a recording.", option="file")
    mode = options.get("mode", "replay")
    if mode not in _MODES:
        raise ConfigurationError(f"mode={mode!r} isn't a mode.", hint=f"Give one of {_MODES}.", option="mode")
    if mode == "record" and options.get("backend") in (None, config.driver_type):
        message = "mode='record' needs the backend to wrap."
        raise ConfigurationError(message, hint="Give one, such as backend='scylla'.", option="backend")
    if not isinstance(options.get("backend_options", {}), dict):
        message = "backend_options isn't a dict."
        raise ConfigurationError(message, hint="Give the options by name.", option="backend_options")


@hookimpl
def coodie_open_driver(config: ConnectionConfig) -> AbstractDriver:
    """Open the recording, and connect the wrapped backend for mode="record"."""
    if not _records(config):
        return ReplayingDriver(Player(_file(config)))
    recorder = Recorder(_file(config))
    try:
        return RecordingDriver(open_driver(_wrapped(config)), recorder)
    except BaseException:
        recorder.discard()
        raise


@hookimpl
async def coodie_open_driver_async(config: ConnectionConfig) -> AbstractDriver:
    """As coodie_open_driver, without blocking the event loop for connecting."""
    if not _records(config):
        return ReplayingDriver(Player(_file(config)))
    recorder = Recorder(_file(config))
    try:
        return RecordingDriver(await open_driver_async(_wrapped(config)), recorder)
    except BaseException:
        recorder.discard()
        raise


def _records(config: ConnectionConfig) -> bool:
    return config.options.get("mode") == "record"


def _file(config: ConnectionConfig) -> Path:
    return Path(config.options["file"])


def _wrapped(config: ConnectionConfig) -> ConnectionConfig:
    """Return the configuration of the wrapped backend, whose rows are dicts."""
    options: dict[str, Any] = dict(config.options.get("backend_options") or {})
    backend = config.options["backend"]
    return replace(config, driver_type=backend, distribution=None, options=options, rows=None)
