"""Options by meaning: each pair of values was seen on Cassandra 5.0.9, unless it says ScyllaDB."""

from __future__ import annotations

from typing import Any

import pytest

from coodie.schema.diff import compare_options
from coodie.schema.options import check_options

STCS = "org.apache.cassandra.db.compaction.SizeTieredCompactionStrategy"
LZ4 = "org.apache.cassandra.io.compress.LZ4Compressor"


def changes(wanted: dict[str, Any], shown: dict[str, Any]) -> dict[str, Any]:
    """Return the options that would be set, where nothing is impossible."""
    result = compare_options(check_options(wanted), shown)
    assert not result.problems
    return dict(result.changes)


@pytest.mark.parametrize(
    ("name", "wanted", "shown"),
    [
        ("gc_grace_seconds", 5, 5),
        ("gc_grace_seconds", "5", 5),
        ("crc_check_chance", 1, 1.0),
        ("bloom_filter_fp_chance", "0.10", 0.1),
        ("cdc", "yes", True),
        ("cdc", 1, True),
        ("cdc", False, None),
        ("comment", "it's", "it's"),
        ("read_repair", "none", "NONE"),
        ("speculative_retry", "75PERCENTILE", "75p"),
        ("speculative_retry", "99p", "99.0PERCENTILE"),  # ScyllaDB
        ("speculative_retry", "NONE", "NEVER"),
        ("speculative_retry", "max(50MS, 99PERCENTILE)", "MAX(99p,50ms)"),
        ("additional_write_policy", "50.5ms", "50ms"),
        ("additional_write_policy", "always", "ALWAYS"),
        ("memtable", "default", None),
        ("incremental_backups", True, None),
        ("allow_auto_snapshot", False, False),
        (
            "caching",
            {"keys": "none", "rows_per_partition": 100},
            {"keys": "NONE", "rows_per_partition": "100"},
        ),
        ("caching", {"keys": "ALL"}, {"keys": "ALL", "rows_per_partition": "NONE"}),
        ("compaction", {"class": "SizeTieredCompactionStrategy"}, {"class": STCS, "min_threshold": "4"}),
        ("compaction", {"class": STCS, "enabled": True}, {"class": STCS}),
        ("compaction", {"class": STCS, "min_threshold": "4"}, {"class": STCS}),
        (
            "compaction",
            {"class": STCS, "tombstone_threshold": 0.2},
            {"class": STCS, "tombstone_threshold": "0.20"},
        ),
        (
            "compaction",
            {"class": "U", "scaling_parameters": "T4,L8"},
            {"class": "x.U", "scaling_parameters": "T4, L8"},
        ),
        ("compression", {"class": "LZ4Compressor"}, {"class": LZ4, "chunk_length_in_kb": "16"}),
        ("compression", {"class": "LZ4Compressor", "enabled": True, "min_compress_ratio": 0}, {"class": LZ4}),
        ("compression", {"enabled": False}, {"enabled": "false"}),
        ("compression", {"class": "LZ4Compressor"}, {"sstable_compression": LZ4}),  # ScyllaDB
        ("compression", {"enabled": "false"}, {"sstable_compression": ""}),  # ScyllaDB
    ],
)
def test_the_same_in_other_words(name: str, wanted: Any, shown: Any) -> None:
    """Two spellings of one value change nothing."""
    assert changes({name: wanted}, {name: shown}) == {}


@pytest.mark.parametrize(
    ("name", "wanted", "shown", "change"),
    [
        ("gc_grace_seconds", 6, 5, 6),
        ("comment", "A", "a", "A"),
        ("cdc", True, False, True),
        ("memtable", "trie", None, "trie"),
        ("speculative_retry", "98p", "99p", "98p"),
        (
            "caching",
            {"keys": "NONE"},
            {"keys": "ALL", "rows_per_partition": "10"},
            {"keys": "NONE", "rows_per_partition": "10"},
        ),
        (
            "compaction",
            {"class": "L", "a": 1},
            {"class": STCS, "min_threshold": "6"},
            {"class": "L", "a": "1"},
        ),
        (
            "compaction",
            {"class": STCS, "min_threshold": 5},
            {"class": STCS, "x": "6"},
            {"class": STCS, "min_threshold": "5", "x": "6"},
        ),
        ("compression", {"enabled": False}, {"class": LZ4, "chunk_length_in_kb": "16"}, {"enabled": "false"}),
        ("compression", {"class": "LZ4Compressor"}, {"enabled": "false"}, {"class": "LZ4Compressor"}),
        (
            "compression",
            {"chunk_length_in_kb": 4},
            {"sstable_compression": LZ4},
            {"chunk_length_in_kb": "4", "sstable_compression": LZ4},
        ),
    ],
)
def test_another_value(name: str, wanted: Any, shown: Any, change: Any) -> None:
    """What differs is set; a map keeps what the server has in it, unless its class changes."""
    assert changes({name: wanted}, {name: shown}) == {name: change}


@pytest.mark.parametrize(
    ("name", "wanted", "shown", "why"),
    [
        ("gc_grace_seconds", "5s", 5, "isn't an integer"),
        ("gc_grace_seconds", True, 5, "isn't an integer"),
        ("gc_grace_seconds", 5.0, 5, "isn't an integer"),
        ("crc_check_chance", "x", 1.0, "isn't a number"),
        ("cdc", "on", False, "isn't true or false"),
        ("cdc", {"enabled": True}, False, "single value"),
        ("compaction", "LeveledCompactionStrategy", {"class": STCS}, "isn't a dict"),
    ],
)
def test_values_that_the_option_cannot_have(name: str, wanted: Any, shown: Any, why: str) -> None:
    """A value of the wrong kind is a problem that names the option, both values and the reason."""
    result = compare_options(check_options({name: wanted}), {name: shown})
    (problem,) = result.problems
    assert why in problem
    assert problem.startswith(f"option {name}: server ")
    assert not result.changes


def test_an_unknown_option_is_a_problem() -> None:
    """A misspelt option isn't passed over on a table that is there already."""
    result = compare_options(check_options({"gc_grace_second": 5}), {"gc_grace_seconds": 5})
    assert result.problems == ("option gc_grace_second: the server doesn't have this option, wanted 5",)


def test_an_option_that_the_server_does_not_show_is_told_of() -> None:
    """ScyllaDB keeps some options elsewhere: left as they are, and said so."""
    result = compare_options(check_options({"tombstone_gc": {"mode": "repair"}}), {})
    assert not result.changes
    assert not result.problems
    assert result.notes == ("option tombstone_gc: this server doesn't show it, so it isn't changed",)


def test_cdc_that_the_server_does_not_show_is_left_alone() -> None:
    """With cdc_enabled: false Cassandra stores no cdc, whatever is set: setting it again is no end."""
    result = compare_options(check_options({"cdc": True}), {"cdc": None})
    assert result.changes == {}
    assert result.notes == ("option cdc: this server doesn't show it, so it isn't changed",)


def test_what_only_the_server_has_is_told_of() -> None:
    """Options that somebody set, and entries in a map, are named and left alone."""
    shown = {
        "comment": "by hand",
        "gc_grace_seconds": 864000,
        "compaction": {"class": STCS, "max_threshold": "32", "min_threshold": "9"},
    }
    result = compare_options(check_options({"compaction": {"class": STCS}}), shown)
    assert not result.changes
    assert result.notes == (
        "option compaction['min_threshold'] = '9' is on the server, not in the definition",
        "option comment = 'by hand' is on the server, not in the definition",
    )
