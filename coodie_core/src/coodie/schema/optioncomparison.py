"""Table options compared with the server's by what they mean, not by how they are written.

The meanings are those of Cassandra 5.0 (TableAttributes, CompressionParams, CachingParams,
SpeculativeRetryPolicy, as stored in ``system_schema.tables``) with ScyllaDB's spellings beside them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from coodie.schema.identifiers import quote_literal
from coodie.schema.options import write_value

if TYPE_CHECKING:
    from coodie.schema.options import OptionValue

__all__ = ["OptionComparison", "compare_options"]

#: Options of ScyllaDB that system_schema.tables has no column for.
_UNSHOWN = (
    "cdc",
    "in_memory",
    "paxos_grace_seconds",
    "per_partition_rate_limit",
    "synchronous_updates",
    "tablets",
    "tombstone_gc",
)
#: What an option is where the server shows null.
_NULL_MEANS: dict[str, OptionValue] = {
    "allow_auto_snapshot": True,
    "cdc": False,
    "incremental_backups": True,
    "memtable": "default",
}
#: What an option is on every server unless somebody set it, so that another value can be told of.
_DEFAULTS: dict[str, OptionValue] = {
    **_NULL_MEANS,
    "additional_write_policy": "99p",
    "comment": "",
    "crc_check_chance": 1.0,
    "default_time_to_live": 0,
    "gc_grace_seconds": 864000,
    "max_index_interval": 2048,
    "memtable_flush_period_in_ms": 0,
    "min_index_interval": 128,
    "read_repair": "BLOCKING",
    "speculative_retry": "99p",
}
#: What servers fill in, or leave out, where a map doesn't say: Cassandra's first, then ScyllaDB's.
_MAP_DEFAULTS: dict[str, dict[str, tuple[str, ...]]] = {
    "caching": {"keys": ("ALL",), "rows_per_partition": ("NONE", "ALL")},
    "compaction": {"enabled": ("true",), "max_threshold": ("32",), "min_threshold": ("4",)},
    "compression": {"chunk_length_in_kb": ("16", "4"), "min_compress_ratio": ("0",)},
}
#: Names of compression's entries in Cassandra 2 and ScyllaDB → in Cassandra 5.
_COMPRESSION_NAMES = {"sstable_compression": "class", "chunk_length_kb": "chunk_length_in_kb"}
_BOOLEANS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
_PERCENTILE = re.compile(r"(\d+(?:\.\d+)?)(?:P|PERCENTILE)")
_MILLISECONDS = re.compile(r"(\d+(?:\.\d+)?)MS")
_HYBRID = re.compile(r"(MIN|MAX)\(([^,]+),([^,]+)\)")
_POLICIES = ("additional_write_policy", "speculative_retry")


@dataclass(frozen=True, slots=True)
class OptionComparison:
    """What is to be done about a table's options."""

    #: Options to set, with their whole new value.
    changes: Mapping[str, OptionValue]
    #: What makes it impossible.
    problems: tuple[str, ...] = ()
    #: What the server has and the definition doesn't.
    notes: tuple[str, ...] = ()


def compare_options(wanted: Mapping[str, OptionValue], shown: Mapping[str, Any]) -> OptionComparison:
    """Compare options by meaning with a row of ``system_schema.tables``.

    Args:
        wanted: What ``check_options`` returned.
        shown: The row.

    Returns:
        The options to set. A map is replaced as a whole by CQL, so what the server has in it
        beside the wanted entries is kept in the new value, unless its class changes.
    """
    changes: dict[str, OptionValue] = {}
    problems: list[str] = []
    notes: list[str] = []
    for name, value in wanted.items():
        # Cassandra shows cdc only where it is switched on (cdc_enabled in cassandra.yaml).
        hidden = name == "cdc" and shown.get(name) is None and _BOOLEANS.get(str(value).lower()) is not False
        if name not in shown or hidden:
            if name in _UNSHOWN:
                notes.append(f"option {name}: this server doesn't show it, so it is left as it is")
            else:
                problems.append(
                    f"option {name}: the server knows no such option, wanted {write_value(value)}"
                )
            continue
        current = _current(name, shown[name])
        change: OptionValue | None
        try:
            if isinstance(current, dict):
                change = _compare_maps(name, value, current, notes)
            else:
                change = None if _same(name, value, current) else value
        except ValueError as exc:
            problems.append(
                f"option {name}: server {write_value(current)}, wanted {write_value(value)}, {exc}"
            )
            continue
        if change is not None:
            changes[name] = change
    for name, default in _DEFAULTS.items():
        if name in shown and name not in wanted:
            current = _current(name, shown[name])
            if not isinstance(current, dict) and not _same(name, default, current):
                notes.append(
                    f"option {name} = {write_value(current)} is on the server, not in the definition"
                )
    return OptionComparison(changes, tuple(problems), tuple(notes))


