"""What editors complete for the functions that open a driver is what they take."""

from __future__ import annotations

import inspect

import pytest

import coodie
from coodie.options.declarations import OPTIONS
from coodie.options.keywords import ConnectOptions, OpenAsyncOptions, OpenOptions

#: Set by core, or part of a URL.
_ELSEWHERE = {"url", "driver_type", "hosts", "session"}

_OPTIONS = {name for name, option in OPTIONS.items() if option.for_connections} | {"profiles"}


@pytest.mark.parametrize(
    ("function", "keywords"),
    [
        (coodie.init_coodie, OpenOptions),
        (coodie.init_coodie_async, OpenAsyncOptions),
        (coodie.connect, ConnectOptions),
        (coodie.connect_async, ConnectOptions),
    ],
)
def test_each_option_is_a_keyword(function: object, keywords: type) -> None:
    """Each option of connections is a parameter or a declared keyword argument, and never both."""
    assert callable(function)
    parameters = set(inspect.signature(function).parameters) - {"kwargs", "options"}
    declared = set(keywords.__annotations__)
    assert not parameters & declared
    assert (parameters | declared) - _ELSEWHERE == _OPTIONS - _ELSEWHERE
