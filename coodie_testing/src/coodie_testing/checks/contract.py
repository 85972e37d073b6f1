"""Checks of the contract: methods, signatures and attributes."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import pytest

from coodie.capabilities import Capability
from coodie.contract.driver import AbstractDriver
from coodie.exceptions import ConfigurationError
from coodie.options.request_options import RequestOptions
from coodie.registry.registry import current_registry, open_driver
from coodie_testing.checking import check

if TYPE_CHECKING:
    from coodie_testing.api import Api
    from coodie_testing.suite import Server
    from coodie_testing.workspace import Workspace

__all__ = ["ContractChecks"]


def _assert_signature(driver: object, name: str) -> None:
    """Check that a method accepts the contract's arguments, and has its defaults."""
    of_contract = inspect.signature(getattr(AbstractDriver, name))
    wanted = [parameter for parameter in of_contract.parameters.values() if parameter.name != "self"]
    found = inspect.signature(getattr(driver, name))
    by_position = [each for each in wanted if each.kind is each.POSITIONAL_OR_KEYWORD]
    found.bind(*(None for _ in by_position))
    found.bind(**{each.name: None for each in wanted})
    found.bind(*(None for each in by_position if each.default is each.empty))
    named = [each for each in found.parameters.values() if each.kind is each.POSITIONAL_OR_KEYWORD]
    for mine, theirs in zip(by_position, named, strict=False):
        assert mine.name == theirs.name, f"{name}: {theirs.name!r} stands where {mine.name!r} belongs"
    for each in wanted:
        # What the contract requires may have a default.
        if each.name in found.parameters and each.default is not each.empty:
            default = found.parameters[each.name].default
            assert default == each.default, f"{name}: the default of {each.name} is {default!r}"


class ContractChecks:
    """Signatures and attributes."""

    @check()
    def test_it_is_an_abstract_driver(self, driver: Any) -> None:
        """The driver's class is a subclass of AbstractDriver."""
        assert isinstance(driver, AbstractDriver)

    @check()
    async def test_execute_has_its_signature(self, api: Api) -> None:
        """The published arguments of execute are accepted by position and by name, with their defaults."""
        _assert_signature(api.driver, api.name_of("execute"))

    @check()
    async def test_execute_one_has_its_signature(self, api: Api) -> None:
        """execute_one accepts the published arguments, with the published defaults."""
        _assert_signature(api.driver, api.name_of("execute_one"))

    @check()
    async def test_sync_table_has_its_signature(self, api: Api) -> None:
        """sync_table accepts the published arguments, with the published defaults."""
        _assert_signature(api.driver, api.name_of("sync_table"))

    @check()
    async def test_close_has_its_signature(self, api: Api) -> None:
        """No arguments are required by close."""
        _assert_signature(api.driver, api.name_of("close"))

    @check()
    async def test_what_core_adds_has_its_signature(self, api: Api) -> None:
        """An overridden method accepts the arguments of the method that it overrides."""
        for name in ("stream", "execute_many", "execute_batch", "ping"):
            _assert_signature(api.driver, api.name_of(name))

    @check()
    async def test_async_methods_are_coroutine_functions(self, api: Api) -> None:
        """Async methods are coroutine functions; sync methods aren't."""
        for name in (
            "execute",
            "execute_one",
            "sync_table",
            "close",
            "execute_many",
            "execute_batch",
            "ping",
        ):
            assert inspect.iscoroutinefunction(api.method(name)) is api.is_async, name

    @check()
    async def test_arguments_by_position(self, api: Api, space: Workspace, key: str) -> None:
        """All six arguments of execute can be passed by position."""
        rows = await api.execute(f"SELECT v FROM {space.items} WHERE p = ?", [key], None, None, None, None)
        assert rows == []
        assert await api.execute_one(f"SELECT v FROM {space.items} WHERE p = ?", [key], None, None) is None

    @check()
    async def test_arguments_by_name(self, api: Api, space: Workspace, key: str) -> None:
        """All arguments of execute can be passed by name."""
        rows = await api.execute(
            stmt=f"SELECT v FROM {space.items} WHERE p = ?",
            params=[key],
            consistency=None,
            timeout=None,
            fetch_size=None,
            paging_state=None,
            options=None,
        )
        assert rows == []

    @check()
    async def test_default_options_change_nothing(self, api: Api, space: Workspace, key: str) -> None:
        """RequestOptions() has the same effect as no options."""
        stmt = f"SELECT v FROM {space.items} WHERE p = ?"
        assert await api.execute(stmt, [key], options=RequestOptions()) == []
        assert await api.execute_one(stmt, [key], options=RequestOptions(idempotent=True)) is None

    @check()
    def test_capabilities_are_a_frozen_set(self, driver: Any) -> None:
        """The capabilities are a frozenset of Capability, the same on the class and the object."""
        assert isinstance(driver.capabilities, frozenset)
        assert all(isinstance(each, Capability) for each in driver.capabilities)

    @check()
    def test_the_description_has_the_capabilities(self, driver: Any) -> None:
        """The plug-in's description declares the same capabilities as the driver."""
        declared = current_registry().loaded_capabilities().get(getattr(self, "driver_type", None) or "")
        if declared is None:
            pytest.skip("the suite's drivers aren't opened by a plug-in")
        assert declared == driver.capabilities

    @check()
    def test_facts_are_texts(self, server: Server) -> None:
        """The plug-in's facts of an open driver and of the installed packages are texts by name."""
        suite: Any = self
        if suite.driver_type is None:
            pytest.skip("the suite's drivers aren't opened by a plug-in")
        config = suite._config(server, {})
        plugins = current_registry().plugins
        try:
            opened = open_driver(config)
        except ConfigurationError as exc:
            pytest.skip(f"the suite opens its drivers with options of its own: {exc}")
        try:
            facts = [*plugins.inspect(config, opened).items(), *plugins.inspect(config, None).items()]
        finally:
            opened.close()
        for fact in facts:
            assert all(isinstance(text, str) and text for text in fact), fact

    @check()
    def test_needs_row_validation_is_a_bool(self, driver: Any) -> None:
        """needs_row_validation is a bool."""
        assert isinstance(driver.needs_row_validation, bool)

    @check()
    async def test_repr_tells_no_secret(self, api: Api) -> None:
        """The driver's repr is one line, without a password."""
        shown = repr(api.driver)
        assert "\n" not in shown
        assert "password" not in shown.lower()

    @check()
    def test_the_default_keyspace_can_be_read(self, driver: Any) -> None:
        """The default keyspace that object mappers read is a str or None."""
        assert isinstance(getattr(driver, "_default_keyspace", None), str | None)

    @check()
    async def test_ping_says_true(self, api: Api) -> None:
        """The result of ping is True if the server responds."""
        assert await api.ping() is True
        assert await api.ping(timeout=10) is True
