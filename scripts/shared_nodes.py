"""Run the local Cassandra nodes for all test processes of one `make`, until SIGINT or SIGTERM.

Requires an environment with coodie-local. The first start downloads Cassandra: here, the progress is visible,
and a failure is reported only once.
"""

from __future__ import annotations

import signal
import sys
import threading

from coodie_local._pytest_servers import ClusterHost
from coodie_local.testserver import ServerSettings


def main() -> int:
    """Start a default node, print the socket's address for test processes, and wait for a signal.

    Returns:
        The exit code; 1 if the node didn't start, after printing the reason.
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
