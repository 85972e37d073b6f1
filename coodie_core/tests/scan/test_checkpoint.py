"""Checkpoints: JSON there and back, and digests that are the same for the same key everywhere."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from coodie.exceptions import ConfigurationError
from coodie.scan.checkpoint import Begun, Checkpoint, digest_of, digest_of_values, digests_in
from coodie.scan.ring import TokenRange


def test_there_and_back() -> None:
    """What JSON makes of a checkpoint is the same one; tokens of 64 bits are text."""
    begun = [
        Begun(TokenRange(-(2**63) + 1, 5), b"\0page", digest_of(1) + digest_of(2)),
        Begun(TokenRange(6, 2**63 - 1)),
    ]
    value = Checkpoint("SELECT 1", 7, 2**64, [TokenRange(1, 2)], begun).as_json()
    again = Checkpoint.from_json(json.loads(json.dumps(value)))
    assert again.as_json() == value
    assert (again.rows, again.tokens, again.left) == (7, 2**64, [TokenRange(1, 2)])
    assert again.begun[0].state == b"\0page"
    assert digests_in(again.begun[0].delivered) == {digest_of(1), digest_of(2)}


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        "text",
        {"coodie_scan": 2},
        {"coodie_scan": 1, "statement": "", "rows": 0, "tokens": "0", "left": ["1"], "begun": []},
        {"coodie_scan": 1, "statement": "", "rows": 0, "tokens": "0", "left": ["2:1"], "begun": []},
        {
            "coodie_scan": 1,
            "statement": "",
            "rows": 0,
            "tokens": "0",
            "left": ["0:9999999999999999999"],
            "begun": [],
        },
        {"coodie_scan": 1, "statement": "", "rows": 0, "tokens": "0", "left": [], "begun": [{}]},
        {
            "coodie_scan": 1,
            "statement": "",
            "rows": 0,
            "tokens": "0",
            "left": [],
            "begun": [{"range": "1:2", "page": None, "delivered": "abc", "rows": 0}],
        },
    ],
)
def test_others_are_refused(value: Any) -> None:
    """Anything else is refused, with the argument's name."""
    with pytest.raises(ConfigurationError, match="isn't a result of Scan") as caught:
        Checkpoint.from_json(value)
    assert caught.value.option == "checkpoint"


def test_digests() -> None:
    """Equal keys have the same digest whatever the order of their sets; others have another."""
    assert digest_of(({"x", "y"}, {"k": 1, "l": 2})) == digest_of([{"y", "x"}, {"l": 2, "k": 1}])
    assert len({digest_of(key) for key in [1, "1", b"1", (1,), (1, None), {1}, None]}) == 7
    with pytest.raises(ConfigurationError, match="keys and parameters by their repr, and object has none"):
        digest_of([object()])
    assert digest_of_values([]) == digest_of_values({}) == ""
    assert "secret" not in digest_of_values(["secret"])


def test_digests_of_another_process() -> None:
    """A process with another hash seed makes the same digest of a set of strings."""
    code = "from coodie.scan.checkpoint import digest_of; print(digest_of({'a', 'b', 'c', 'd'}))"
    made = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert made == {digest_of({"a", "b", "c", "d"})}