def _current(name: str, shown: Any) -> OptionValue:
    if shown is None:
        return _NULL_MEANS.get(name, "")
    if isinstance(shown, Mapping):
        return {str(key): str(item) for key, item in shown.items()}
    return shown if isinstance(shown, (str, int, float)) else str(shown)


def _same(name: str, wanted: OptionValue, current: str | float) -> bool:
    """Whether two values of an option that isn't a map mean the same; ValueError if one can't be."""
    if isinstance(wanted, dict):
        raise ValueError("which is a single value on this server, not a dict")  # noqa: TRY004 - told, not raised
    text = str(wanted).strip()
    if isinstance(current, bool):
        if text.lower() not in _BOOLEANS:
            raise ValueError("which isn't true or false")
        return _BOOLEANS[text.lower()] is current
    if isinstance(current, int):
        if isinstance(wanted, bool) or not re.fullmatch(r"[+-]?\d+", text):
            raise ValueError("which isn't a whole number")
        return int(text) == current
    if isinstance(current, float):
        number = _number(text)
        if number is None:
            raise ValueError("which isn't a number")
        return number == current
    if name in _POLICIES:
        return _policy(text) == _policy(current)
    if name == "read_repair":
        return text.upper() == current.upper()
    return str(wanted) == current


def _policy(text: str) -> str:
    """Return a retry policy in one spelling: 99PERCENTILE is 99p, 50.9ms is cut to 50ms."""
    text = re.sub(r"\s", "", text).upper()
    if match := _HYBRID.fullmatch(text):
        return f"{match[1]}({','.join(sorted((_policy(match[2]), _policy(match[3]))))})"
    if match := _PERCENTILE.fullmatch(text):
        return f"{float(match[1])}P"
    if match := _MILLISECONDS.fullmatch(text):
        return f"{int(float(match[1]))}MS"
    return "NEVER" if text == "NONE" else text


def _compare_maps(
    name: str, wanted: OptionValue, current: dict[str, str], notes: list[str]
) -> dict[str, str] | None:
    """Return the map to set, or None where all that is wanted is there."""
    if not isinstance(wanted, dict):
        raise ValueError("which isn't a dict")  # noqa: TRY004 - told, not raised
    if name == "compression":
        spelling = {new: old for old, new in _COMPRESSION_NAMES.items() if old in current}
        change = _compare_entries(name, _compression(wanted), _compression(current), notes)
        return None if change is None else {spelling.get(key, key): item for key, item in change.items()}
    return _compare_entries(name, wanted, current, notes)


def _compression(entries: dict[str, str]) -> dict[str, str]:
    """Use one spelling of the entries, and one way to say that nothing is compressed."""
    renamed = {_COMPRESSION_NAMES.get(key, key): item for key, item in entries.items()}
    if renamed.pop("enabled", "true").lower() == "false" or renamed.get("class") == "":
        return {"enabled": "false"}
    return renamed


def _compare_entries(
    name: str, wanted: dict[str, str], current: dict[str, str], notes: list[str]
) -> dict[str, str] | None:
    if "class" in wanted and not _same_text("class", wanted["class"], current.get("class", "")):
        return wanted
    if wanted == {"enabled": "false"} and name == "compression":
        return None if current == wanted else wanted
    defaults = _MAP_DEFAULTS.get(name, {})
    extra = {key: item for key, item in current.items() if key not in wanted}
    if any(
        not _same_text(key, item, current.get(key, defaults.get(key, ("",))[0]))
        for key, item in wanted.items()
    ):
        return {**wanted, **extra}
    for key, item in extra.items():
        if key != "class" and not any(_same_text(key, item, default) for default in defaults.get(key, ())):
            notes.append(
                f"option {name}[{key!r}] = {quote_literal(item)} is on the server, not in the definition"
            )
    return None


def _same_text(key: str, one: str, other: str) -> bool:
    """Whether two entries of a map mean the same: 0.10 is 0.1, TRUE is true, a class needs no package."""
    if key == "class":
        return one.rpartition(".")[2] == other.rpartition(".")[2]
    numbers = _number(one), _number(other)
    if None not in numbers:
        return numbers[0] == numbers[1]
    return re.sub(r"\s", "", one).casefold() == re.sub(r"\s", "", other).casefold()


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
