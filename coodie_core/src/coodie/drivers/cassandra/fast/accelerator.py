"""What the compiled accelerator does for rows and parameters, where it is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from coodie.drivers.cassandra.values.types import family, unwrapped
from coodie.protocol._accelerator import accelerator
from coodie.rows import new_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from coodie.drivers.cassandra.values.rows import Converter
    from coodie.rows import Rows

__all__ = ["parameter_encoder", "row_decoder"]


def row_decoder(
    names: tuple[str, ...],
    types: Sequence[Any],
    converters: Sequence[Converter | None],
    version: int,
    *,
    aware_timestamps: bool,
) -> Callable[[bytes, int, int], Rows] | None:
    """Return the accelerator's reader of rows; None without one.

    Args:
        names: The columns' names.
        types: The driver's types of them, exact ones.
        converters: What turns the driver's values into plain ones.
        version: The protocol version.
        aware_timestamps: Give timestamps as aware datetimes in UTC.
    """
    module = accelerator()
    if module is None or not names:
        return None
    kinds = []
    for typ in types:
        kind = family(unwrapped(typ))
        kinds.append("timestamp_aware" if kind == "timestamp" and aware_timestamps else kind)
    others = tuple([_other(typ, convert, version) for typ, convert in zip(types, converters, strict=True)])
    decode: Callable[[bytes, int, int], Rows] = module.RowDecoder(
        names, tuple(kinds), others, new_rows
    ).decode
    return decode


def parameter_encoder(
    kinds: tuple[str, ...],
    columns: Sequence[Callable[[Any], bytes]],
    keys: Sequence[int],
    general: Callable[[Any], bytes],
) -> Callable[[Any], bytes] | None:
    """Return the accelerator's encoder of parameters; None without one.

    Args:
        kinds: The columns' families.
        columns: What encodes one value of each, where that isn't of the usual type.
        keys: The columns that are of the partition key, where a null is refused.
        general: Encodes parameters that aren't simply right: it knows what is allowed, and what to say.
    """
    module = accelerator()
    if module is None:
        return None
    encode: Callable[[Any], bytes] = module.ParameterEncoder(
        kinds, tuple(columns), tuple(keys), general
    ).encode
    return encode


def _other(typ: Any, convert: Converter | None, version: int) -> Callable[[bytes], Any]:
    """Return what decodes a value as it is decoded without the accelerator."""
    from_binary = typ.from_binary

    def decode(data: bytes) -> Any:
        value = from_binary(data, version)
        return value if convert is None or value is None else convert(value)

    return decode
