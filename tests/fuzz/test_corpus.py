"""Inputs that once reached something new, or were a fault, don't raise: `make fuzz` finds more."""

from __future__ import annotations

import pytest
from tests.fuzz import corpus
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_inputs(target: str) -> None:
    """Each input of a target."""
    inputs = corpus.inputs(target)
    assert inputs
    for data in inputs:
        try:
            TARGETS[target](data)
        except Exception as exc:
            message = f"the input {data.hex()}"
            raise AssertionError(message) from exc


def test_every_target_has_its_inputs() -> None:
    """A file has the name of a target."""
    assert set(corpus.TARGETS) == set(TARGETS)
