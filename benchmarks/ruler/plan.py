"""The plan: workloads, their servers and contestants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from contestants.listing import contestant
from contestants.work import Work
from ruler.real import address_of

if TYPE_CHECKING:
    from contestants.listing import Contestant

__all__ = ["Contest", "make_plan", "names", "suits"]

#: The default contestants of a workload: those with data frames for frames; all for a few others with the
#: stub; else the most important ones.
_MAIN = (
    "coodie-scylla coodie-scylla+uvloop coodie-scylla+accel coodie-scylla+accel+uvloop "
    "coodie-scylla+accel+uvloop+arrays coodie-scylla+sync coodie-scylla+accel+sync "
    "scylla-driver coodie-1.9 acsylla+uvloop scylladb-rs-driver+uvloop asyncio"
)
_OTHERS = (
    "coodie-scylla+nofast coodie-cassandra coodie-cassandra+accel+uvloop coodie-cassandra+nofast "
    "cassandra-driver cassandra-asyncio-driver acsylla scyllapy scylladb-rs-driver rsylla"
)
_WITH_FRAMES = (
    "coodie-scylla coodie-scylla+accel coodie-scylla+accel+objects coodie-cassandra coodie-cassandra+accel "
    "scylla-driver scylla-driver+numpy cassandra-driver cassandra-driver+numpy acsylla scylladb-rs-driver"
)
_WITH_OTHERS = frozenset({"read-64", "insert-64", "rows-100", "sync-1", "import", "connect"})

#: The workloads of `make bench`, with the stub if possible, and those that also run with a real server.
_WORKLOADS = (
    "read-64 read-1 read-512 read-4096 insert-64 rows-100 rows-5000 rows-50000 stream-1000000 many-100000 "
    "sync-1 sync-8 three-64 import cold connect memory-200000 burst-1024 sessions-10 "
    "list-10 map-10 decimal-10 timestamp-10 columns-50 vector-1536 rate-1000 rate-4000 tls-64 "
    "frame-1000000"
)
_REAL_TOO = "read-64 read-1 insert-64 rows-100"

#: The workloads of `make bench-quick`.
_QUICK_WORKLOADS = "read-64 read-1 insert-64 rows-100 rows-5000 rows-50000 sync-1 sync-8 import memory-200000"
_QUICK = (
    "coodie-scylla coodie-scylla+uvloop coodie-scylla+accel coodie-scylla+accel+uvloop coodie-scylla+nofast "
    "scylla-driver coodie-1.9 acsylla+uvloop scylladb-rs-driver+uvloop asyncio"
)


#: Variants that only run some kinds of work.
_ONLY_IN = {
    "arrays": frozenset({"vector"}),
    "sync": frozenset({"many", "stream", "connect", "cold"}),
    "objects": frozenset({"frame"}),
    "numpy": frozenset({"frame"}),
}
#: Variants that affect data frames.
_FRAME_VARIANTS = frozenset({"accel", "objects", "numpy"})


@dataclass(frozen=True)
class Contest:
    """A workload on a server."""

    work: Work
    #: "stub", "real" or HOST:PORT.
    server: str
    contestants: tuple[Contestant, ...]

    @property
    def name(self) -> str:
        """The key in the results."""
        return f"{'stub' if self.server == 'stub' else 'real'}/{self.work.name}"

    @property
    def title(self) -> str:
        """The name, and the workload's description."""
        return f"{self.name}: {self.work.meaning}"


def make_plan(
    workloads: str | None, contestants: str | None, server: str | None, *, quick: bool
) -> list[Contest]:
    """Return the contests, grouped by server and setting.

    Args:
        workloads: Names; None: the default ones that can run on the server.
        contestants: Names; None: the default ones of each workload.
        server: "stub", "real" or HOST:PORT; None: the best one for each workload.
        quick: Whether the defaults are those of `make bench-quick`.

    Raises:
        ValueError: A name is unknown, or a workload can't run on that server.
    """
    if server is not None:
        address_of(server)
    if workloads is not None:
        works = [Work.of(name) for name in names(workloads)]
        for work in works:
            if server is not None and not _can_be_done(work, server):
                raise ValueError(_unsuited(work, server))
        pairs = [(work, server or work.servers[0]) for work in works]
    else:
        works = [Work.of(name) for name in names(_QUICK_WORKLOADS if quick else _WORKLOADS)]
        if server is not None:
            pairs = [(work, server) for work in works if _can_be_done(work, server)]
        else:
            pairs = [(work, work.servers[0]) for work in works]
            pairs += [] if quick else [(Work.of(name), "real") for name in names(_REAL_TOO)]
    order = list(dict.fromkeys((where != "stub", work.setting) for work, where in pairs))
    pairs.sort(key=lambda pair: (pair[1] != "stub", order.index((pair[1] != "stub", pair[0].setting))))
    return [
        Contest(
            work, where, tuple(_parse_contestants(work, contestants or _by_default(work, where, quick=quick)))
        )
        for work, where in pairs
    ]


def names(written: str) -> list[str]:
    """Parse names separated by commas or spaces, without duplicates."""
    return list(dict.fromkeys(written.replace(",", " ").split()))


def suits(one: Contestant, work: Work) -> bool:
    """Return whether a contestant should run a workload."""
    if work.kind == "import":
        return not one.variants
    if any(work.kind not in _ONLY_IN.get(variant, {work.kind}) for variant in one.variants):
        return False
    if work.kind == "frame":
        return one.makes_frames and one.variants <= _FRAME_VARIANTS
    if work.blocking:
        return bool(one.blocking) and "uvloop" not in one.variants
    return bool(one.asynchronous or one.blocking)


def _by_default(work: Work, server: str, *, quick: bool) -> str:
    if quick:
        return _QUICK
    if work.kind == "frame":
        return _WITH_FRAMES
    return f"{_MAIN} {_OTHERS}" if server == "stub" and work.name in _WITH_OTHERS else _MAIN


def _parse_contestants(work: Work, contestants: str) -> list[Contestant]:
    return [one for one in map(contestant, names(contestants)) if suits(one, work)]


def _can_be_done(work: Work, server: str) -> bool:
    if work.setting.tls:
        return server == "real"  # the certificates of other servers are unknown
    return ("stub" if server == "stub" else "real") in work.servers


def _unsuited(work: Work, server: str) -> str:
    if server == "stub":
        return f"{work.name} requires a real server: use --server real"
    return f"{work.name} can't run on {server}: use --server {work.servers[0]}"
