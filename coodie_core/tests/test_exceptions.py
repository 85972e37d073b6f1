"""The tree of errors."""

from __future__ import annotations

import builtins
import copy
import inspect
import pickle
import re
from typing import Any

import pytest

from coodie import exceptions
from coodie.exceptions import (
    AlreadyExistsError,
    ConfigurationError,
    ConnectionFailedError,
    CoodieError,
    DriverApiVersionError,
    DriverBlockedError,
    DriverDependencyError,
    DriverNotFoundError,
    DuplicateDriverError,
    ExecuteManyError,
    NotADriverError,
    OverwrittenModuleError,
    ParameterTypeError,
    ReadTimeoutError,
    RequestTimeoutError,
    SchemaError,
    UnavailableError,
    UnsupportedError,
    WriteFailureError,
    WriteTimeoutError,
)
from coodie.rows import ManyResult


def _pickled(error: Any) -> Any:
    """Return what comes out of an error's pickle."""
    return pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes


_LINE = re.compile(r"^ {4}(?P<bars>[│ ]*)(?:[├└]── )?(?P<name>\w+)(?: \((?P<builtin>\w+)\))?")


def _drawn() -> list[tuple[str, str | None, str | None]]:
    """Return (class, parent, builtin) of each line of the tree in the module's docstring."""
    tree = (exceptions.__doc__ or "").partition("::\n\n")[2]
    drawn: list[tuple[str, str | None, str | None]] = []
    path: list[str] = []
    for line in tree.splitlines():
        match = _LINE.match(line)
        if match is None:
            continue
        depth = 0 if not drawn else len(match["bars"]) // 4 + 1
        path[depth:] = [match["name"]]
        drawn.append((match["name"], path[depth - 1] if depth else None, match["builtin"]))
    return drawn


DRAWN = _drawn()
CLASSES = [
    cls
    for cls in vars(exceptions).values()
    if inspect.isclass(cls) and issubclass(cls, CoodieError) and cls.__module__ == exceptions.__name__
]


def test_tree_has_every_class_once() -> None:
    """The tree in the docstring, ``__all__`` and the module hold the same classes."""
    names = sorted(name for name, _, _ in DRAWN)
    assert len(names) > 30
    assert names == sorted(cls.__name__ for cls in CLASSES) == sorted(exceptions.__all__)


@pytest.mark.parametrize(("name", "parent", "builtin"), DRAWN)
def test_tree_is_true(name: str, parent: str | None, builtin: str | None) -> None:
    """Each class has the parent and is the builtin that the docstring draws."""
    cls = getattr(exceptions, name)
    if parent is not None:
        assert getattr(exceptions, parent) in cls.__bases__
    if builtin is not None:
        assert issubclass(cls, getattr(builtins, builtin))


#: An error with all its own attributes set, and the attributes.
FULL: list[tuple[CoodieError, dict[str, Any]]] = [
    (ConfigurationError("m", hint="h", option="port"), {"option": "port"}),
    (
        DriverNotFoundError("m", driver_type="x", installed=("a",)),
        {"installed": ("a",), "option": "driver_type"},
    ),
    (DriverDependencyError("m", distribution="d", missing="n"), {"missing": "n", "distribution": "d"}),
    (DriverApiVersionError("m", declared=(2,), supported=1), {"declared": (2,), "supported": 1}),
    (NotADriverError("m", missing=("close",)), {"missing": ("close",)}),
    (DuplicateDriverError("m", distributions=("a 1", "b 2")), {"distributions": ("a 1", "b 2")}),
    (DriverBlockedError("m", blocked_by="COODIE_BLOCK"), {"blocked_by": "COODIE_BLOCK"}),
    (
        OverwrittenModuleError("m", module="cassandra", distributions=("a", "b")),
        {"module": "cassandra", "distributions": ("a", "b")},
    ),
    (UnsupportedError("m", feature="paging"), {"feature": "paging"}),
    (ConnectionFailedError("m", hosts={"h": "no"}), {"hosts": {"h": "no"}}),
    (
        SchemaError("m", keyspace="k", table="t", executed=("CREATE",)),
        {"keyspace": "k", "table": "t", "executed": ("CREATE",)},
    ),
    (AlreadyExistsError("m", statement="s", keyspace="k", table="t"), {"statement": "s", "table": "t"}),
    (
        ParameterTypeError("m", statement="s", column="c", cql_type="int", value_type="str"),
        {"column": "c", "cql_type": "int", "value_type": "str"},
    ),
    (RequestTimeoutError("m", statement="s", timeout=2.5), {"timeout": 2.5}),
]


@pytest.mark.parametrize(("error", "attributes"), FULL, ids=lambda value: type(value).__name__)
def test_attributes(error: CoodieError, attributes: dict[str, Any]) -> None:
    """What an error was made with can be read from it."""
    assert {name: getattr(error, name) for name in attributes} == attributes


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_message_ends_with_the_hint(cls: type[CoodieError]) -> None:
    """An error's text is its message and then what to do; without a hint the message alone."""
    error = cls("It broke.", hint="Run: mend")
    assert (str(error), error.hint) == ("It broke. Run: mend", "Run: mend")
    assert (str(cls("It broke.")), cls("It broke.").hint) == ("It broke.", None)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("way", [_pickled, copy.copy])
def test_survives_the_way_between_processes(cls: type[CoodieError], way: Any) -> None:
    """An error comes out of a pickle with its class, text, hint and attributes."""
    error = cls("It broke.", hint="Run: mend")
    again = way(error)
    assert type(again) is cls
    assert str(again) == str(error)
    assert again.args == error.args
    assert vars(again) == vars(error)


@pytest.mark.parametrize(("error", "attributes"), FULL, ids=lambda value: type(value).__name__)
def test_attributes_survive_a_pickle(error: CoodieError, attributes: dict[str, Any]) -> None:
    """The attributes of an error are in its pickle, too."""
    again = _pickled(error)
    assert {name: getattr(again, name) for name in attributes} == attributes


@pytest.mark.parametrize(
    "cls",
    [ReadTimeoutError, WriteTimeoutError, UnavailableError, WriteFailureError],
    ids=lambda cls: cls.__name__,
)
def test_counts_of_replicas_are_none_until_set(cls: type[CoodieError]) -> None:
    """An error about replicas can be asked for counts that the server didn't give, and keeps those set."""
    error: Any = cls("m")
    assert (error.consistency, error.required) == (None, None)
    error.required = 2
    assert _pickled(error).required == 2
    assert cls("m").required is None  # type: ignore[attr-defined]


def test_execute_many_error_keeps_its_result() -> None:
    """The result of a failed execute_many survives a pickle."""
    result = ManyResult()
    result.succeeded = 3
    result.errors[1] = ConfigurationError("m")
    again = _pickled(ExecuteManyError("m", result=result))
    assert again.result.total == 4
    assert isinstance(again.result.errors[1], ConfigurationError)


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_the_command_is_the_last_line(cls: type[CoodieError]) -> None:
    """What can be run stands alone on the last line, ready to be copied, and ends the hint, too."""
    error = cls("It broke.", hint="To mend it:", command="mend --all")
    assert (str(error), error.hint) == ("It broke. To mend it:\nmend --all", "To mend it:\nmend --all")
    assert error.command == "mend --all"
    assert str(cls("It broke.", command="mend")) == "It broke. Run:\nmend"
    assert cls("It broke.", hint="Run: mend").command is None


def test_an_unknown_detail_is_refused() -> None:
    """A misspelt attribute is a bug of whoever raises, and shows at once."""
    with pytest.raises(TypeError, match="statment"):
        exceptions.RequestError("x", statment="SELECT")
