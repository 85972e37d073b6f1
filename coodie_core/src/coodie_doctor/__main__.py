"""``python -m coodie_doctor``: ``coodie doctor`` without click and rich, and without an intact ``coodie``."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from coodie_doctor.examination import connect_task, examine

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks, print the report, and return the exit code: 0 if there are no problems, or else 1."""
    parser = argparse.ArgumentParser(
        prog="python -m coodie_doctor", description="Find problems of the installation."
    )
    parser.add_argument("--host", action="append", default=[], help="connect to this host; may be repeated")
    parser.add_argument("--driver", help="the backend to connect with; by default, the usable one")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of init_coodie, such as port=9142; may be repeated",
    )
    parser.add_argument("--password-env", metavar="NAME", help="the environment variable with the password")
    parser.add_argument("--timeout", type=float, default=30.0, help="timeout for each backend in seconds")
    parser.add_argument("--json", action="store_true", help="print JSON")
    given = parser.parse_args(arguments)
    try:
        connect = connect_task(given.host, given.driver, given.option, given.password_env)
    except ValueError as exc:
        parser.error(str(exc))
    report = examine(connect, timeout=given.timeout)
    print(report.as_json() if given.json else report.as_text())  # noqa: T201 - that's what it's for
    return 0 if report.ok else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\nInterrupted.", file=sys.stderr)  # noqa: T201 - as above
        sys.exit(130)
