"""What an unknown option was meant to be."""

from __future__ import annotations

import pytest

from coodie.config.problems import did_you_mean
from coodie.options.declarations import options_for
from coodie.options.option import Scope
from coodie.options.similar_names import _ELSEWHERE, similar_name

NAMES = [option.name for option in options_for(Scope.CONNECTION)]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("timeout", "request_timeout"),
        ("user", "username"),
        ("database", "keyspace"),
        ("consistancy", "consistency"),
        ("nothing_like_it", None),
    ],
)
def test_a_name_of_others_is_known(name: str, meant: str | None) -> None:
    """Names from other drivers, from URLs and of requests lead to the option, in Python and in files."""
    assert similar_name(name, NAMES) == meant
    assert (f"Did you mean {meant!r}?" == did_you_mean(name, NAMES)) is (meant is not None)


def test_every_suggestion_is_an_option() -> None:
    """What is suggested can be given, and what isn't an option is never suggested."""
    assert set(_ELSEWHERE.values()) <= set(NAMES)
    assert set(_ELSEWHERE).isdisjoint(NAMES)
    assert similar_name("timeout", ["port"]) is None
