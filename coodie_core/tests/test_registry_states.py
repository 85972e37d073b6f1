"""The registry against a model of it, through any sequence of what may be done to it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from coodie_core.tests.fakes import Backend, MemoryDriver, registry_of
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from coodie import LazyDriver, get_driver, init_coodie, load_config, register_driver
from coodie.exceptions import ConfigurationError
from coodie.registry import using_registry
from coodie_testing.children import in_a_child

if TYPE_CHECKING:
    from coodie.drivers import AbstractDriver

pytestmark = [pytest.mark.extended, pytest.mark.timeout(600)]

NAMES = st.sampled_from(["default", "a", "b", "c"])


@dataclass
class Entry:
    """What is under a name."""

    driver: AbstractDriver
    owned: bool
    declared: bool = False


def is_open(driver: Any) -> bool:
    """Tell whether nobody has closed a driver."""
    return not (driver.closed if isinstance(driver, LazyDriver) else driver.closings)


class RegistryMachine(RuleBasedStateMachine):
    """Drivers under four names."""

    drivers = Bundle("drivers")

    @initialize()
    def begin(self) -> None:
        """Begin with nothing."""
        self.stack = ExitStack()
        self.registry = self.stack.enter_context(using_registry(registry_of(memory=Backend())))
        self.directory = Path(self.stack.enter_context(TemporaryDirectory()))
        self.entries: dict[str, Entry] = {}
        self.declared: set[str] = set()
        self.default: str | None = None
        #: Each driver, and whether it has to be open.
        self.known: dict[int, tuple[AbstractDriver, bool]] = {}
        self.closed_by_caller: set[int] = set()

    def teardown(self) -> None:
        """Restore the registry."""
        self.stack.close()

    # --- the model ------------------------------------------------------------------------

    def put(self, name: str, entry: Entry, *, default: bool) -> None:
        """Put an entry; close what it replaces, where that is the registry's and under no other name."""
        old = self.entries.get(name)
        self.entries[name] = entry
        if default or self.default is None:
            self.default = name
        self.known.setdefault(id(entry.driver), (entry.driver, True))
        if (
            old is not None
            and old.owned
            and all(each.driver is not old.driver for each in self.entries.values())
        ):
            self.known[id(old.driver)] = old.driver, False

    def expected(self, name: str | None) -> Entry | None:
        """Return what a name stands for; None where a configured driver is to be made."""
        entry = self.entries.get(self.default if name is None else name)  # type: ignore[arg-type]  # None is no key
        return None if entry is None or (entry.declared and not is_open(entry.driver)) else entry

    # --- what is done ---------------------------------------------------------------------

    @rule(target=drivers, name=NAMES)
    def open(self, name: str) -> AbstractDriver:
        """Open one, which is the registry's."""
        driver = init_coodie(["h"], driver_type="memory", name=name)
        self.put(name, Entry(driver, owned=True), default=name == "default")
        return driver

    @rule(target=drivers, name=NAMES, default=st.booleans())
    def register_new(self, name: str, default: bool) -> AbstractDriver:
        """Register one of the caller's."""
        driver = MemoryDriver()
        register_driver(name, driver, default=default)
        self.put(name, Entry(driver, owned=False), default=default)
        return driver

    @rule(name=NAMES, driver=drivers, default=st.booleans())
    def register_again(self, name: str, driver: AbstractDriver, default: bool) -> None:
        """Register one that was there before, under any name."""
        register_driver(name, driver, default=default)
        self.put(name, Entry(driver, owned=False), default=default)

    @rule(driver=drivers)
    def close(self, driver: AbstractDriver) -> None:
        """Close one, whosever it is: a second time does nothing to a driver, but a fake counts it."""
        if is_open(driver):
            driver.close()
            self.closed_by_caller.add(id(driver))
            self.known[id(driver)] = driver, False

    @rule(names=st.lists(NAMES, unique=True, min_size=1), default=st.booleans())
    def configure(self, names: list[str], default: bool) -> None:
        """Read a configuration file with these connections."""
        tables = [f'[connections.{name}]\ndriver = "memory"\nhosts = ["h"]' for name in names]
        head = [f'default = "{names[-1]}"'] if default else []
        path = self.directory / "coodie.toml"
        path.write_text("\n".join([*head, *tables]))
        load_config(path)
        self.declared = set(names)
        if self.default is None:
            first = "default" if "default" in names else names[0]
            self.default = names[-1] if default else first

    @rule(target=drivers, name=st.none() | NAMES)
    def get(self, name: str | None) -> Any:
        """Ask for one; a configured one is made where there is none that is open."""
        entry = self.expected(name)
        if entry is not None:
            assert get_driver(name) is entry.driver
            return multiple()
        wanted = self.default if name is None else name
        old = self.entries.get(wanted)  # type: ignore[arg-type]  # None is no key
        if wanted in self.declared:
            driver = get_driver(name)
            assert isinstance(driver, LazyDriver)
            assert not driver.closed
            self.put(str(wanted), Entry(driver, owned=True, declared=True), default=False)
            return driver
        if old is not None:
            assert get_driver(name) is old.driver
            return multiple()
        with pytest.raises(ConfigurationError):
            get_driver(name)
        return multiple()

    @rule(name=NAMES)
    def close_by_name(self, name: str) -> None:
        """Close what a name stands for; a configured name then stands for a new driver."""
        if name in self.entries or name in self.declared:
            self.get(name)
            self.close(self.entries[name].driver)
            self.get(name)

    @precondition(lambda self: self.entries)
    @rule(name=NAMES, is_lazy=st.booleans())
    def fork(self, name: str, is_lazy: bool) -> None:
        """Replace everything in a child: it closes none of its parent's, and the parent doesn't notice."""
        before = [(driver, is_open(driver)) for driver, _ in self.known.values()]

        def work() -> list[str]:
            for each in self.entries:
                init_coodie(["h"], driver_type="memory", name=each, lazy=is_lazy)
            register_driver(name, MemoryDriver())
            return [repr(driver) for driver, was_open in before if is_open(driver) is not was_open]

        assert in_a_child(work) == "[]"

    # --- what always holds ----------------------------------------------------------------

    @invariant()
    def names_are_in_order(self) -> None:
        """The names are those that were put there, in that order."""
        assert self.registry.names() == tuple(self.entries)

    @invariant()
    def what_is_there_is_found(self) -> None:
        """Each name gives its driver, and None the default one; nothing is made by looking."""
        for name in (*self.entries, None):
            entry = self.expected(name)
            if entry is not None:
                assert get_driver(name) is entry.driver

    @invariant()
    def each_is_closed_as_it_should_be(self) -> None:
        """A driver is open until its owner closes it; the registry closes its own, once."""
        for driver, opened in self.known.values():
            assert is_open(driver) is opened
            if isinstance(driver, MemoryDriver) and id(driver) not in self.closed_by_caller:
                assert driver.closings <= 1


def test_registry() -> None:
    """Through register, adopt, close, get, fork and configure, in any order, it is what the model says."""
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        RegistryMachine,
        settings=settings(max_examples=60, stateful_step_count=25, deadline=None),
    )
