"""The pytest plug-in: a real Cassandra for a test session, which also ends if pytest is killed.

Every pytest run in an environment with coodie-local imports this module, so fixtures and hooks import other
modules lazily.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coodie.contract.driver import AbstractDriver
    from coodie_local._pytest_servers import ServerPool
    from coodie_local.testserver import CassandraServer

__all__ = ["cassandra_driver", "cassandra_driver_async", "cassandra_keyspace", "cassandra_node"]

_OPTION = "--coodie-local"
_VERSION_OPTION = "--cassandra-version"
_MARK = "cassandra"
_MARK_HELP = (
    "cassandra(nodes=1, profile='ephemeral', version=None, tls=False, mtls=False, auth=False, "
    "heap=None): "
    "the settings of the Cassandra of the fixtures cassandra_node, cassandra_keyspace and cassandra_driver"
)
_HOST_KEY = pytest.StashKey[Any]()
_POOL_KEY = pytest.StashKey["ServerPool"]()
#: The key of the owner's socket in pytest-xdist's workerinput.
_INPUT = "coodie_local_host"
_LONGEST_NAME = 48


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options --coodie-local and --cassandra-version."""
    group = parser.getgroup("coodie-local", "coodie-local: a real Cassandra for tests")
    group.addoption(
        _OPTION,
        metavar="NAME",
        dest="coodie_local",
        help="use the running local node or cluster of this name instead of starting one",
    )
    group.addoption(
        _VERSION_OPTION,
        metavar="VERSION",
        dest="cassandra_version",
        help="the version of Cassandra, such as 4.1.10, for tests without a version in their mark",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark, and validate the version."""
    config.addinivalue_line("markers", _MARK_HELP)
    version = config.getoption("cassandra_version")
    if version is not None:
        _check_version(version)


def _check_version(version: str) -> None:
    """Raise pytest.UsageError if this version of Cassandra can't be started."""
    import os

    from coodie.exceptions import CoodieError
    from coodie_local._installation import find_recipe

    try:
        find_recipe(version)
    except CoodieError as error:
        msg = f"{_VERSION_OPTION}={version}: {error}"
        raise pytest.UsageError(msg) from error
    if os.environ.get("COODIE_HOSTS"):
        msg = f"{_VERSION_OPTION}={version} can't be used with COODIE_HOSTS, the address of a server."
        raise pytest.UsageError(msg)


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop the clusters that workers requested."""
    host = config.stash.get(_HOST_KEY, None)
    if host is not None:
        host.close()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Pass the socket of this process, which owns the clusters, to a pytest-xdist worker."""
    import socket

    if not hasattr(socket, "AF_UNIX"):  # Windows: each worker starts its own clusters
        return
    config = node.config
    if _HOST_KEY not in config.stash:
        from coodie_local._pytest_servers import ClusterHost

        config.stash[_HOST_KEY] = ClusterHost()
    node.workerinput[_INPUT] = config.stash[_HOST_KEY].address


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Parametrize a marked test with the Cassandra of its mark."""
    marks = [(mark.args, mark.kwargs) for mark in metafunc.definition.iter_markers(_MARK)]
    if not marks:
        return
    from coodie_local.testserver import merge_settings

    try:
        settings = merge_settings(marks)
    except ValueError as error:
        pytest.fail(f"{metafunc.definition.nodeid}: {error}", pytrace=False)
    if "cassandra_node" not in metafunc.fixturenames:
        pytest.fail(
            f"{metafunc.definition.nodeid}: @pytest.mark.cassandra requires the fixture "
            "cassandra_node, cassandra_keyspace or cassandra_driver",
            pytrace=False,
        )
    metafunc.parametrize("cassandra_node", [settings], indirect=True, ids=[str(settings)], scope="session")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Restart dead nodes of the test run, so that later tests have a server."""
    pool = item.config.stash.get(_POOL_KEY, None)
    if pool is not None and "cassandra_node" in getattr(item, "fixturenames", ()):
        pool.restart_dead()


@pytest.fixture(scope="session")
def _cassandra_servers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServerPool]:
    """Return the session's servers."""
    from coodie_local._pytest_servers import ServerPool

    config = request.config
    host = getattr(config, "workerinput", {}).get(_INPUT)
    names = config.getoption("coodie_local"), config.getoption("cassandra_version")
    with ServerPool(tmp_path_factory, *names, host) as pool:
        config.stash[_POOL_KEY] = pool
        yield pool
        del config.stash[_POOL_KEY]


@pytest.fixture(scope="session")
def cassandra_node(request: pytest.FixtureRequest, _cassandra_servers: ServerPool) -> CassandraServer:
    """Return a Cassandra server that all tests of the session share.

    By default, it is an ephemeral local node; ``@pytest.mark.cassandra`` and ``--cassandra-version`` change
    its settings. ``--coodie-local`` selects a running node, the environment variables COODIE_HOSTS and
    COODIE_PORT another server. Use different keyspaces and keys in each test. A large schema makes
    connecting slow: drop keyspaces that you create, as the fixture cassandra_keyspace does.
    """
    return _cassandra_servers.get(getattr(request, "param", None))


@pytest.fixture(scope="module")
def cassandra_keyspace(
    request: pytest.FixtureRequest, cassandra_node: CassandraServer, _cassandra_servers: ServerPool
) -> Iterator[str]:
    """Create a keyspace for the test module, one per pytest-xdist worker; return its name."""
    import re
    import uuid

    plain = re.sub(r"\W", "_", request.path.stem.lower(), flags=re.ASCII)
    name = f"{plain[: _LONGEST_NAME - 13]}_{uuid.uuid4().hex[:8]}"
    name = name if name[0].isalpha() else f"test{name}"
    cassandra_node.create_keyspace(name)
    yield name
    _cassandra_servers.restart_dead()
    cassandra_node.drop_keyspace(name)


@pytest.fixture(scope="module")
def cassandra_driver(cassandra_node: CassandraServer, cassandra_keyspace: str) -> Iterator[AbstractDriver]:
    """Connect with the installed backend and the module's keyspace; the driver isn't registered.

    Each method has an async version, ``…_async``, for any event loop.
    """
    from coodie.options.connection import build_config
    from coodie.registry.registry import open_driver
    from coodie_local._backends import choose_backend

    config = build_config(
        driver_type=choose_backend(None),
        keyspace=cassandra_keyspace,
        request_timeout=20.0,
        **cassandra_node.connection_options(),
    )
    driver = open_driver(config)
    yield driver
    driver.close()


@pytest.fixture(scope="module")
def cassandra_driver_async(cassandra_driver: AbstractDriver) -> AbstractDriver:
    """Return ``cassandra_driver`` for async tests; one driver supports sync and async calls."""
    return cassandra_driver
