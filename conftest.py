"""What holds for all tests: which of them need a server, and whose module a name is.

With ``--import-mode=importlib`` the file ``coodie_scylla/tests/test_x.py`` becomes the module
``coodie_scylla.tests.test_x``; without the package imported by then, pytest would put the directory there.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterable

for _name in ("coodie_scylla", "coodie_cassandra", "coodie_local"):
    _spec = importlib.util.find_spec(_name)
    if _spec is not None and _spec.origin is not None:  # without an origin it is the directory
        importlib.import_module(_name)


@pytest.hookimpl(tryfirst=True)  # before -m selects
def pytest_collection_modifyitems(items: Iterable[pytest.Item]) -> None:
    """Mark the tests that use the session's Cassandra."""
    for item in items:
        if "cassandra_node" in getattr(item, "fixturenames", ()):
            item.add_marker("server")
