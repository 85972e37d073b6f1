"""Headless Chromium, controlled with the Chrome DevTools Protocol.

The messages are JSON, each with a null byte at the end, and are sent through a pair of pipes.
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

#: The Debian package.
PACKAGE = "chromium"

#: Seconds to wait for a message, on a busy machine.
_TIMEOUT = 60.0
#: Passes the pipes' descriptors to the program.
_START = "import os, sys; _, i, o, *p = sys.argv; os.dup2(int(i), 3); os.dup2(int(o), 4); os.execv(p[0], p)"
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",  # the pages are trusted, and tests may run as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)


def find_browser() -> str | None:
    """Return the path of Chromium, or None if it isn't installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """A Chromium process with one page.

    Args:
        program: The path of the program.
        profile: An empty directory.
    """

    def __init__(self, program: str, profile: Path) -> None:
        theirs_in, self._out = os.pipe()
        self._in, theirs_out = os.pipe()
        # Chromium reads from descriptor 3 and writes to 4; the copies must have other numbers.
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
        """Send a command and return its result; store events that arrive before it.

        Args:
            method: The method in the protocol.
            parameters: The method's parameters.

        Raises:
            RuntimeError: The browser rejected it.
        """
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            response = self._receive()
            if response.get("id") == self._number:
                break
            self._events.append(response)
        if "error" in response:
            raise RuntimeError(f"{method}: {response['error']}")
        result: dict[str, Any] = response["result"]
        return result

    def open(self, address: str) -> None:
        """Load a page with its images and scripts."""
        self._events.clear()
        self.send("Page.navigate", url=address)
        while not any(event.get("method") == "Page.loadEventFired" for event in self._events):
            self._events.append(self._receive())

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression in the page."""
        response = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        if "exceptionDetails" in response:
            raise RuntimeError(str(response["exceptionDetails"]))
        return response["result"].get("value")

    def resize(self, width: int, height: int = 1000) -> None:
        """Set the size of the viewport, in CSS pixels."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.send("Emulation.setDeviceMetricsOverride", **size)

    def prefer(self, scheme: str) -> None:
        """Set the preferred colour scheme: light or dark."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", features=features)

    def errors(self) -> list[str]:
        """Return errors since the page was opened: of scripts, and of files that couldn't be loaded."""
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
            TimeoutError: The browser doesn't respond.
            ConnectionError: The browser has exited.
        """
        end = time.monotonic() + _TIMEOUT
        while b"\0" not in self._buffer:
            if not select.select([self._in], [], [], max(0.0, end - time.monotonic()))[0]:
                raise TimeoutError("Chromium doesn't respond")
            part = os.read(self._in, 1 << 16)
            if not part:
                raise ConnectionError(f"Chromium has exited: {self._process.poll()}")
            self._buffer += part
        message, _, self._buffer = self._buffer.partition(b"\0")
        received: dict[str, Any] = json.loads(message)
        return received
