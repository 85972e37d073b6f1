"""Data frames and tables as the parameters of ``execute_many``, by Arrow's PyCapsule interface."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie._arrow import arrow_module
from coodie.contract.markers import Marker, ValueType
from coodie.cql import count_positional_markers, with_positional_markers
from coodie.exceptions import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from coodie.effects import Steps
    from coodie.requests import Params

__all__ = ["frame_parameters", "named_markers"]


def frame_parameters(driver: Any, stmt: str, frame: Any, timeout: float | None) -> Steps[Iterator[Params]]:
    """Return the parameters for each row of a data frame.

    Args:
        driver: The driver.
        stmt: The CQL text.
        frame: An object with ``__arrow_c_stream__`` or ``__arrow_c_array__``.
        timeout: The timeout of preparing the statement.

    Raises:
        ConfigurationError: coodie-arrow isn't installed.
        UnsupportedError: The backend doesn't name the markers ``?``.
        ParameterError: The columns aren't those of the statement's markers.
    """
    module = arrow_module("A data frame as parameters", "rows_of_params")
    markers = yield from driver._marker_steps(stmt, timeout)  # noqa: SLF001 - the contract's own
    is_named = bool(with_positional_markers(stmt)[1])
    rows: Iterator[Params] = module.parameter_rows(stmt, frame, markers, by_name=is_named)
    return rows


def named_markers(stmt: str, backend: str) -> tuple[Marker, ...]:
    """Return the markers ``:name`` of a statement, whose types aren't known.

    Args:
        stmt: The CQL text.
        backend: The driver's name, for the error.

    Raises:
        UnsupportedError: The statement has markers without names.
    """
    text, names = with_positional_markers(stmt)
    if not names and count_positional_markers(text):
        message = f"{backend} doesn't name the bind markers ?, so columns can't be matched to them."
        raise UnsupportedError(message, hint="Write :name for each column.", feature="data frames")
    return tuple([Marker(name, ValueType("", "")) for name in names])
