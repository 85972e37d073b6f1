"""The kit's keyspace, and the tables that its checks share."""

from __future__ import annotations

import itertools
import uuid
from typing import TYPE_CHECKING

from coodie.capabilities import Capability
from coodie.exceptions import InvalidQueryError
from coodie_testing.api import SCHEMA_TIMEOUT
from coodie_testing.values import VALUE_CASES, VECTOR_CASES

if TYPE_CHECKING:
    from coodie.contract.driver import AbstractDriver

__all__ = ["MANY", "Workspace"]

#: Rows in the partition ``many`` of the table ``items``: more than any client's default page.
MANY = 11_000

#: Rows written with one request while the table is filled.
_AT_ONCE = 250


class Workspace:
    """A keyspace, its tables, and unique names.

    Creating tables is slow in Cassandra, so checks share them, and use different keys.
    """

    def __init__(self) -> None:
        #: The keyspace's name.
        self.keyspace = f"kit_{uuid.uuid4().hex[:12]}"
        #: A keyspace of three replicas, of which one node has too few.
        self.thrice = f"{self.keyspace}_thrice"
        #: ``p text, c int, v text, n int, s text static``, keyed by p and c.
        self.items = f"{self.keyspace}.items"
        #: ``k text, n counter``.
        self.counters = f"{self.keyspace}.counters"
        #: ``k text`` and a column of each type: ``values_column`` has their names.
        self.values = f"{self.keyspace}.values_of_types"
        #: ``k text`` and a column of each vector type.
        self.vectors = f"{self.keyspace}.vectors"
        #: ``k text, p frozen<point>, m map<text, frozen<point>>, l list<frozen<point>>``, where point has
        #: x int and label text.
        self.points = f"{self.keyspace}.points"
        #: ``k text, t tuple<set<int>, map<text, int>>``, keyed by both, and timestamps: ``at, ats, at_set,
        #: at_map, at_pair``.
        self.nested = f"{self.keyspace}.nested"
        #: ``k text, e frozen<event>, es list<frozen<event>>``, keyed by k and e, where event has ``at
        #: timestamp, tags set<int>, names map<text, int>, times list<timestamp>``.
        self.events = f"{self.keyspace}.events"
        #: A table of the keyspace ``thrice``: ``k text, v int``.
        self.unavailable = f"{self.thrice}.items"
        #: The server's error for a table with vectors; empty if it has them.
        self.no_vectors = ""
        self._numbers = itertools.count()
        self._made: set[str] = set()

    def new_name(self) -> str:
        """Return an unused table name, without the keyspace."""
        return f"t{next(self._numbers)}_{uuid.uuid4().hex[:8]}"

    def new_table(self) -> str:
        """Return an unused table name, with the keyspace."""
        return f"{self.keyspace}.{self.new_name()}"

    def prepare(self, driver: AbstractDriver) -> None:
        """Create the tables for this driver's checks that don't exist yet."""
        # Without the commit log, which Cassandra flushes for each table that is dropped.
        one, three = (
            f"{{'class': 'SimpleStrategy', 'replication_factor': {replicas}}} AND durable_writes = false"
            for replicas in (1, 3)
        )
        self._make(driver, f"CREATE KEYSPACE IF NOT EXISTS {self.keyspace} WITH replication = {one}")
        self._make(
            driver,
            f"CREATE TABLE IF NOT EXISTS {self.items} (p text, c int, v text, n int, s text static, "
            "PRIMARY KEY (p, c))",
        )
        self._make(driver, f"CREATE TABLE IF NOT EXISTS {self.counters} (k text PRIMARY KEY, n counter)")
        columns = ", ".join(f"{case.column} {case.cql}" for case in VALUE_CASES)
        self._make(driver, f"CREATE TABLE IF NOT EXISTS {self.values} (k text PRIMARY KEY, {columns})")
        self._make(
            driver,
            f"CREATE TABLE IF NOT EXISTS {self.nested} (k text, "
            "t frozen<tuple<frozen<set<int>>, frozen<map<text, int>>>>, at timestamp, ats list<timestamp>, "
            "at_set set<timestamp>, at_map map<timestamp, frozen<list<timestamp>>>, "
            "at_pair tuple<timestamp, frozen<set<timestamp>>>, PRIMARY KEY (k, t))",
        )
        if Capability.VECTORS in driver.capabilities:
            self._make_vectors(driver)
        if Capability.USER_DEFINED_TYPES in driver.capabilities:
            self._make(driver, f"CREATE TYPE IF NOT EXISTS {self.keyspace}.point (x int, label text)")
            self._make(
                driver,
                f"CREATE TABLE IF NOT EXISTS {self.points} (k text PRIMARY KEY, p frozen<point>, "
                "m map<text, frozen<point>>, l list<frozen<point>>)",
            )
            self._make(
                driver,
                f"CREATE TYPE IF NOT EXISTS {self.keyspace}.event (at timestamp, tags frozen<set<int>>, "
                "names frozen<map<text, int>>, times frozen<list<timestamp>>)",
            )
            self._make(
                driver,
                f"CREATE TABLE IF NOT EXISTS {self.events} (k text, e frozen<event>, "
                "es list<frozen<event>>, PRIMARY KEY (k, e))",
            )
        if Capability.CONSISTENCY in driver.capabilities:
            self._make(driver, f"CREATE KEYSPACE IF NOT EXISTS {self.thrice} WITH replication = {three}")
            self._make(driver, f"CREATE TABLE IF NOT EXISTS {self.unavailable} (k text PRIMARY KEY, v int)")
        self._fill(driver)

    def drop(self, driver: AbstractDriver) -> None:
        """Drop both keyspaces: a server with many tables makes connecting slow, and needs memory for each.

        Args:
            driver: A driver that is connected to their server.
        """
        for keyspace in (self.keyspace, self.thrice):
            driver.execute(f"DROP KEYSPACE IF EXISTS {keyspace}", [], timeout=SCHEMA_TIMEOUT)

    def _make_vectors(self, driver: AbstractDriver) -> None:
        """Create the table of vectors, unless the server doesn't have them."""
        columns = ", ".join(f"{case.column} {case.cql}" for case in VECTOR_CASES)
        try:
            self._make(driver, f"CREATE TABLE IF NOT EXISTS {self.vectors} (k text PRIMARY KEY, {columns})")
        except InvalidQueryError as exc:
            self.no_vectors = str(exc)

    def _make(self, driver: AbstractDriver, statement: str) -> None:
        if statement not in self._made:
            driver.execute(statement, [], timeout=SCHEMA_TIMEOUT)
            self._made.add(statement)

    def _fill(self, driver: AbstractDriver) -> None:
        """Fill the partition ``many``."""
        if "filled" in self._made:
            return
        insert = f"INSERT INTO {self.items} (p, c) VALUES ('many', ?);"
        batch = f"BEGIN UNLOGGED BATCH {insert * _AT_ONCE} APPLY BATCH"
        for first in range(0, MANY, _AT_ONCE):
            driver.execute(batch, list(range(first, first + _AT_ONCE)))
        self._made.add("filled")
