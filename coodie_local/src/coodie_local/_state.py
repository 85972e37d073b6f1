"""What a running node's directory tells other processes: where it listens and who it is."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from coodie_local._plan import PROFILES, Ports, Profile

__all__ = ["NodeState", "is_process_of", "read_state", "write_state"]

_FILE = "node.json"


@dataclass(frozen=True, slots=True)
class NodeState:
    """The last start of a node, as its directory remembers it.

    It says nothing about whether the node lives: the lock of the directory does.
    """

    pid: int
    host: str
    ports: Ports
    profile: Profile
    version: str
    data: Path
    ready: bool


def write_state(directory: Path, state: NodeState) -> None:
    """Write a node's state in one step; only the holder of the directory's lock may."""
    draft = directory / f"{_FILE}.new"
    draft.write_text(json.dumps(asdict(state) | {"data": str(state.data)}, indent=1) + "\n", encoding="utf-8")
    draft.replace(directory / _FILE)


def read_state(directory: Path) -> NodeState | None:
    """Read a node's state.

    Returns:
        The state, or None where there is none that this version can read.
    """
    try:
        found = json.loads((directory / _FILE).read_text(encoding="utf-8"))
        if found["profile"] not in PROFILES:
            return None
        return NodeState(
            pid=int(found["pid"]),
            host=str(found["host"]),
            ports=Ports(**found["ports"]),
            profile=cast("Profile", found["profile"]),
            version=str(found["version"]),
            data=Path(found["data"]),
            ready=bool(found["ready"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_process_of(pid: int, directory: Path) -> bool:
    """Say whether a process is the JVM of the node in a directory, and not one that got its number later.

    Args:
        pid: The process id.
        directory: The node's own directory.
    """
    if sys.platform.startswith("linux"):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return False
        return os.fsencode(f"-Dcoodie.directory={directory}") in command.split(b"\0")
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return True
