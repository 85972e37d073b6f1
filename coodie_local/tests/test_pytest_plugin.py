"""The fixture that our own and other people's suites use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from coodie_local._native import is_ready

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SUITE = """
import os, sys
from coodie_local._native import is_ready

def test_one(cassandra_node):
    print("address", cassandra_node.host, cassandra_node.port)
    assert os.environ.get("COODIE_HOSTS") or is_ready(cassandra_node.host, cassandra_node.port)

def test_two(cassandra_node):
    print("address", cassandra_node.host, cassandra_node.port)
"""
RUN = (
    "import sys, pytest\n"
    "sys.exit(pytest.main(['-sq', '-p', 'no:cacheprovider', '-p', 'no:asyncio', '--rootdir', sys.argv[1],\n"
    "                      '--basetemp', sys.argv[1] + '/base', sys.argv[1]]))"
)


def run_suite(python: Callable[..., Any], directory: Path, **environment: str) -> list[str]:
    """Run the suite in a process of its own; return the addresses that its tests saw."""
    (directory / "test_suite.py").write_text(SUITE, encoding="utf-8")
    process = python(RUN, directory, **environment)
    output, errors = process.communicate(timeout=100)
    assert process.returncode == 0, output + errors
    return [line.partition("address ")[2] for line in output.splitlines() if "address " in line]


@pytest.mark.server
def test_a_session_has_one_node_which_ends_with_it(
    python: Callable[..., Any], tmp_path: Path, jvms: Callable[[Path], list[int]]
) -> None:
    """Installing the distribution is enough: tests name the fixture, share a node, and leave no process."""
    addresses = run_suite(python, tmp_path, COODIE_HOSTS="")
    assert len(addresses) == 2
    assert len(set(addresses)) == 1
    assert addresses[0].startswith("127.0.0.1 ")
    assert jvms(tmp_path) == []


def test_a_server_of_ones_own_is_used_instead(python: Callable[..., Any], tmp_path: Path) -> None:
    """COODIE_HOSTS and COODIE_PORT name it, and no node is started."""
    assert (
        run_suite(python, tmp_path, COODIE_HOSTS="192.0.2.1", COODIE_PORT="19042") == ["192.0.2.1 19042"] * 2
    )
    assert not (tmp_path / "base").exists()


@pytest.mark.server
def test_this_suites_node_answers(cassandra_node: Any) -> None:
    """The fixture's address is that of a server which answers CQL."""
    assert is_ready(cassandra_node.host, cassandra_node.port)
