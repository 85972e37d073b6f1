"""``python -m coodie_doctor``: `coodie doctor`, without click, rich, or a sound package ``coodie``."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

from coodie_doctor.examination import connect_task, examine

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Examine, print, and return the exit status: 0 where all is well, 1 where it isn't."""
    parser = argparse.ArgumentParser(prog="python -m coodie_doctor", description="Find out what is wrong.")
    parser.add_argument("--host", action="append", default=[], help="connect to this host; may be repeated")
    parser.add_argument("--driver", help="the backend to connect with; by default the one that is ready")
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="an option of init_coodie, such as port=9142; may be repeated",
    )
    parser.add_argument("--password-env", metavar="NAME", help="the environment variable with the password")
    parser.add_argument("--timeout", type=float, default=30.0, help="seconds for each backend")
    parser.add_argument("--json", action="store_true", help="for programs")
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
