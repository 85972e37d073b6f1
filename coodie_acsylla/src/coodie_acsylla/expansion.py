"""``SELECT *`` with the names of its columns.

The client decodes all results of a prepared statement by the columns that it had when it was prepared. If a
table gets another column, the server's rows for ``*`` have it at once, and the client would return values of
one column as those of another. Named columns stay the same until the statement is prepared again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from coodie.cql import quoted_name

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["selects_all", "with_columns"]

#: White space and comments (Cassandra's Lexer.g).
_SKIP = r"(?:\s|--[^\n\r]*|//[^\n\r]*|/\*.*?\*/)*"
_SELECT_ALL = re.compile(rf"(?P<head>{_SKIP}SELECT\b{_SKIP})\*", re.IGNORECASE | re.DOTALL)


def selects_all(cql: str) -> bool:
    """Return whether ``with_columns`` changes a statement."""
    return _SELECT_ALL.match(cql) is not None


def with_columns(cql: str, names: Sequence[str]) -> str:
    """Return the statement with quoted names in place of ``*`` after SELECT; unchanged if it has none.

    Args:
        cql: The CQL text.
        names: The names of the columns of its result.
    """
    found = _SELECT_ALL.match(cql)
    if found is None or not names:
        return cql
    columns = ", ".join(map(quoted_name, names))
    return f"{found['head']}{columns}{cql[found.end() :]}"
