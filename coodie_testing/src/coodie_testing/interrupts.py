"""Ctrl-C in a method that waits, without ending the tests."""

from __future__ import annotations

import signal
import threading
import time

import pytest

__all__ = ["Interrupting"]

#: Seconds until the first interrupt, and between two of them.
_FIRST, _NEXT = 0.5, 5.0

#: Interrupts until the block has to be over.
_AT_MOST = 2


class Interrupting:
    """Raise KeyboardInterrupt in this thread, until the block ends: Python may ignore the first interrupt.

    Check that the second one ends the block at once, which otherwise may last until the call's timeout.

    The signal is SIGUSR1, with the handler of Ctrl-C. A test is skipped where it can't be sent: outside of
    the main thread, and on platforms without ``pthread_kill``.
    """

    def __init__(self) -> None:
        #: The time of the last interrupt, by ``time.monotonic``.
        self.sent_at = 0.0
        self._sent = 0
        self._ended = threading.Event()
        self._sender = threading.Thread(target=self._send, args=(threading.get_ident(),), daemon=True)

    def __enter__(self) -> Interrupting:  # noqa: PYI034 - nothing derives from it
        if not hasattr(signal, "pthread_kill") or threading.current_thread() is not threading.main_thread():
            pytest.skip("an interrupt can only be sent to the main thread, by signal.pthread_kill")
        self._handler = signal.signal(signal.SIGUSR1, signal.default_int_handler)
        self._sender.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._sender.join()
        signal.signal(signal.SIGUSR1, self._handler)
        assert self._sent <= _AT_MOST, f"the call went on for {self._sent} interrupts"

    def _send(self, thread: int) -> None:
        seconds = _FIRST
        while not self._ended.wait(seconds):
            self.sent_at = time.monotonic()
            self._sent += 1
            signal.pthread_kill(thread, signal.SIGUSR1)
            seconds = _NEXT
