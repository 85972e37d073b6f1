"""Every signature of the published page, to the letter."""

from __future__ import annotations

import importlib
import inspect
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import coodie
from coodie import drivers, exceptions

#: The published page, as it was given.
PAGE = (Path(__file__).parent / "drivers_api.txt").read_text(encoding="utf-8")

#: Return annotations that promise more than the page does → what the page says.
NARROWER = {
    "Driver": "AbstractDriver",
    "Rows": "list[dict[str, Any]]",
    "Rows[Any]": "list[dict[str, Any]]",
    "SyncResult": "list[str]",
}

#: Annotations of parameters that take more than the page says → what the page says.
WIDER = {
    "Params": "list[Any]",
    "Sequence[Any]": "list[Any]",
    "Iterable[Any]": "list[Any]",
    "Mapping[str, Any] | None": "dict[str, Any] | None",
    "bytes | str | None": "bytes | None",
    "DriverLike": "AbstractDriver",
}

_ENTRY = re.compile(
    r"^(?P<marks>(?:(?:abstractmethod|async|class) )*)(?P<name>[\w.]+)\((?P<parameters>.*)\) (?P<returns>.+)$"
)
_CLASS = re.compile(r"^class (?P<name>[\w.]+?)(?:\((?P<parameters>.*)\))?$")


@dataclass(frozen=True)
class Entry:
    """A signature of the page."""

    #: The dotted name of the class or module it belongs to, and its own.
    owner: str
    name: str
    #: (name, kind's prefix, annotation, default) of each parameter, as text.
    parameters: tuple[tuple[str, str, str | None, str | None], ...]
    returns: str | None
    is_async: bool
    is_abstract: bool

    def __str__(self) -> str:
        return f"{self.owner}.{self.name}"


def _parameters(text: str) -> tuple[tuple[str, str, str | None, str | None], ...]:
    """Split "a: int, b: dict[str, Any] = None, **c: Any" at the commas outside brackets."""
    parts, depth, start = [], 0, 0
    for position, letter in enumerate(text + ","):
        depth += (letter in "[(") - (letter in "])")
        if letter == "," and not depth:
            parts.append(text[start:position].strip())
            start = position + 1
    found = []
    for part in filter(None, parts):
        head, _, default = part.partition(" = ")
        name, _, annotation = head.partition(": ")
        plain = name.lstrip("*")
        found.append((plain, name.removesuffix(plain), annotation or None, default or None))
    return tuple(found)


def _entries() -> list[Entry]:
    """Read the page."""
    found: list[Entry] = []
    owner = ""
    for line in PAGE.splitlines():
        if (match := _CLASS.match(line)) is not None:
            owner = match["name"]
            if match["parameters"] is not None:
                found.append(Entry(owner, "__init__", _parameters(match["parameters"]), None, False, False))
        elif (match := _ENTRY.match(line)) is not None:
            module, _, name = match["name"].rpartition(".")
            found.append(
                Entry(
                    module or owner,
                    name,
                    _parameters(match["parameters"]),
                    match["returns"],
                    "async " in match["marks"],
                    "abstractmethod " in match["marks"],
                )
            )
    return found


ENTRIES = _entries()


def _import(dotted: str) -> Any:
    """Import a module, or a class out of one."""
    try:
        return importlib.import_module(dotted)
    except ModuleNotFoundError:
        module, _, name = dotted.rpartition(".")
        return getattr(importlib.import_module(module), name)


def test_the_page_was_read() -> None:
    """Nothing of the page is overlooked: each line with a signature is an entry."""
    lines = [
        line
        for line in PAGE.splitlines()
        if re.search(r"\w\(\w+: ", line) or re.search(r"\w\(\) None$", line)
    ]
    assert len(ENTRIES) == len(lines) == 36
    counts: dict[str, int] = {}
    for entry in ENTRIES:
        counts[entry.owner] = counts.get(entry.owner, 0) + 1
    assert counts == {
        "coodie.drivers.AbstractDriver": 8,
        "coodie.drivers.LazyDriver": 7,
        "coodie.drivers": 4,
        "coodie.drivers.base.AbstractDriver": 8,
        "coodie.drivers.cassandra.CassandraDriver": 9,
    }


