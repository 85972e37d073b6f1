"""A large result as a pandas data frame: CPU, time and memory of each way, each in a process of its own.

The result has five columns: two int, text, double, uuid. Each way reads it several times, by turns with the
others; the first time isn't measured. Memory is the growth of the peak while the result is read into Arrow,
without pandas, divided by the size of the Arrow data.

    python benchmarks/frames.py --driver scylla --rows 1000000

What is missing here is left out, with a note: the accelerator, numpy's part of the driver, other clients.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contestants.measuring import forget_peak, measured, memory, peak
from contestants.roles import Target
from contestants.rows import READ_PART, select_rows
from ruler import stub

if TYPE_CHECKING:
    from collections.abc import Callable

#: Where the accelerator is built (``make accel``).
_ACCELERATOR = Path(__file__).resolve().parent.parent / ".venvs" / "accelerator"

#: Rows per page.
_PAGE = 5000

WAYS = {
    "coodie+accel": "rows='arrow', with the accelerator",
    "coodie": "rows='arrow', without it",
    "driver, pandas": "a row factory that makes a data frame of each page",
    "driver, numpy": "its NumpyProtocolHandler, a data frame of each page",
    "acsylla": "a data frame of its rows",
    "scylladb-rs-driver": "a data frame of its rows",
}


class Missing(Exception):  # noqa: N818 - said of a way, which is then left out
    """A way isn't there; the message says what it needs."""


# --- the ways, in a child -----------------------------------------------------------------


def _coodie(options: argparse.Namespace) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Return what makes a data frame, and what makes Arrow data."""
    import pandas as pd

    import coodie

    driver = coodie.init_coodie(["127.0.0.1"], port=options.port, driver_type=options.driver)
    text = select_rows(options.rows)

    def arrow() -> Any:
        return driver.execute(text, [READ_PART], rows="arrow")

    return lambda: pd.DataFrame.from_arrow(arrow()), arrow


def _driver(options: argparse.Namespace, *, numpy: bool) -> tuple[Callable[[], Any], None]:
    import pandas as pd
    from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile

    def framed(names: Any, rows: Any) -> Any:
        return [pd.DataFrame(rows, columns=names)]

    def as_is(_names: Any, rows: Any) -> Any:
        return [pd.DataFrame(rows)] if isinstance(rows, dict) else [pd.DataFrame(one) for one in rows]

    profile = ExecutionProfile(row_factory=as_is if numpy else framed, request_timeout=600)
    cluster = Cluster(["127.0.0.1"], port=options.port, execution_profiles={EXEC_PROFILE_DEFAULT: profile})
    session = cluster.connect()
    if numpy:
        from cassandra.protocol import NumpyProtocolHandler

        if NumpyProtocolHandler is None:
            raise Missing("the driver was built without numpy")
        session.client_protocol_handler = NumpyProtocolHandler
    session.default_fetch_size = _PAGE
    statement = session.prepare(select_rows(options.rows))

    def frame() -> Any:
        result = session.execute(statement, [READ_PART])
        pages = [*result.current_rows]
        while result.has_more_pages:
            result.fetch_next_page()
            pages += result.current_rows
        return pd.concat(pages, ignore_index=True)

    return frame, None


def _peer(options: argparse.Namespace, where: str) -> tuple[Callable[[], Any], None]:
    import pandas as pd

    module, _, name = where.partition(":")
    client = getattr(import_module(f"contestants.{module}"), name)()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(client.open(Target("127.0.0.1", options.port)))
    statement = loop.run_until_complete(client.prepare(select_rows(options.rows)))
    return lambda: pd.DataFrame(loop.run_until_complete(client.read_all(statement, [READ_PART]))), None


_MAKERS: dict[str, Callable[[argparse.Namespace], tuple[Callable[[], Any], Any]]] = {
    "coodie+accel": _coodie,
    "coodie": _coodie,
    "driver, pandas": partial(_driver, numpy=False),
    "driver, numpy": partial(_driver, numpy=True),
    "acsylla": partial(_peer, where="acsylla_client:Acsylla"),
    "scylladb-rs-driver": partial(_peer, where="scylladb_rs_client:ScylladbRs"),
}


def _arrow_growth(arrow: Callable[[], Any]) -> float:
    """Return the growth of the peak while a result is read, divided by the size of its data."""
    import pyarrow as pa

    arrow()
    forget_peak()
    before = memory()
    table = pa.table(arrow())
    return float((peak() - before) / table.nbytes)


def child(options: argparse.Namespace) -> None:
    """Measure when a line arrives, and print what was used."""
    if options.child == "coodie+accel":
        from coodie.protocol._accelerator import accelerator

        if accelerator() is None:
            raise Missing("the accelerator isn't built: make accel")
    frame, arrow = _MAKERS[options.child](options)
    count = len(frame())
    if count != options.rows:
        raise AssertionError(f"expected {options.rows} rows, got {count}")
    print(json.dumps({"ready": True}), flush=True)
    for _ in sys.stdin:
        with measured() as spent:
            frame()
        print(json.dumps({"cpu": spent.cpu, "wall": spent.wall}), flush=True)
    if arrow is not None:
        print(json.dumps({"memory": _arrow_growth(arrow)}), flush=True)


# --- the turns, in the parent -------------------------------------------------------------


def _start(name: str, options: argparse.Namespace, port: int) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--child", name, "--port", str(port)]
    command += ["--driver", options.driver, "--rows", str(options.rows)]
    path = [str(_ACCELERATOR)] if name == "coodie+accel" else []
    path += [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []
    variables = os.environ | {"PYTHONPATH": os.pathsep.join(path)}
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=variables, bufsize=1
    )


def _answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    line = process.stdout.readline() if process.stdout else ""
    found: dict[str, Any] = json.loads(line) if line else {"missing": "it failed, see above"}
    return found


def main() -> None:
    """Run all ways by turns, and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--driver", default="scylla", choices=["scylla", "cassandra"])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--child", choices=list(WAYS), help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        try:
            child(options)
        except (Missing, ImportError) as exc:
            print(json.dumps({"missing": str(exc)}), flush=True)
        return

    found: dict[str, list[dict[str, float]]] = {}
    with stub.running(stub.build()) as port:
        running = {}
        for name in options.ways:
            process = _start(name, options, port)
            missing = _answer(process).get("missing")
            if missing is None:
                running[name], found[name] = process, []
            else:
                print(f"{name}: left out, {missing}")
        for _ in range(options.rounds):
            for name, process in running.items():
                print("go", file=process.stdin, flush=True)
                found[name].append(_answer(process))
        growth = {}
        for name, process in running.items():
            if process.stdin:
                process.stdin.close()
            growth[name] = _answer(process).get("memory") if "coodie" in name else None
            process.wait()
    _print(found, growth, options.rows)


def _print(found: dict[str, list[dict[str, float]]], growth: dict[str, float | None], rows: int) -> None:
    medians = {
        name: {what: statistics.median(one[what] for one in turns) for what in ("cpu", "wall")}
        for name, turns in found.items()
    }
    base = medians.get("driver, pandas")
    print(f"{rows:,} rows to pandas; ratios to the driver with a pandas row factory")
    for name, spent in medians.items():
        ratios = "".join(f"{spent[what] / base[what]:8.3f}" for what in ("cpu", "wall")) if base else ""
        more = "" if growth[name] is None else f"  memory ÷ Arrow data {growth[name]:.2f}"
        print(f"{name:20} CPU {spent['cpu']:7.2f} s  wall {spent['wall']:7.2f} s  {ratios}{more}")


if __name__ == "__main__":
    main()
