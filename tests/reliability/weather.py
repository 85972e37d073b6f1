"""Faults of all kinds, one after the other, as a seed decides."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from coodie_testing.faults import (
    Close,
    Corrupt,
    Delay,
    DelayRequest,
    ErrorCode,
    Opcode,
    ServerError,
    Silence,
    Trickle,
    Truncate,
    WrongStream,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie_testing.faults import Fault, FaultProxy

__all__ = ["storm"]

#: The longest that a request is held back before a node gets it, in seconds.
_LATEST = 1.0
#: Within which it has to be enough, in seconds.
_LONGEST = 600.0


def _faults(rng: random.Random) -> list[Fault]:
    """Return what may happen to a request; after an error the node has done what it implies, or not."""
    refused = (ErrorCode.OVERLOADED, ErrorCode.IS_BOOTSTRAPPING, ErrorCode.UNAVAILABLE)
    failed = (ErrorCode.WRITE_TIMEOUT, ErrorCode.SERVER_ERROR, ErrorCode.WRITE_FAILURE)
    reaches = rng.random() < 0.5
    return [
        *(ServerError(code=code) for code in refused),
        *(ServerError(code=code, reaches_node=reaches) for code in failed),
        Close(),
        Close(reaches_node=False),
        Silence(),
        Silence(reaches_node=False),
        Truncate(),
        Delay(seconds=rng.uniform(0.01, 2)),
        DelayRequest(seconds=rng.uniform(0.01, _LATEST)),
        Trickle(),
        WrongStream(),
        Corrupt(),
    ]


def _cut(proxy: FaultProxy, seconds: float) -> None:
    proxy.cut()
    time.sleep(seconds / 5)


def _while_set(attribute: str) -> Callable[[FaultProxy, float], None]:
    def hold(proxy: FaultProxy, seconds: float) -> None:
        setattr(proxy, attribute, True)
        if attribute == "refusing":
            proxy.cut()
        time.sleep(seconds)
        setattr(proxy, attribute, False)

    return hold


#: What may happen to a node's connections as a whole.
_EVENTS: tuple[Callable[[FaultProxy, float], None], ...] = (
    _cut,
    *map(_while_set, ("partitioned", "hold", "mute", "refusing")),
)


def storm(proxy: FaultProxy, keyspace: str, seed: int, enough: Callable[[], bool]) -> int:
    """Break requests to a keyspace, and connections, until it is enough; return how many requests it was.

    Args:
        proxy: In front of the node; whole again afterwards.
        keyspace: Whose statements are broken; batches are, whatever they write to.
        seed: Decides what happens.
        enough: Asked again and again.
    """
    rng = random.Random(seed)
    broken = 0
    last = time.monotonic() + _LONGEST
    while not enough():
        assert time.monotonic() < last, "it isn't enough"
        if rng.random() < 0.06:
            rng.choice(_EVENTS)(proxy, rng.uniform(0.1, 1))
        else:
            kinds = (Opcode.QUERY, Opcode.EXECUTE, Opcode.BATCH, Opcode.PREPARE)
            fault, times = rng.choice(_faults(rng)), rng.choice([1, 1, 2, 5])
            proxy.add(fault, opcodes=kinds, contains=f"{keyspace}.", times=times, after=rng.randint(0, 5))
        time.sleep(rng.uniform(0.05, 0.3))
        broken += sum(rule.hits for rule in proxy.rules if rule.hits == rule.times)
        proxy.rules[:] = [rule for rule in proxy.rules if rule.hits != rule.times][-3:]
    proxy.heal()
    time.sleep(_LATEST)  # what was held back has arrived by then
    return broken
