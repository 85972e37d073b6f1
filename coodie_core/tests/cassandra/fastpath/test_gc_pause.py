"""The garbage collector stands still while pages are decoded, and goes on as it did before."""

from __future__ import annotations

import gc
import threading
from typing import TYPE_CHECKING

import pytest

from coodie.drivers.cassandra.fastpath.gc_pause import gc_paused
from coodie_testing.children import in_a_child

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def _collecting() -> Iterator[None]:
    """Leave the collector as it was."""
    was_enabled = gc.isenabled()
    gc.enable()
    yield
    (gc.enable if was_enabled else gc.disable)()


def test_nested() -> None:
    """Only the outermost end lets it go on."""
    with gc_paused():
        with gc_paused():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_an_exception_ends_the_pause() -> None:
    """Whatever is raised inside, the collector works afterwards."""
    with pytest.raises(KeyboardInterrupt), gc_paused(), gc_paused():
        raise KeyboardInterrupt
    assert gc.isenabled()


def test_who_disabled_it_keeps_it_disabled() -> None:
    """A process that works without collector isn't given one."""
    gc.disable()
    with gc_paused(), gc_paused():
        assert not gc.isenabled()
    assert not gc.isenabled()


def test_a_fork() -> None:
    """A child that is forked while another thread decodes collects, and has pauses of its own."""
    entered, leave = threading.Event(), threading.Event()

    def decode() -> None:
        with gc_paused():
            entered.set()
            leave.wait(60)

    def look() -> list[bool]:
        seen = [gc.isenabled()]
        with gc_paused():
            seen.append(gc.isenabled())
        return [*seen, gc.isenabled()]

    thread = threading.Thread(target=decode)
    thread.start()
    entered.wait(10)
    said = in_a_child(look)
    leave.set()
    thread.join(10)
    assert said == "[True, False, True]"
    assert gc.isenabled()


def test_threads() -> None:
    """It goes on when the last of the threads has ended, in whichever order they do."""
    entered, leave = threading.Barrier(3), [threading.Event() for _ in range(2)]

    def work(number: int) -> None:
        with gc_paused():
            entered.wait(10)
            leave[number].wait(10)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    entered.wait(10)
    for event, thread, enabled in zip(leave, threads, (False, True), strict=True):
        assert not gc.isenabled()
        event.set()
        thread.join(10)
        assert gc.isenabled() is enabled
