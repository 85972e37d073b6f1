"""The section of each error of a local node: message, cause and fix."""

from __future__ import annotations

import re
import socket
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from coodie.exceptions import CoodieError
from coodie.explanations import explanations, read_explanations
from coodie_local import LocalNodeError, errors
from coodie_local._cancellation import Cancellation
from coodie_local._jars import JarCache
from coodie_local._paths import make_private
from coodie_local._ports import choose_ports
from coodie_local._progress import SilentProgress
from coodie_local._queries import _never_ready
from coodie_local._releases import load_manifest
from coodie_local._request import check_matches

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie.explanations import Explanation

_FILE = Path(errors.__file__).with_suffix(".md")
SECTIONS = {each.name: each for each in read_explanations(_FILE.read_text(encoding="utf-8"))}


def shows(section: Explanation, said: str) -> bool:
    """Return whether the section's message, wrapped and with … for variable parts, matches an error."""
    parts = [re.escape(" ".join(part.split())) for part in section.message.split("…")]
    return re.fullmatch(" ?.*".join(parts), " ".join(said.split())) is not None


def _download(repository: Any, path: Path, *answers: bytes) -> None:
    """Download two jars, one of which is missing or has this content."""
    repository.answers[repository.path("beta")] = list(answers)
    JarCache(path / "cache").ensure(repository.manifest, SilentProgress(), Cancellation())


def _cancelled() -> None:
    cancellation = Cancellation()
    cancellation.cancel()
    cancellation.check()


def _in_use() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        choose_ports(("127.0.0.1",), native=listener.getsockname()[1])


def _otherwise() -> None:
    """Request another profile than the running node's."""
    nothing = dict.fromkeys(("nodes", "port", "host", "version", "tls", "mtls", "auth", "heap"))
    request: Any = SimpleNamespace(name="shared", profile="durable", **nothing)
    ports, security = SimpleNamespace(native=9042), SimpleNamespace(tls=False, mtls=False, auth=False)
    state: Any = SimpleNamespace(
        hosts=("127.0.0.1",), profile="ephemeral", ports=ports, version="5.0.9", security=security, heap=384
    )
    check_matches(request, state)


#: Class → a function that raises or returns the error, given a repository of two jars and a directory.
EXAMPLES: dict[str, Callable[[Any, Path], Any]] = {
    "LocalNodeError": lambda _, path: LocalNodeError(
        "The test session's Cassandra has stopped.", hint=f"Its log is in {path}."
    ),
    "UnsupportedPlatformError": lambda *_: load_manifest("5.0.9", "linux-aarch64"),
    "DownloadError": _download,
    "ChecksumError": lambda repository, path: _download(repository, path, b"altered", b"altered"),
    "StorageError": lambda _, path: make_private(_file(path) / "node"),
    "NodeInUseError": lambda *_: _otherwise(),
    "NodeStartError": lambda _, path: _never_ready(_file(path), 60),
    "PortInUseError": lambda *_: _in_use(),
    "StartCancelledError": lambda *_: _cancelled(),
}


def _file(path: Path) -> Path:
    file = path / "system.log"
    file.write_text("INFO starting\n")
    return file


def test_every_class_has_a_section() -> None:
    """Each error has a section and each section an error; `coodie explain` has both."""
    assert sorted(SECTIONS) == sorted(errors.__all__) == sorted(EXAMPLES)
    assert explanations().keys() >= SECTIONS.keys()


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_has_message_cause_and_fix(name: str) -> None:
    """Each section has all three, and the error refers to it."""
    section = SECTIONS[name]
    assert section.message
    assert section.cause
    assert section.fix
    assert getattr(errors, name)("It broke.").explanation == f"coodie explain {name}"


@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("name", EXAMPLES)
def test_the_message_is_what_is_said(name: str, repository: Any, tmp_path: Path) -> None:
    """The message in a section is that of a real error."""
    try:
        error = EXAMPLES[name](repository, tmp_path)
    except CoodieError as exc:
        error = exc
    assert type(error).__name__ == name
    assert shows(SECTIONS[name], str(error)), error
