"""Plug-ins that the application registers, and distributions that are blocked."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from coodie_core.tests.distributions import MODULE, Site, config_for, host_with
from coodie_core.tests.fakes import Backend, MemoryDriver

import coodie
from coodie.exceptions import (
    ConfigurationError,
    DriverBlockedError,
    NotADriverError,
)
from coodie.plugins import allow_only, block, installed_drivers, register_plugin
from coodie.plugins.host import PluginHost

if TYPE_CHECKING:
    from coodie.registry import DriverRegistry


def test_registered(site: Site) -> None:
    """A plug-in that the application registers needs no metadata, and is listed."""
    bare = Site(site.path / "bare", core=False)
    host = PluginHost(bare.index())
    backend = Backend()
    host.register("acme", backend)
    assert host.open(config_for()) is backend.driver
    assert [(entry.driver_type, entry.distribution) for entry in host.entry_points()] == [("acme", "")]


def test_registered_goes_before_installed(on_path: Site) -> None:
    """What the application says itself holds before what is installed; a pin reaches the latter."""
    host = host_with(on_path, MODULE)
    first, second = Backend(), Backend()
    host.register("acme", first)
    host.register("acme", second, distribution="acme-own", version="3")
    assert host.open(config_for()) is second.driver
    assert host.open(config_for("acme@acme-own")) is second.opened[1]
    assert host.open(config_for("acme@acme-db")) not in second.opened
    assert "acme_plugin" in sys.modules
    assert first.opened == []


def test_registering_no_plugin(site: Site) -> None:
    """What isn't a plug-in is refused when it's registered, with the contract as the way on."""
    host = PluginHost(site.index())
    with pytest.raises(NotADriverError, match="application's own plug-in") as caught:
        host.register("acme", object())
    assert str(caught.value).splitlines()[-1] == "python -m pydoc coodie.plugins.hooks"
    for name in ("", "acme@acme-db", 5):
        with pytest.raises(ConfigurationError, match="driver_type="):
            host.register(name, Backend())  # type: ignore[arg-type]
    for distribution in (None, 5):
        with pytest.raises(ConfigurationError, match=f"distribution={distribution} isn't"):
            host.register("acme", Backend(), distribution=distribution)  # type: ignore[arg-type]


def test_blocked_after_it_was_loaded(on_path: Site) -> None:
    """A backend that is blocked later isn't opened again; one without a distribution can't be blocked."""
    host = host_with(on_path, MODULE)
    host.register("own", Backend())
    host.register("whose", Backend(), distribution="acme-db")
    host.open(config_for())
    host.block("acme-db")
    for name in ("acme", "whose"):
        with pytest.raises(DriverBlockedError):
            host.open(config_for(name))
    host.allow_only("nothing")
    host.open(config_for("own"))


def test_the_functions_use_the_current_registry(registry: DriverRegistry) -> None:
    """What is registered and blocked by coodie.plugins holds for the registry of init_coodie."""
    register_plugin("acme", Backend(), distribution="acme-db", version="1.0")
    assert "acme" in [entry.driver_type for entry in installed_drivers()]
    assert isinstance(coodie.init_coodie(driver_type="acme"), MemoryDriver)
    block("acme-db")
    with pytest.raises(DriverBlockedError, match=r"coodie\.plugins\.block\(\)"):
        coodie.init_coodie(driver_type="acme")
    allow_only("other")
    with pytest.raises(DriverBlockedError):
        coodie.init_coodie(driver_type="memory")
