"""A test in a network namespace of its own, where nodes can be kept from hearing each other."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["deafen", "is_inside", "run_inside"]

_INSIDE = "COODIE_TEST_NAMESPACE"
_ENTER = ("unshare", "--map-root-user", "--net", "sh", "-ec")
#: The address rules come first; by default the table of the machine's own addresses does.
_PREPARE = "ip link set lo up; ip rule add pref 100 lookup local; ip rule del pref 0"


def is_inside() -> bool:
    """Tell whether this process is in such a namespace."""
    return _INSIDE in os.environ


def run_inside(
    request: pytest.FixtureRequest, directory: Path, record_property: Callable[[str, object], None]
) -> None:
    """Run the test that calls this again, in a namespace, and record what it records.

    Args:
        request: The test's.
        directory: For its report.
        record_property: The fixture.
    """
    for program, package in (("unshare", "util-linux"), ("ip", "iproute2")):
        if shutil.which(program) is None:
            pytest.skip(f"it needs {program}: apt install {package}")
    tried = subprocess.run([*_ENTER, _PREPARE], capture_output=True, text=True, check=False)
    if tried.returncode:
        pytest.skip(f"no network namespaces for this user: {tried.stderr.strip()}")
    report = directory / "report.xml"
    again = [
        Path(sys.executable).with_name("pytest"),
        request.node.nodeid,
        f"--junit-xml={report}",
        "-p",
        "no:cacheprovider",
    ]
    environment = {name: value for name, value in os.environ.items() if name != "COODIE_TEST_NODES"}
    result = subprocess.run(
        [*_ENTER, f'{_PREPARE}; exec "$@"', "sh", *again],
        cwd=request.config.rootpath,
        env=environment | {_INSIDE: "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-20_000:] + result.stderr[-5000:]
    for entry in ET.parse(report).getroot().iter("property"):  # noqa: S314 - our own pytest wrote it
        record_property(entry.get("name", ""), entry.get("value", ""))


def deafen(hosts: Sequence[str], port: int, *, deaf: bool) -> None:
    """Drop what other nodes send to these, or let it through again.

    Nodes send from an address that they share, so that a node can be kept from hearing, not from being heard:
    each connection between nodes carries the messages of the one that opened it.

    Args:
        hosts: Their addresses.
        port: At which they listen for other nodes.
        deaf: Whether to drop it.
    """
    for host in hosts:
        rule = ["to", host, "ipproto", "tcp", "dport", str(port), "blackhole"]
        subprocess.run(["ip", "rule", "add" if deaf else "del", "pref", "10", *rule], check=True)  # noqa: S607 - in a namespace of our own
