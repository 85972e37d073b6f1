"""Serving the built documentation on this machine, until Ctrl-C."""

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
#: The port that is asked for first, so that the address is mostly the same.
_PORT = 8000


class _Pages(SimpleHTTPRequestHandler):
    """Gives out files, and has no browser keep what the next build replaces."""

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def log_message(self, *_: object, **__: object) -> None:
        """Say nothing of each request."""


@contextmanager
def serving(directory: Path) -> Iterator[str]:
    """Serve a directory on the loopback address while the block runs.

    Args:
        directory: What is served.

    Yields:
        Its address.
    """
    pages = partial(_Pages, directory=str(directory))
    try:
        server = ThreadingHTTPServer((_HOST, _PORT), pages)
    except OSError:  # somebody else's: any free one
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
        directory: What is served.
    """
    with serving(directory) as address:
        print(f"\n   {address}   (Ctrl-C ends it)", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("\n   stopped", flush=True)
