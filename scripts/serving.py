"""A local server for the built documentation, until Ctrl-C."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["serve", "serving"]

_HOST = "127.0.0.1"
#: The preferred port, so that the address is usually the same.
_PORT = 8000


class _Pages(SimpleHTTPRequestHandler):
    """Serves files, without caching by the browser."""

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, *_: object, **__: object) -> None:
        """Don't log requests."""


@contextmanager
def serving(directory: Path) -> Iterator[str]:
    """Serve a directory on the loopback address in a context manager.

    Args:
        directory: The directory.

    Yields:
        The address.
    """
    pages = partial(_Pages, directory=str(directory))
    try:
        server = ThreadingHTTPServer((_HOST, _PORT), pages)
    except OSError:  # in use: use any free port
        server = ThreadingHTTPServer((_HOST, 0), pages)
    with server:
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="documentation")
        thread.start()
        try:
            yield f"http://{_HOST}:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


def serve(directory: Path) -> None:
    """Serve a directory until Ctrl-C.

    Args:
        directory: The directory.
    """
    with serving(directory) as address:
        print(f"\n   {address}   (Ctrl-C to stop)", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("\n   stopped", flush=True)
