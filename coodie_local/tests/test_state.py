"""Locks, state files and directories."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from coodie.exceptions import ConfigurationError
from coodie_local import StorageError
from coodie_local import _ephemeral_storage as storage
from coodie_local._flock import try_acquire
from coodie_local._jvm import is_process_of
from coodie_local._paths import LOCK_NAME, cache_directory, cluster_directory, make_private
from coodie_local._security import Security
from coodie_local._state import ClusterState, Ports, read_state, write_state

if TYPE_CHECKING:
    from collections.abc import Callable


def test_a_lock_is_exclusive_between_descriptors(tmp_path: Path) -> None:
    """Even within one process: two threads can't both hold the lock."""
    first = try_acquire(tmp_path / "lock")
    assert first is not None
    assert try_acquire(tmp_path / "lock") is None
    first.close()
    first.close()
    second = try_acquire(tmp_path / "lock")
    assert second is not None
    second.close()


def test_a_child_that_was_handed_the_descriptor_holds_the_lock(tmp_path: Path) -> None:
    """The lock is held after the parent has closed its descriptor, until the child exits."""
    lock = try_acquire(tmp_path / "lock")
    assert lock is not None
    command = [sys.executable, "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(command, pass_fds=(lock.fd,)) as child:
        lock.close()
        assert try_acquire(tmp_path / "lock") is None
        child.kill()
    freed = try_acquire(tmp_path / "lock")
    assert freed is not None
    freed.close()


def test_a_state_survives_the_file(tmp_path: Path) -> None:
    """A written state can be read; invalid files have no state."""
    state = ClusterState(
        name="n",
        hosts=("127.0.0.1", "127.0.0.2"),
        ports=Ports(1, 2, 3),
        profile="durable",
        version="5.0.9",
        data=Path("/d"),
        security=Security(tls=True),
        heap=384,
        stop_with_process=True,
        ready=True,
    )
    assert read_state(tmp_path) is None
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state
    for broken in (
        "",
        "{}",
        "[]",
        '{"pid": 1}',
        (tmp_path / "state.json").read_text().replace("durable", "other"),
    ):
        (tmp_path / "state.json").write_text(broken, encoding="utf-8")
        assert read_state(tmp_path) is None


def test_a_process_number_alone_proves_nothing(tmp_path: Path, eventually: Callable[..., bool]) -> None:
    """A process with the reused id of a dead node isn't mistaken for the node."""
    assert not is_process_of(os.getpid(), tmp_path)
    command = [sys.executable, "-c", "import time; time.sleep(60)", f"-Dcoodie.directory={tmp_path}"]
    with subprocess.Popen(command) as child:
        # the kernel sets the command line shortly after Popen returns
        assert eventually(lambda: is_process_of(child.pid, tmp_path))
        child.kill()
    assert not is_process_of(child.pid, tmp_path)


def test_directories_can_be_moved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """COODIE_LOCAL_HOME and COODIE_LOCAL_CACHE replace the user's directories."""
    monkeypatch.setenv("COODIE_LOCAL_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COODIE_LOCAL_CACHE", str(tmp_path / "cache"))
    assert cluster_directory("n") == tmp_path / "home" / "nodes" / "n"
    assert cache_directory() == tmp_path / "cache"
    monkeypatch.delenv("COODIE_LOCAL_HOME")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert cluster_directory("n") == tmp_path / "data" / "coodie-local" / "nodes" / "n"


@pytest.mark.parametrize("name", ["", "..", "a/b", "-x", "a b", "x" * 65, "a\n"])
def test_a_name_that_isnt_a_directorys_is_refused(name: str) -> None:
    """A name can't refer to a path outside of the nodes' directory."""
    with pytest.raises(ConfigurationError, match="isn't a valid name"):
        cluster_directory(name)


def test_a_directory_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error has the owner, and how to use another directory."""
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    with pytest.raises(StorageError, match=r"belongs to another user.*uid 12345.*directory="):
        make_private(tmp_path)


def test_throw_away_data_of_a_killed_node_is_swept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unlocked data and data without a directory are removed; a living node's data is kept."""
    memory = tmp_path / "memory"
    memory.mkdir()
    monkeypatch.setattr(storage, "_MEMORY", memory)
    places, held = {}, None
    for name in ("killed", "living", "removed"):
        directory = make_private(tmp_path / name)
        lock = try_acquire(directory / LOCK_NAME)
        assert lock is not None
        places[name] = storage.create_storage(directory)
        (places[name] / "data").write_text("x", encoding="utf-8")
        if name == "living":
            held = lock
        else:
            lock.close()
    (tmp_path / "removed" / LOCK_NAME).unlink()
    (tmp_path / "removed").rmdir()
    assert held is not None
    with held:
        storage.sweep()
        assert [name for name, place in places.items() if place.exists()] == ["living"]
        storage.remove_storage(tmp_path / "living")
    root = storage.memory_root()
    assert root is not None
    assert list(root.iterdir()) == []


def test_little_memory_sends_the_data_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If there is too little space in memory (containers), the data is in the node's directory."""
    directory = make_private(tmp_path / "node")
    monkeypatch.setattr(storage, "NEEDED", 1 << 60)
    assert storage.create_storage(directory) == directory / "scratch"
    storage.remove_storage(directory)
    assert list(directory.iterdir()) == []


def test_a_link_in_shared_memory_isnt_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user's link in the shared directory isn't followed."""
    memory = tmp_path / "memory"
    memory.mkdir()
    monkeypatch.setattr(storage, "_MEMORY", memory)
    (memory / f"coodie-local-{os.getuid()}").symlink_to(tmp_path)
    assert storage.memory_root() is None
