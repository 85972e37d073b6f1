"""Fixtures of the local node's tests: directories, processes, and a Maven repository."""

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
    """Return the processes of nodes in a directory or below it, without coodie_local's code."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with suppress(OSError):
                command = (entry / "cmdline").read_bytes()
                if b"-Dcoodie.directory=" + os.fsencode(directory) in command:
                    found.append(int(entry.name))
    return found


def wait_until(condition: Callable[[], object], seconds: float = 10.0) -> bool:
    """Wait until a condition holds; return whether it did in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


@pytest.fixture
def jvms() -> Callable[[Path], list[int]]:
    """Return jvms_of()."""
    return jvms_of


@pytest.fixture
def eventually() -> Callable[..., bool]:
    """Return wait_until()."""
    return wait_until


@pytest.fixture
def node_dir(tmp_path: Path) -> Iterator[Path]:
    """Return a directory for a node; processes of a failed test in it are killed."""
    directory = tmp_path / "node"
    yield directory
    for pid in jvms_of(directory):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def python() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Return a function that runs Python code in a new process, which is killed after the test."""
    started: list[subprocess.Popen[str]] = []

    def run(code: str, *arguments: object, **environment: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | environment,
            # a new process group, to which a test can send SIGINT like a terminal
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
    """The console script `coodie`, with the nodes' directories in the test's directory."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {"COODIE_LOCAL_HOME": str(home), "COODIE_LOCAL_ARCHIVE": "0"}
        self._started: list[subprocess.Popen[str]] = []

    def __call__(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command and wait for it."""
        return self._finished(self.begin(*arguments, **environment))

    def without_driver(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command and wait for it, with no driver importable."""
        code = "import sys; sys.modules['cassandra'] = None; "
        code += "from coodie.cli import main; sys.exit(main(sys.argv[1:]))"
        return self._finished(self._begin([sys.executable, "-W", "error", "-c", code, *arguments]))

    def begin(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start a command in a new process group."""
        return self._begin([str(Path(sys.executable).with_name("coodie")), *arguments], **environment)

    def close(self) -> None:
        """Kill processes of a failed test."""
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
    """Return the console script; its nodes are stopped after the test."""
    command_line = CommandLine(tmp_path / "home")
    yield command_line
    command_line.close()


class Repository:
    """A Maven repository on loopback with two small jars, and injectable faults."""

    def __init__(self) -> None:
        #: URL path → the responses in order; the last one is repeated.
        self.answers: dict[str, list[bytes]] = {}
        #: The jars' URL paths in the order of the requests.
        self.requests: list[str] = []
        #: The other requested paths.
        self.other_requests: list[str] = []
        #: The required username and password, joined by a colon.
        self.login: str | None = None
        #: The address, when it is served.
        self.address = ""
        #: If set, responses stall after the first bytes.
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
        """Return the URL path of a jar."""
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
            """Don't log requests."""

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
