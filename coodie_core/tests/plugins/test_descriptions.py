"""Descriptions that can't be used."""

from __future__ import annotations

from typing import Any

import pytest
from coodie_core.tests.distributions import config_for
from coodie_core.tests.fakes import Backend, host_of, registry_of

from coodie.capabilities import Capability
from coodie.exceptions import ConfigurationError, NotADriverError
from coodie.plugins import DriverDescription, OptionDescription, hookimpl
from coodie.registry import using_registry


class Describing(Backend):
    """Describes itself by what the test gives."""

    def __init__(self, **fields: Any) -> None:
        super().__init__()
        self._fields: dict[str, Any] = {"summary": "describing"} | fields

    @hookimpl
    def coodie_describe_driver(self) -> DriverDescription:
        """Describe it."""
        return DriverDescription(**self._fields)


def option(**fields: Any) -> Any:
    """Return an option of its own, with what the test gives."""
    given: dict[str, Any] = {"name": "colour"} | fields
    return (OptionDescription(**given),)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"summary": None}, "summary is a NoneType, expected str"),
        ({"options": None}, "options is a NoneType, expected a tuple of OptionDescription"),
        ({"options": ["x"]}, "options holds a str, expected a tuple of OptionDescription"),
        ({"options": option(name=3)}, "options: name of the option without a name (int) is a int"),
        ({"options": option(name="")}, "options: '' isn't a valid argument name"),
        ({"options": option(name="a b")}, "options: 'a b' isn't a valid argument name"),
        ({"options": option(type=["str"])}, "options: type of the option 'colour' is a list, expected str"),
        ({"options": option(secret=None)}, "options: secret of the option 'colour' is a NoneType"),
        ({"options": option() + option()}, "options: 'colour' occurs twice"),
        ({"options": option(name="port")}, "options: 'port' is an option of coodie-core"),
        ({"options": option(name="ssl_cert")}, "options: 'ssl_cert' is an option of coodie-core"),
        ({"options": option(name="lazy")}, "options: 'lazy' is an option of coodie-core"),
        ({"connection_fields": "port"}, "connection_fields is a str, expected a frozenset of str"),
        ({"connection_fields": frozenset({3})}, "connection_fields holds a int, expected"),
        ({"capabilities": None}, "capabilities is a NoneType, expected a frozenset of Capability"),
        ({"capabilities": {"TLS"}}, "capabilities holds a str, expected"),
        ({"needs": "acme-client"}, "needs is a str, expected a tuple of str; a tuple of one has a comma"),
        ({"needs": (3,)}, "needs holds a int, expected a tuple of str"),
        ({"needs": None}, "needs is a NoneType, expected a tuple of str"),
    ],
)
def test_field_that_is_not_what_it_has_to_be(fields: dict[str, Any], said: str) -> None:
    """It is the backend's fault, which the error names with the field."""
    host = host_of(acme=Describing(**fields))
    for call in (host.described, host.check, host.open):
        with pytest.raises(NotADriverError) as caught:
            call(config_for())
        assert f"The DriverDescription of dist-acme 1.0 is invalid: {said}" in str(caught.value)
        assert (caught.value.driver_type, caught.value.distribution) == ("acme", "dist-acme")
    assert host.descriptions() == {}


def test_lists_and_sets_will_do() -> None:
    """What holds the right things may be another collection."""
    fields: dict[str, Any] = {
        "options": list(option()),
        "connection_fields": {"hosts"},
        "capabilities": {Capability.TLS},
        "needs": [],
    }
    host_of(acme=Describing(**fields)).open(config_for(hosts=["a"], colour="blue"))


def test_a_wrong_description_disturbs_no_other_backend() -> None:
    """The refusals of others, which name who has a capability, stay what they are."""
    registry = registry_of(acme=Describing(capabilities=None), other=Describing())
    with using_registry(registry):
        with pytest.raises(NotADriverError):
            registry.plugins.open(config_for())
        with pytest.raises(ConfigurationError, match="driver_type='other' doesn't support") as caught:
            registry.plugins.open(config_for("other", compression="lz4"))
    assert "scylla" in str(caught.value)
