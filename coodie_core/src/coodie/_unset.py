"""``UNSET``, which programs import from ``coodie.types``.

Each request compares parameters with it; the other names of that module are slow to import, and rare.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, Literal

from coodie.exceptions import ParameterTypeError

__all__ = ["UNSET", "UnsetType"]


class UnsetType(Enum):
    """The type of ``UNSET``, for annotations."""

    __module__ = "coodie.types"  # the public one, also of pickled values

    UNSET = "UNSET"

    def __repr__(self) -> str:
        return "UNSET"

    def __str__(self) -> str:
        return "UNSET"

    def __bool__(self) -> bool:
        """Raise, since code that tests a value's truth would treat UNSET as null, which deletes the column.

        Raises:
            ParameterTypeError: Always.
        """
        raise ParameterTypeError("UNSET is neither true nor false.", hint="Compare with `is UNSET`.")


#: As a parameter, it leaves the column unchanged; None deletes its value (native_protocol_v4.spec, section 3,
#: "not set"). It is a singleton, also after pickling and copying.
UNSET: Final[Literal[UnsetType.UNSET]] = UnsetType.UNSET
