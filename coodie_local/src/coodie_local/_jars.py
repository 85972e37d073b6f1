"""The cache of jars, shared by all processes: concurrent downloads, verified checksums."""

from __future__ import annotations

import hashlib
import queue
import re
import secrets
import shutil
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from coodie.exceptions import ConfigurationError
from coodie_local._flock import acquire
from coodie_local._paths import make_private
from coodie_local.errors import ChecksumError, DownloadError, StartCancelledError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from jgo.maven import MavenContext

    from coodie_local._cancellation import Cancellation
    from coodie_local._progress import Progress
    from coodie_local._releases import Jar, Manifest

__all__ = ["DOWNLOAD_THREADS", "JarCache"]

#: The number of concurrent downloads.
DOWNLOAD_THREADS = 8

#: The user name and password in a URL.
_CREDENTIALS = re.compile(r"(?<=//)[^/@\s]+@")

_ATTEMPTS = 2
_POLL_INTERVAL = 0.05
_STOP_WAIT = 0.3


class JarCache:
    """The jars under one cache directory.

    Args:
        directory: The cache directory; jars are in ``jars/<group>/<file>`` below it.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def path(self, jar: Jar) -> Path:
        """Return the path of a jar in the cache."""
        return self._directory / "jars" / jar.group / jar.file_name

    def ensure(self, manifest: Manifest, progress: Progress, cancellation: Cancellation) -> tuple[Path, ...]:
        """Download jars that are missing or differ from the manifest; return all paths, in its order.

        If no jar is missing, the network isn't used. If several processes need jars, one downloads them while
        the others wait.

        Args:
            manifest: The jars.
            progress: Shows the download.
            cancellation: Cancels the download; complete jars are kept.

        Raises:
            DownloadError: A jar can't be downloaded.
            ChecksumError: The checksum of a jar was wrong twice.
            StorageError: The cache can't be written.
            StartCancelledError: The download was cancelled.
        """
        if self._missing(manifest):
            make_private(self._directory)
            with acquire(self._directory / "download.lock", cancellation):
                missing = self._missing(manifest)
                if missing:
                    self._fetch(manifest, missing, progress, cancellation)
        return tuple(self.path(jar) for jar in manifest.jars)

    def _missing(self, manifest: Manifest) -> list[Jar]:
        return [jar for jar in manifest.jars if not _matches(self.path(jar), jar)]

    def _fetch(
        self, manifest: Manifest, missing: list[Jar], progress: Progress, cancellation: Cancellation
    ) -> None:
        partial = self._directory / "partial"
        staging = make_private(partial / secrets.token_hex(8))
        total = sum(jar.size for jar in missing)
        progress.begin(f"Downloading Cassandra {manifest.cassandra}: {len(missing)} jars", total)
        downloaders = _Downloaders(staging, self.path, missing, progress)
        try:
            downloaders.run(cancellation)
        finally:
            downloaders.stop()
            progress.end()
            # this process holds the lock, so all other files belong to killed processes
            shutil.rmtree(partial, ignore_errors=True)


class _Downloaders:
    """Threads that download jars into a staging directory and move the correct ones into the cache.

    They are daemon threads: jgo can't be interrupted while it waits for the network, and neither Ctrl-C nor
    the interpreter's exit should wait for its timeout.
    """

    def __init__(
        self, staging: Path, target: Callable[[Jar], Path], jars: list[Jar], progress: Progress
    ) -> None:
        self._staging = staging
        self._target = target
        self._progress = progress
        self._jobs: queue.SimpleQueue[Jar] = queue.SimpleQueue()
        # the largest first, so that no long download starts last
        for jar in sorted(jars, key=lambda jar: jar.size, reverse=True):
            self._jobs.put(jar)
        self._results: queue.SimpleQueue[BaseException | None] = queue.SimpleQueue()
        self._count = len(jars)
        self._stopped = threading.Event()
        self._threads = [
            threading.Thread(target=self._work, name=f"coodie-local-download-{number}", daemon=True)
            for number in range(min(DOWNLOAD_THREADS, len(jars)))
        ]

    def run(self, cancellation: Cancellation) -> None:
        for thread in self._threads:
            thread.start()
        done = 0
        while done < self._count:
            cancellation.check()
            try:
                error = self._results.get(timeout=_POLL_INTERVAL)
            except queue.Empty:
                continue
            if error is not None:
                raise error
            done += 1

    def stop(self) -> None:
        self._stopped.set()
        deadline = time.monotonic() + _STOP_WAIT
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline - time.monotonic()))

    def _work(self) -> None:
        while not self._stopped.is_set():
            try:
                jar = self._jobs.get_nowait()
            except queue.Empty:
                return
            try:
                self._fetch(jar)
            except BaseException as error:  # noqa: BLE001 - run() raises it in the caller's thread
                self._results.put(error)
            else:
                self._results.put(None)

    def _fetch(self, jar: Jar) -> None:
        target = self._target(jar)
        failure: DownloadError | None = None
        for attempt in range(_ATTEMPTS):
            counted = 0

            def count(amount: int) -> None:
                nonlocal counted
                if self._stopped.is_set():
                    msg = "The download was cancelled."
                    raise StartCancelledError(msg)
                counted += amount
                self._progress.advance(amount)

            try:
                arrived = _resolve(jar, self._staging / f"{jar.sha256[:16]}-{attempt}", count)
                if _matches(arrived, jar):
                    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    arrived.replace(target)
                    return
                failure = _mismatch(jar, arrived)
                arrived.unlink()
            except DownloadError as error:
                failure = error
            except OSError as exc:
                msg = f"Could not write {jar.file_name} to the cache: {exc.strerror or exc}."
                hint = "Free disk space, or set COODIE_LOCAL_CACHE to a directory on another disk."
                raise StorageError(msg, hint=hint, path=target) from exc
            self._progress.advance(-counted)
        assert failure is not None  # noqa: S101 - the loop ran at least once
        raise failure


def _resolve(jar: Jar, repository: Path, count: Callable[[int], None]) -> Path:
    """Download one jar with jgo, into a separate Maven repository."""
    import requests

    context = _context(repository, count)
    artifact = (
        context.project(jar.group, jar.artifact).at_version(jar.version).artifact(jar.classifier, "jar")
    )
    hint = (
        "Check the network, and HTTPS_PROXY if there is a proxy, and try again: complete jars are kept. "
        "To use a mirror, set `central = URL` in [repositories] in jgo's config file, ~/.config/jgo.conf "
        "or JGO_CONFIG_FILE."
    )
    try:
        return artifact.resolve()
    except requests.RequestException as exc:
        # requests' exceptions are OSErrors, too; their text begins with the address of an object
        msg = f"Could not download {jar.file_name}: {type(exc).__name__}: {exc}."
        raise DownloadError(msg, hint=hint) from exc
    except RuntimeError as exc:
        # jgo raises it if no repository has the jar
        msg = f"Could not download {jar.file_name}: {_CREDENTIALS.sub('***@', str(exc))}."
        # without the cause, whose text contains the passwords of URLs
        raise DownloadError(msg, hint=hint) from None


def _context(repository: Path, count: Callable[[int], None]) -> MavenContext:
    from jgo.maven import MavenContext, PythonResolver

    @contextmanager
    def callback(_name: str, _size: int) -> Iterator[Callable[[int], None]]:
        count(0)  # before jgo opens the file, so that a cancelled download creates none
        yield count

    context = MavenContext(resolver=PythonResolver(progress_callback=callback), repo_cache=repository)
    context.remote_repos.update(_repositories())
    return context


def _repositories() -> dict[str, str]:
    """Read the repositories in jgo's config file, by name; "central" replaces Maven Central."""
    import configparser

    from jgo.config import GlobalSettings, get_settings_path

    try:
        return GlobalSettings.load().repositories
    except (configparser.Error, OSError, UnicodeDecodeError) as exc:
        # the cause quotes the file, which may contain a password
        msg = f"Could not read jgo's config file {get_settings_path()}: {type(exc).__name__}."
        hint = "Fix it (write %% for a % in a value), or set JGO_CONFIG_FILE to another file."
        raise ConfigurationError(msg, hint=hint) from None


def _matches(path: Path, jar: Jar) -> bool:
    """Return whether the file exists, with the jar's size and SHA-256."""
    try:
        if path.stat().st_size != jar.size:
            return False
        return _sha256(path) == jar.sha256
    except (FileNotFoundError, NotADirectoryError):
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _mismatch(jar: Jar, arrived: Path) -> ChecksumError:
    msg = (
        f"{jar.file_name} differs from the lock file, twice: expected {jar.size:,} bytes with SHA-256 "
        f"{jar.sha256}, got {arrived.stat().st_size:,} bytes with {_sha256(arrived)}."
    )
    hint = "A proxy or mirror may have altered it; the file was deleted."
    return ChecksumError(msg, hint=hint)
