"""A stub CQL server for each version of the protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contestants.roles import Target
from ruler import stub

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def stub_program() -> Path:
    """The stub, compiled."""
    try:
        return stub.build()
    except stub.NoCompilerError as exc:
        pytest.skip(str(exc))


@pytest.fixture(scope="session", params=[4, 5], ids=["v4", "v5"])
def protocol(request: pytest.FixtureRequest) -> int:
    """The newest protocol version that the stub speaks."""
    spoken: int = request.param
    return spoken


@pytest.fixture(scope="session")
def target(stub_program: Path, protocol: int) -> Iterator[Target]:
    """Where that stub listens."""
    with stub.running(stub_program, protocol=protocol) as port:
        yield Target("127.0.0.1", port)
