"""The cache of jars."""

from __future__ import annotations

import gc
import json
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from coodie.exceptions import CoodieError
from coodie_local import ChecksumError, DownloadError, StartCancelledError, StorageError
from coodie_local._cancellation import Cancellation
from coodie_local._jars import JarCache
from coodie_local._progress import SilentProgress
from coodie_local._releases import load_manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


# jgo leaves unread responses' sockets to the garbage collector
pytestmark = pytest.mark.filterwarnings(
    "ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Collect sockets here, where the warnings are expected, and not in another module's test."""
    yield
    gc.collect()


class Counter(SilentProgress):
    """Records the progress of a download."""

    def __init__(self) -> None:
        self.total: int | None = None
        self.done = 0
        self.ended = False
        self.lock = threading.Lock()

    def begin(self, text: str, total: int | None) -> None:
        """Record the total."""
        self.total = total

    def advance(self, amount: int) -> None:
        """Add to the sum."""
        with self.lock:
            self.done += amount

    def end(self) -> None:
        """Record the end."""
        self.ended = True


def files_in(directory: Path) -> list[str]:
    """Return the files below a directory."""
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


KEPT = ["download.lock", "jars/org.example/alpha-1.0.jar", "jars/org.example/beta-1.0.jar"]


def test_fetches_what_the_manifest_names_in_its_order(repository: Any, tmp_path: Path) -> None:
    """Both jars are complete, in class-path order, and the progress adds up to their sizes."""
    counter = Counter()
    paths = JarCache(tmp_path / "cache").ensure(repository.manifest, counter, Cancellation())
    assert [path.read_bytes() for path in paths] == [
        repository.answers[repository.path(name)][0] for name in ("alpha", "beta")
    ]
    assert counter.done == counter.total == repository.manifest.size
    assert counter.ended
    assert files_in(tmp_path / "cache") == KEPT


def test_fetches_from_the_default_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without configuration, jars are downloaded from jgo's default repository, and match."""
    monkeypatch.setenv("JGO_CONFIG_FILE", str(tmp_path / "none"))
    manifest = load_manifest("5.0.9", "linux-x86_64")
    few = replace(manifest, jars=tuple(sorted(manifest.jars, key=lambda jar: jar.size)[:2]))
    paths = JarCache(tmp_path / "cache").ensure(few, SilentProgress(), Cancellation())
    assert [path.stat().st_size for path in paths] == [jar.size for jar in few.jars]


def test_cached_jars_need_no_network(repository: Any, tmp_path: Path) -> None:
    """A second call sends no request."""
    cache = JarCache(tmp_path / "cache")
    first = cache.ensure(repository.manifest, SilentProgress(), Cancellation())
    repository.requests.clear()
    assert cache.ensure(repository.manifest, SilentProgress(), Cancellation()) == first
    assert repository.requests == []


def test_a_mismatch_is_fetched_once_more(repository: Any, tmp_path: Path) -> None:
    """A jar with wrong content or length is deleted and downloaded again."""
    for name, wrong in (("alpha", b"x" * repository.manifest.jars[0].size), ("beta", b"cut")):
        repository.answers[repository.path(name)].insert(0, wrong)
    counter = Counter()
    paths = JarCache(tmp_path / "cache").ensure(repository.manifest, counter, Cancellation())
    assert [path.read_bytes() for path in paths] == [
        repository.answers[repository.path(name)][0] for name in ("alpha", "beta")
    ]
    assert sorted(repository.requests) == sorted([repository.path("alpha"), repository.path("beta")] * 2)
    assert counter.done == counter.total


def test_a_mismatch_twice_is_an_error_and_nothing_of_it_stays(repository: Any, tmp_path: Path) -> None:
    """A wrong jar never gets into the cache; the error has both checksums."""
    repository.answers[repository.path("beta")] = [b"altered by a proxy"]
    with pytest.raises(ChecksumError, match=r"beta-1\.0\.jar differs from the lock file, twice") as caught:
        JarCache(tmp_path / "cache").ensure(repository.manifest, SilentProgress(), Cancellation())
    assert repository.manifest.jars[1].sha256 in str(caught.value)
    assert isinstance(caught.value, ConnectionError)
    assert repository.requests.count(repository.path("beta")) == 2
    assert "jars/org.example/beta-1.0.jar" not in files_in(tmp_path / "cache")
    assert not any(name.startswith("partial") for name in files_in(tmp_path / "cache"))


def test_a_damaged_jar_in_the_cache_is_replaced(repository: Any, tmp_path: Path) -> None:
    """A jar that was modified on disk, with the same size, is never used."""
    cache = JarCache(tmp_path / "cache")
    alpha, _ = cache.ensure(repository.manifest, SilentProgress(), Cancellation())
    right = alpha.read_bytes()
    alpha.write_bytes(b"!" + right[1:])
    repository.requests.clear()
    cache.ensure(repository.manifest, SilentProgress(), Cancellation())
    assert alpha.read_bytes() == right
    assert repository.requests == [repository.path("alpha")]


def test_a_missing_jar_is_an_error_that_says_what_to_do(repository: Any, tmp_path: Path) -> None:
    """Complete jars are kept, so that the next run only downloads the rest."""
    answers = repository.answers.pop(repository.path("beta"))
    cache = JarCache(tmp_path / "cache")
    with pytest.raises(DownloadError, match=r"Could not download beta-1\.0\.jar.*try again"):
        cache.ensure(repository.manifest, SilentProgress(), Cancellation())
    repository.answers[repository.path("beta")] = answers
    repository.requests.clear()
    cache.ensure(repository.manifest, SilentProgress(), Cancellation())
    assert repository.path("beta") in repository.requests


def test_no_network_is_an_error_that_says_so(
    repository: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unreachable repository raises a DownloadError, not a library's exception."""
    config = tmp_path / "dead.conf"
    config.write_text("[repositories]\ncentral = http://127.0.0.1:1\n", encoding="utf-8")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(config))
    with pytest.raises(DownloadError, match="Check the network"):
        JarCache(tmp_path / "cache").ensure(repository.manifest, SilentProgress(), Cancellation())
    assert files_in(tmp_path / "cache") == ["download.lock"]


def test_those_who_come_at_once_fetch_once(repository: Any, tmp_path: Path) -> None:
    """Four concurrent starts, each with its own cache object, download each jar once."""
    outcomes: list[tuple[Path, ...]] = []

    def fetch() -> None:
        outcomes.append(
            JarCache(tmp_path / "cache").ensure(repository.manifest, SilentProgress(), Cancellation())
        )

    threads = [threading.Thread(target=fetch) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outcomes) == 4
    assert len(set(outcomes)) == 1
    assert sorted(repository.requests) == [repository.path("alpha"), repository.path("beta")]


def test_a_cancelled_download_returns_at_once_and_leaves_no_half_file(
    repository: Any, tmp_path: Path, eventually: Callable[..., bool]
) -> None:
    """Although the server stalls, the call returns within a second, and no partial file is left."""
    repository.stalled.set()
    cancellation = Cancellation()
    errors: list[CoodieError] = []

    def fetch() -> None:
        try:
            JarCache(tmp_path / "cache").ensure(repository.manifest, SilentProgress(), cancellation)
        except CoodieError as error:
            errors.append(error)

    thread = threading.Thread(target=fetch)
    thread.start()
    assert eventually(lambda: len(repository.requests) == 2)
    begun = time.monotonic()
    cancellation.cancel()
    thread.join()
    assert time.monotonic() - begun < 1
    assert [type(error) for error in errors] == [StartCancelledError]
    assert files_in(tmp_path / "cache") == ["download.lock"]
    repository.closing.set()
    assert eventually(
        lambda: not any("coodie-local-download" in thread.name for thread in threading.enumerate())
    )
    assert files_in(tmp_path / "cache") == ["download.lock"]


FETCH = """
import json, sys
from pathlib import Path
from coodie_local._cancellation import Cancellation
from coodie_local._jars import JarCache
from coodie_local._releases import Manifest, Jar
from coodie_local._progress import SilentProgress
cache, jars = Path(sys.argv[1]), json.loads(sys.argv[2])
manifest = Manifest("0.0", "test", tuple(Jar(*jar) for jar in jars))
JarCache(cache).ensure(manifest, SilentProgress(), Cancellation())
"""


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_process_leaves_a_cache_that_works(
    repository: Any,
    tmp_path: Path,
    python: Callable[..., Any],
    eventually: Callable[..., bool],
    signum: signal.Signals,
) -> None:
    """Ctrl-C leaves no partial file; after kill -9, the next start removes it and gets the lock."""
    repository.stalled.set()
    jars = [
        [j.group, j.artifact, j.version, j.classifier, j.size, j.sha256] for j in repository.manifest.jars
    ]
    process = python(FETCH, tmp_path / "cache", json.dumps(jars))
    assert eventually(lambda: len(repository.requests) == 2)
    process.send_signal(signum)
    begun = time.monotonic()
    process.communicate(timeout=10)
    assert time.monotonic() - begun < 2
    if signum is signal.SIGINT:
        assert files_in(tmp_path / "cache") == ["download.lock"]
    repository.stalled.clear()
    JarCache(tmp_path / "cache").ensure(repository.manifest, SilentProgress(), Cancellation())
    assert files_in(tmp_path / "cache") == KEPT


def test_a_cache_that_cannot_be_written_says_so(repository: Any, tmp_path: Path) -> None:
    """A file at the path of the cache directory raises a StorageError with the path."""
    (tmp_path / "cache").write_text("in the way", encoding="utf-8")
    with pytest.raises(StorageError, match="COODIE_LOCAL_CACHE") as caught:
        JarCache(tmp_path / "cache").ensure(repository.manifest, SilentProgress(), Cancellation())
    assert caught.value.path == tmp_path / "cache"
    assert isinstance(caught.value, OSError)


def test_a_full_disk_says_so(repository: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk raises a StorageError, not a network error."""
    from jgo.maven import PythonResolver

    def full(_self: object, _artifact: object) -> Path:
        with Path("/dev/full").open("wb", buffering=0) as file:
            file.write(b"x")
        raise AssertionError

    monkeypatch.setattr(PythonResolver, "download", full)
    with pytest.raises(StorageError, match=r"No space left.*Free disk space"):
        JarCache(tmp_path / "cache").ensure(repository.manifest, SilentProgress(), Cancellation())


def test_looking_at_a_full_cache_imports_no_network_library(
    repository: Any, tmp_path: Path, python: Callable[..., Any]
) -> None:
    """A start with a full cache doesn't import the download code."""
    jars = [
        [j.group, j.artifact, j.version, j.classifier, j.size, j.sha256] for j in repository.manifest.jars
    ]
    JarCache(tmp_path / "cache").ensure(repository.manifest, SilentProgress(), Cancellation())
    check = "\nassert not {'jgo', 'requests', 'rich', 'asyncio'} & set(sys.modules), sys.modules"
    process = python(FETCH + check, tmp_path / "cache", json.dumps(jars))
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
