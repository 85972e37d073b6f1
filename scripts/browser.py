"""Debian's Chromium, without a window: the pages that it loads, as the Chrome DevTools Protocol shows them.

The protocol's messages go through a pair of pipes, each message as JSON with a null byte at its end.
"""

from __future__ import annotations

import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from typing_extensions import Self

__all__ = ["PACKAGE", "Browser", "find_browser"]

#: The package of Debian that has the program.
PACKAGE = "chromium"

#: Seconds in which a page has to be loaded, on a machine with other work.
_PATIENCE = 60.0
#: Gives the program its descriptors.
_START = "import os, sys; _, i, o, *p = sys.argv; os.dup2(int(i), 3); os.dup2(int(o), 4); os.execv(p[0], p)"
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # the pages are this project's own, and tests may run as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


def find_browser() -> str | None:
    """Return the path of Chromium, or None where it isn't installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """One Chromium with one page.

    Args:
        program: Its path.
        profile: An empty directory.
    """

    def __init__(self, program: str, profile: Path) -> None:
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        # Chromium reads descriptor 3 and writes to 4; the copies are neither of them.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (theirs_in, theirs_out)]
        command = [
            sys.executable,
            "-c",
            _START,
            *map(str, ends),
            program,
            f"--user-data-dir={profile}",
            *_OPTIONS,
        ]
        self._process = subprocess.Popen(
            command, pass_fds=ends, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for end in (theirs_in, theirs_out, *ends):
            os.close(end)
        self._buffer = b""
        self._number = 0
        self._session: str | None = None
        self._events: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        try:
            page = self.send("Target.createTarget", url="about:blank")["targetId"]
            self._session = self.send("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
            for domain in ("Page", "Runtime", "Log"):
                self.send(f"{domain}.enable")
        except BaseException as error:
            self.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._in)
        os.close(self._out)

    def send(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result; events that come first are kept.

        Args:
            method: Its name in the protocol.
            parameters: Its parameters.

        Raises:
            RuntimeError: The browser rejected it.
        """
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                break
            self._events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        result: dict[str, Any] = answer["result"]
        return result

    def open(self, address: str) -> None:
        """Load a page, with its images and scripts."""
        self._events.clear()
        self.send("Page.navigate", url=address)
        while not any(event.get("method") == "Page.loadEventFired" for event in self._events):
            self._events.append(self._receive())

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression of JavaScript in the page."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(str(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def resize(self, width: int, height: int = 1000) -> None:
        """Set the size of the page's window, in CSS pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.send("Emulation.setDeviceMetricsOverride", **size)

    def prefer(self, scheme: str) -> None:
        """Set the reader's colours: light or dark."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", features=features)

    def errors(self) -> list[str]:
        """Return the errors since the page was opened: of scripts, and of files that it couldn't load."""
        found = []
        for event in self._events:
            values = event.get("params", {})
            match event.get("method"):
                case "Runtime.exceptionThrown":
                    found.append(str(values["exceptionDetails"].get("text")))
                case "Runtime.consoleAPICalled" if values["type"] == "error":
                    found.append(str(values["args"]))
                case "Log.entryAdded" if values["entry"]["level"] == "error":
                    found.append(f"{values['entry']['text']} {values['entry'].get('url', '')}")
        return found

    def _receive(self) -> dict[str, Any]:
        """Return the next message.

        Raises:
            TimeoutError: There was none for long.
            ConnectionError: The browser has ended.
        """
        end = time.monotonic() + _PATIENCE
        while b"\0" not in self._buffer:
            if not select.select([self._in], [], [], max(0.0, end - time.monotonic()))[0]:
                raise TimeoutError("Chromium doesn't respond")
            part = os.read(self._in, 1 << 16)
            if not part:
                raise ConnectionError(f"Chromium has ended: {self._process.poll()}")
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b"\0")
        received: dict[str, Any] = json.loads(message)
        return received
