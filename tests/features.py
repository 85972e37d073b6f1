"""Features of Cassandra that tests need, and that not all of its versions have.

A test that needs one has ``@pytest.mark.needs("vectors")``, and is skipped on other servers. A test that only
leaves something out on other servers uses the fixture ``features``.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

import pytest

__all__ = ["Features"]

#: The first major version of Cassandra with a feature.
_SINCE: dict[str, float] = {
    "vectors": 5,
    "storage-attached indexes": 5,
    "UnifiedCompactionStrategy": 5,
    "incremental_backups": 5,  # and allow_auto_snapshot, options of tables
    # 4.1 takes a partition key of one column of CompositeType for one of several columns: a SELECT returns
    # the first component instead of the value.
    "whole composite keys": 5,
    "TLS 1.3 session tickets": 5,  # Java 11, on which 4.1 runs here, sends none
    "types named int": 0,
    "markers named partition key token": 0,
}
#: The first major version without a feature: 6.0-alpha2 reads the user-defined type "int" as the native one,
#: and the marker for a token has the name `token(id)`.
_UNTIL: dict[str, float] = {"types named int": 6, "markers named partition key token": 6}


@dataclass(frozen=True, slots=True)
class Features:
    """The features of a server.

    Args:
        version: Its ``release_version``; ScyllaDB announces 3.0.
    """

    version: str

    def __contains__(self, name: str) -> bool:
        return _SINCE[name] <= int(self.version.partition(".")[0]) < _UNTIL.get(name, inf)

    def require(self, *names: str) -> None:
        """Skip the test unless the server has all of these features."""
        missing = [name for name in names if name not in self]
        if missing:
            pytest.skip(f"Cassandra {self.version} has no {', '.join(missing)}")
