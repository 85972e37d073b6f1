"""Consistency levels by name."""

from __future__ import annotations

import pytest

from coodie.consistency import CONSISTENCY_LEVELS, SERIAL_CONSISTENCY_LEVELS, parse_consistency
from coodie.exceptions import ConfigurationError


def test_levels_are_the_protocols() -> None:
    """Names and codes are those of native_protocol_v5.spec, section 3."""
    names = "ANY ONE TWO THREE QUORUM ALL LOCAL_QUORUM EACH_QUORUM SERIAL LOCAL_SERIAL LOCAL_ONE"
    assert " ".join(CONSISTENCY_LEVELS) == names
    assert list(CONSISTENCY_LEVELS.values()) == list(range(11))


@pytest.mark.parametrize("name", CONSISTENCY_LEVELS)
@pytest.mark.parametrize("case", [str.upper, str.lower, str.title])
def test_any_case(name: str, case: type[str]) -> None:
    """A level's name is known in any case."""
    assert parse_consistency(case(name)) == name


@pytest.mark.parametrize("name", ["", "QUORUMS", " ONE", 1, None, b"ONE"])
def test_unknown(name: object) -> None:
    """Anything else is refused; the error has what was found, all names, and the option."""
    with pytest.raises(ConfigurationError) as caught:
        parse_consistency(name, option="read_consistency")  # type: ignore[arg-type]
    assert caught.value.option == "read_consistency"
    assert f"read_consistency={name!r}" in str(caught.value)
    assert all(level in str(caught.value) for level in CONSISTENCY_LEVELS)


@pytest.mark.parametrize("name", CONSISTENCY_LEVELS)
def test_serial(name: str) -> None:
    """Where a serial level is wanted, the two serial ones are accepted and no other is."""
    if name in SERIAL_CONSISTENCY_LEVELS:
        assert parse_consistency(name.lower(), serial=True) == name
    else:
        with pytest.raises(ConfigurationError, match=r"(?m)serial.*SERIAL, LOCAL_SERIAL\.$"):
            parse_consistency(name, serial=True)
