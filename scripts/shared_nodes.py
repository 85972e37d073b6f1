"""Run the local Cassandra nodes that all test processes of one `make` share, until SIGINT or SIGTERM.

Runs in an environment that has coodie-local. The first start downloads Cassandra: here it shows its progress,
and fails once instead of in each test.
"""

from __future__ import annotations

import signal
import sys
import threading

from coodie_local._pytest_servers import ClusterHost
from coodie_local.testserver import ServerSettings


def main() -> int:
    """Start a plain node, print the address at which test processes ask for nodes, and wait for the end.

    Returns:
        The exit status; 1 where the node didn't start, after the reason was printed.
    """
    ended = threading.Event()
    host = ClusterHost()
    try:
        for signum in (signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, lambda *_: ended.set())
        answer = host.start(ServerSettings())
        if "error" in answer:
            print(answer["error"], file=sys.stderr)
            return 1
        print(f"ready at {host.address}", flush=True)
        ended.wait()
    finally:
        host.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
