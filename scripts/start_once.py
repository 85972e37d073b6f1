"""Start a local Cassandra and stop it; runs in an environment that has coodie-local.

The first start downloads Cassandra: here it shows its progress, and fails once instead of in each test.
"""

from __future__ import annotations

import sys
import tempfile

from coodie_local import LocalNode, LocalNodeError


def main() -> int:
    """Start a node in a throw-away directory.

    Returns:
        The exit status; 1 where it didn't start, after the reason was printed.
    """
    with tempfile.TemporaryDirectory() as directory:
        try:
            with LocalNode("start-once", profile="ephemeral", directory=directory) as node:
                print(f"   a Cassandra answered on {node.host}:{node.port}")
        except LocalNodeError as exc:
            print(exc, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
