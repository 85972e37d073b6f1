"""What the tests of the local node share: where it runs, what runs, and a repository to fetch from."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from base64 import b64encode
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from coodie_local._releases import Jar, Manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def jvms_of(directory: Path) -> list[int]:
    """Find the processes of nodes in a directory or below it, whatever our own code believes."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                command = (entry / "cmdline").read_bytes()
                if b"-Dcoodie.directory=" + os.fsencode(directory) in command:
                    found.append(int(entry.name))
    return found


def wait_until(condition: Callable[[], object], seconds: float = 10.0) -> bool:
    """Wait until a condition holds; say whether it did in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def jvms() -> Callable[[Path], list[int]]:
    """Give jvms_of()."""
    return jvms_of


@pytest.fixture
def eventually() -> Callable[..., bool]:
    """Give wait_until()."""
    return wait_until


@pytest.fixture
def node_dir(tmp_path: Path) -> Iterator[Path]:
    """Give a directory for a node; whatever a failed test leaves running in it is ended."""
    directory = tmp_path / "node"
    yield directory
    for pid in jvms_of(directory):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def python() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Give a way to run Python code in a process of its own, which doesn't outlive the test."""
    started: list[subprocess.Popen[str]] = []

    def run(code: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
            # a process group of its own, to which a test can send what Ctrl-C sends on a terminal
            start_new_session=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


class CommandLine:
    """The console script `coodie`, with the nodes' directories in a place of the test's."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {"COODIE_LOCAL_HOME": str(home), "COODIE_LOCAL_ARCHIVE": "0"}
        self._started: list[subprocess.Popen[str]] = []

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return self._finished(self.begin(*arguments, **environment))

    def without_driver(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end where no driver can be imported."""
        code = "import sys; sys.modules['cassandra'] = None; "
        code += "from coodie.cli import main; sys.exit(main(sys.argv[1:]))"
        return self._finished(self._begin([sys.executable, "-W", "error", "-c", code, *arguments]))

    def begin(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Begin a command in a process group of its own."""
        return self._begin([str(Path(sys.executable).with_name("coodie")), *arguments], **environment)

    def close(self) -> None:
        """End all that a failed test left."""
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()
        for pid in jvms_of(self.home):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _begin(self, command: list[str], **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | self.environment | environment,
            start_new_session=True,
        )
        self._started.append(process)
        return process

    @staticmethod
    def _finished(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
        output, errors = process.communicate(timeout=100)
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


@pytest.fixture
def coodie(tmp_path: Path) -> Iterator[CommandLine]:
    """Give the console script; no node that it started outlives the test."""
    command_line = CommandLine(tmp_path / "home")
    yield command_line
    command_line.close()


class Repository:
    """A Maven repository on loopback with two small jars, and ways to misbehave."""

    def __init__(self) -> None:
        #: URL path → what is served there, one after the other; the last one stays.
        self.answers: dict[str, list[bytes]] = {}
        #: The jars' URL paths in the order of the requests.
        self.requests: list[str] = []
        #: The other paths that were asked for.
        self.other_requests: list[str] = []
        #: The name and the password, joined by a colon, that it asks for.
        self.login: str | None = None
        #: Its address; set once it is served.
        self.address = ""
        #: Set to let answers stall after their first bytes.
        self.stalled = threading.Event()
        self.closing = threading.Event()
        contents = {name: f"the jar {name}".encode() * 4000 for name in ("alpha", "beta")}
        self.manifest = Manifest(
            cassandra="0.0",
            platform="test",
            jars=tuple(
                Jar("org.example", name, "1.0", "", len(content), hashlib.sha256(content).hexdigest())
                for name, content in contents.items()
            ),
        )
        for name, content in contents.items():
            self.answers[self.path(name)] = [content]

    @staticmethod
    def path(name: str) -> str:
        """Name the URL path of a jar."""
        return f"/org/example/{name}/1.0/{name}-1.0.jar"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    """Serve a repository, and configure it as jgo's only one."""
    repository = Repository()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers = repository.answers.get(self.path)
            if answers is None:
                repository.other_requests.append(self.path)
                self.send_error(404)
                return
            if repository.login is not None:
                wanted = f"Basic {b64encode(repository.login.encode()).decode()}"
                if self.headers.get("Authorization") != wanted:
                    self.send_error(401)
                    return
            repository.requests.append(self.path)
            content = answers.pop(0) if len(answers) > 1 else answers[0]
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(content[:10_000])
                while repository.stalled.is_set() and not repository.closing.is_set():
                    time.sleep(0.01)
                self.wfile.write(content[10_000:])

        def log_message(self, *_: object, **__: object) -> None:
            """Keep the tests' output clean."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    config = tmp_path / "jgo.conf"
    repository.address = f"http://127.0.0.1:{server.server_port}"
    config.write_text(f"[repositories]\ncentral = {repository.address}\n", encoding="utf-8")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(config))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield repository
    repository.closing.set()
    server.shutdown()
    server.server_close()
    thread.join()