def test_parameters_were_read() -> None:
    """Names, annotations and defaults of the longest signatures are read as they stand on the page."""
    by_name = {str(entry): entry for entry in ENTRIES}
    assert [name for name, *_ in by_name["coodie.drivers.init_coodie"].parameters] == [
        "hosts",
        "session",
        "keyspace",
        "driver_type",
        "name",
        "ssl_context",
        "lazy",
        "compression",
        "speculative_execution_policy",
        "kwargs",
    ]
    assert by_name["coodie.drivers.init_coodie"].parameters[3] == ("driver_type", "", "str", "'scylla'")
    assert by_name["coodie.drivers.init_coodie"].parameters[-1] == ("kwargs", "**", "Any", None)
    assert len(by_name["coodie.drivers.init_coodie_async"].parameters) == 12


@pytest.mark.parametrize("entry", ENTRIES, ids=str)
def test_signature(entry: Entry) -> None:
    """Names, order and defaults are the page's; types may take and promise more, and keywords may follow."""
    function = getattr(_import(entry.owner), entry.name)
    assert inspect.iscoroutinefunction(function) is entry.is_async
    assert getattr(function, "__isabstractmethod__", False) is entry.is_abstract
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    if inspect.isclass(_import(entry.owner)):
        assert parameters.pop(0).name == "self"
    beyond = [p for p in parameters if p.kind is p.KEYWORD_ONLY]
    prefixes: dict[Any, str] = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
    found = [p for p in parameters if p not in beyond]
    assert [p.name for p in found] == [name for name, *_ in entry.parameters]
    for p, (_, prefix, annotation, default) in zip(found, entry.parameters, strict=True):
        assert prefixes.get(p.kind, "") == prefix
        has = None if p.annotation is p.empty else p.annotation.replace('"', "'")
        assert annotation in {has, WIDER.get(str(has), has)}
        # A parameter that has to be given may get a default.
        assert default in {None, repr(p.default)}
    assert all(p.kind is not p.POSITIONAL_ONLY for p in parameters)
    assert all(p.default is not p.empty for p in beyond), "what is added can be left out"
    if entry.returns is not None:
        assert NARROWER.get(signature.return_annotation, signature.return_annotation) == entry.returns


@pytest.mark.parametrize("cls", ["AbstractDriver", "LazyDriver", "cassandra.CassandraDriver"])
def test_bases_and_flag(cls: str) -> None:
    """Each class is an AbstractDriver whose rows need no validation."""
    found = _import(f"coodie.drivers.{cls}")
    assert issubclass(found, drivers.AbstractDriver)
    assert found.needs_row_validation is False
    assert f"class coodie.drivers.{cls}" in PAGE


def test_exports() -> None:
    """coodie.drivers exports the six names of the page, and coodie the everyday ones."""
    six = {
        "AbstractDriver",
        "LazyDriver",
        "get_driver",
        "init_coodie",
        "init_coodie_async",
        "register_driver",
    }
    assert set(drivers.__all__) == six | {"Driver"}
    everyday = six | {
        "BatchType",
        "CoodieError",
        "Driver",
        "RequestOptions",
        "RequestProfile",
        "Rows",
        "UNSET",
    }
    everyday |= {
        "Codec",
        "ColumnDefinition",
        "Credentials",
        "__version__",
        "connect",
        "connect_async",
        "load_config",
    }
    everyday |= {name for name in coodie.__all__ if hasattr(exceptions, name)}
    assert set(coodie.__all__) == everyday
    assert all(getattr(coodie, name) is getattr(drivers, name) for name in six)
    assert importlib.import_module("coodie.drivers.base").AbstractDriver is drivers.AbstractDriver


@pytest.mark.parametrize("name", ["get_driver", "init_coodie", "init_coodie_async", "register_driver"])
def test_functions_know_where_they_are_imported_from(name: str) -> None:
    """help() and tracebacks name the module that users import from."""
    assert getattr(drivers, name).__module__ == "coodie.drivers"


DOCUMENTED = [
    member
    for owner in (drivers.AbstractDriver, drivers.LazyDriver)
    for name, member in vars(owner).items()
    if inspect.isfunction(member) and not name.startswith("_")
] + [getattr(drivers, name) for name in drivers.__all__]


@pytest.mark.parametrize("member", DOCUMENTED, ids=lambda member: member.__qualname__)
def test_documented(member: Any) -> None:
    """What users call has a docstring."""
    assert inspect.getdoc(member)
