"""What wins where an option stands in several places, through any change of file and environment."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import pytest
from coodie_core.tests.fakes import Backend, host_of
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from coodie.config.loading import find_configuration

pytestmark = [pytest.mark.extended, pytest.mark.timeout(600)]

#: Option → its key's path in the file, and values. A name in the URL is an argument of ``init_coodie``.
OPTIONS: dict[str, tuple[tuple[str, ...], list[Any]]] = {
    "port": (("port",), [1, 9042, 65535]),
    "keyspace": (("keyspace",), ["ks", "Other"]),
    "consistency": (("consistency",), ["ONE", "QUORUM"]),
    "request_timeout": (("request_timeout",), [0.5, 60.0]),
    "colour": (("options", "colour"), ["red", "blue # not a comment", "a&b=c"]),
    "timeout": (("profiles", "reports", "timeout"), [1.0, 2.5]),
}
#: Those that the URL can have.
IN_URL = ("port", "keyspace", "consistency", "request_timeout", "colour")
#: The strongest first.
LAYERS = ("environment", "environment's URL", "file", "file's URL")


class LayersMachine(RuleBasedStateMachine):
    """One connection, whose options stand in four places."""

    @initialize()
    def begin(self) -> None:
        """Begin with a backend alone."""
        self.directory = TemporaryDirectory()
        self.plugins = host_of(memory=Backend())
        self.layers: dict[str, dict[str, Any]] = {name: {} for name in LAYERS}

    def teardown(self) -> None:
        """Remove the file."""
        self.directory.cleanup()

    @rule(layer=st.sampled_from(LAYERS), option=st.sampled_from(list(OPTIONS)), data=st.data())
    def set(self, layer: str, option: str, data: st.DataObject) -> None:
        """Write an option somewhere."""
        if option in IN_URL or "URL" not in layer:
            self.layers[layer][option] = data.draw(st.sampled_from(OPTIONS[option][1]))

    @rule(layer=st.sampled_from(LAYERS), option=st.sampled_from(list(OPTIONS)))
    def unset(self, layer: str, option: str) -> None:
        """Remove it."""
        self.layers[layer].pop(option, None)

    def url(self, layer: str) -> str:
        """Write a layer as a URL."""
        given = dict(self.layers[layer])
        port, keyspace = given.pop("port", None), given.pop("keyspace", "")
        query = "&".join(f"{name}={quote(str(value), safe='')}" for name, value in given.items())
        return f"memory://h{'' if port is None else f':{port}'}/{keyspace}?{query}"

    def text(self) -> str:
        """Write the file."""
        tables: dict[str, list[str]] = {"connections.shop": ['driver = "memory"', 'hosts = ["h"]']}
        if self.layers["file's URL"]:
            tables["connections.shop"] = [f'url = "{self.url(LAYERS[3])}"']
        for option, value in self.layers["file"].items():
            *path, key = OPTIONS[option][0]
            shown = f'"{value}"' if isinstance(value, str) else value
            tables.setdefault(".".join(["connections.shop", *path]), []).append(f"{key} = {shown}")
        return "\n".join(line for table, lines in tables.items() for line in (f"[{table}]", *lines))

    def environ(self) -> dict[str, str]:
        """Write the environment."""
        found = {}
        if self.layers["environment's URL"]:
            found["COODIE__SHOP__URL"] = self.url(LAYERS[1])
        for option, value in self.layers["environment"].items():
            found["__".join(["COODIE", "SHOP", *(part.upper() for part in OPTIONS[option][0])])] = str(value)
        return found

    @invariant()
    def the_strongest_wins(self) -> None:
        """Each option has the value of the strongest place that has one, and none else.

        The port belongs to the hosts: the environment's URL replaces the file's.
        """
        path = Path(self.directory.name, "coodie.toml")
        path.write_text(self.text(), encoding="utf-8")
        shop = find_configuration(path, self.environ()).connections["shop"]
        found = shop.arguments(self.plugins)
        assert found.pop("driver_type") == "memory"
        assert found.pop("hosts") == ["h"]
        found |= found.pop("profiles", {}).get("reports", {})
        expected: dict[str, Any] = {}
        for option in OPTIONS:
            replaced = option == "port" and self.layers["environment's URL"]
            layers = LAYERS[:2] if replaced else LAYERS
            values = [self.layers[layer][option] for layer in layers if option in self.layers[layer]]
            if values:
                expected[option] = values[0]
        assert found == expected


def test_layers() -> None:
    """A variable wins over the file, a key over a URL in the same place; what is removed is gone."""
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        LayersMachine, settings=settings(max_examples=60, stateful_step_count=20, deadline=None)
    )
