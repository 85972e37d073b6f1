"""The hooks of driver_type "slowlog"."""

from dataclasses import replace

from coodie.exceptions import ConfigurationError
from coodie.plugins import Capability, DriverDescription, OptionDescription, hookimpl, open_driver
from coodie_slowlog.driver import SlowLogDriver


@hookimpl
def coodie_describe_driver():
    """Say what init_coodie may be given; core refuses everything else, with a suggestion."""
    return DriverDescription(
        summary="Another backend, whose slow requests are logged",
        options=(
            OptionDescription(name="backend", type="str", help="The driver_type to wrap."),
            OptionDescription(name="slow_seconds", type="seconds", default=0.5, help="What is slow."),
        ),
        capabilities=frozenset(Capability),  # what the inner backend lacks, that one refuses
    )


@hookimpl
def coodie_check_config(config):
    """Refuse what can't be honoured, before anything is connected."""
    if "backend" not in config.options:
        message = "driver_type='slowlog' was given no backend=."
        raise ConfigurationError(message, hint="Give one, such as backend='scylla'.", option="backend")


@hookimpl
def coodie_open_driver(config):
    """Connect; async callers run this in a thread of its own."""
    name = config.options["backend"]
    inner = open_driver(replace(config, driver_type=name, distribution=None, options={}))
    return SlowLogDriver(inner, config.options.get("slow_seconds", 0.5))
