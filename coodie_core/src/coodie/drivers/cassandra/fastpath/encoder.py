"""Parameter encoders: code generated for each statement from the types of its columns.

An encoder handles values of the usual Python types only. Any other value goes to the binders and the
driver's serialisers, which define what is allowed.
"""

from __future__ import annotations

from functools import lru_cache
from struct import Struct
from typing import TYPE_CHECKING, Any
from uuid import UUID

from coodie.drivers.cassandra.fastpath.accelerated import parameter_encoder
from coodie.drivers.cassandra.values.binding import bind_values
from coodie.drivers.cassandra.values.codecs import CodecBinder
from coodie.drivers.cassandra.values.types import family, unwrapped
from coodie.protocol.codec import FIXED_SIZE, INT

if TYPE_CHECKING:
    from collections.abc import Callable

    from coodie.drivers.cassandra._prepared import SessionStatement
    from coodie.drivers.client.values.scalars import Binder

    #: Takes the parameters; returns the encoded values, each with its length.
    Encoder = Callable[[Any], bytes]

__all__ = ["Encoder", "encoder"]

#: Type families of fixed size: the exact Python type, and the expression to pack.
_PACKED = {
    "bigint": ("int", "{}"),
    "boolean": ("bool", "{}"),
    "counter": ("int", "{}"),
    "double": ("float", "{}"),
    "int": ("int", "{}"),
    "smallint": ("int", "{}"),
    "tinyint": ("int", "{}"),
    "uuid": ("UUID", "{}.bytes"),
}

#: Type families of variable size: the exact Python type, and the expression of the bytes.
_ENCODED = {
    "ascii": ("str", "{}.encode('ascii')"),
    "blob": ("bytes", "{}"),
    "text": ("str", "{}.encode()"),
}

#: The Python types in both tables, by type family.
_USUAL: dict[str, type] = {
    kind: {"bool": bool, "bytes": bytes, "float": float, "int": int, "str": str, "UUID": UUID}[python]
    for kind, (python, _) in {**_PACKED, **_ENCODED}.items()
}

#: The encodings of null, and of a value that isn't set (native_protocol_v5.spec, section 3).
_NULL = INT.pack(-1)
_UNSET = INT.pack(-2)

#: Cached encoders.
_CACHE_SIZE = 1024


def encoder(entry: SessionStatement) -> Encoder:
    """Return an encoder for the parameters of a prepared statement.

    The encoder raises ParameterError, as ``bind_values`` does, or an exception of the driver's serialisers.
    """
    general = FallbackEncoder(entry)
    kinds = tuple(
        [_kind(bind, column.type) for bind, column in zip(entry.binders, entry.columns, strict=True)]
    )
    if not kinds:
        return general
    keys = entry.prepared.routing_key_indexes or ()
    accelerated = parameter_encoder(kinds, general.columns, keys, general)
    if accelerated is not None:
        return accelerated
    generated = tuple([_generated_kind(kind, bind) for kind, bind in zip(kinds, entry.binders, strict=True)])
    return _generate(generated)(general, general.columns)


def _kind(bind: Binder, typ: Any) -> str:
    """Return the type's family; "" if a codec converts values of the usual Python type."""
    kind = family(unwrapped(typ))
    usual = _USUAL.get(kind)
    return "" if usual is not None and isinstance(bind, CodecBinder) and bind.codec_of(usual) else kind


def _generated_kind(kind: str, bind: Binder) -> str:
    """Return a kind for ``_generate``: with codecs, a column also takes values of other Python types."""
    if not isinstance(bind, CodecBinder) or kind not in _USUAL:
        return kind
    return f"{kind}?" if kind in _ENCODED else ""


class FallbackEncoder:
    """Encode all values that the contract allows, with the driver's serialisers."""

    def __init__(self, entry: SessionStatement) -> None:
        self._entry = entry
        version = entry.prepared.protocol_version
        #: Functions that encode one value of each column, other than None and UNSET; may raise anything.
        self.columns = [
            _column(bind, column.type, version)
            for bind, column in zip(entry.binders, entry.columns, strict=True)
        ]
        self._types = [column.type for column in entry.columns]
        self._version = version

    def __call__(self, params: Any) -> bytes:
        from cassandra.query import UNSET_VALUE

        entry = self._entry
        keys = entry.prepared.routing_key_indexes or ()
        parts = []
        for value, typ in zip(
            bind_values(entry.columns, entry.binders, params, entry.stmt, key_indexes=keys),
            self._types,
            strict=True,
        ):
            if value is None:
                parts.append(_NULL)
            elif value is UNSET_VALUE:
                parts.append(_UNSET)
            else:
                data = typ.serialize(value, self._version)
                parts += (INT.pack(len(data)), data)
        return b"".join(parts)


def _column(bind: Binder, typ: Any, version: int) -> Callable[[Any], bytes]:
    serialize = typ.serialize
    return lambda value: serialize(bind(value), version)


@lru_cache(_CACHE_SIZE)
def _generate(kinds: tuple[str, ...]) -> Callable[..., Encoder]:
    """Generate an encoder for columns of these type families; the code contains no names.

    Adjacent columns of fixed size are packed with one struct. ``text?`` is text that also takes values of
    other Python types. If any other parameter is of another type or out of range, ``general`` encodes all of
    them, or raises the error.
    """
    scope: dict[str, Any] = {"UUID": UUID}
    tests: list[str] = []
    steps: list[str] = []
    pieces: list[str] = []
    fields = ""
    items: list[str] = []

    def pack_up() -> None:
        name = f"pack{len(scope)}"
        scope[name] = Struct(f">{fields}").pack
        pieces.append(f"{name}({', '.join(items)})")

    for index, kind in enumerate(kinds):
        value, data = f"v{index}", f"b{index}"
        if kind in _PACKED:
            letter, size = FIXED_SIZE[kind]
            python, item = _PACKED[kind]
            tests.append(f"{value}.__class__ is {python}")
            fields += f"i{letter}"
            items += (str(size), item.format(value))
            continue
        if kind in _ENCODED:
            python, item = _ENCODED[kind]
            tests.append(f"{value}.__class__ is {python}")
            steps.append(f"{data} = {item.format(value)}")
        elif kind.endswith("?"):
            python, item = _ENCODED[kind[:-1]]
            tests.append(f"{value} is not None")
            usual = item.format(value)
            steps.append(f"{data} = {usual} if {value}.__class__ is {python} else columns[{index}]({value})")
        else:
            tests.append(f"{value} is not None")
            steps.append(f"{data} = columns[{index}]({value})")
        fields += "i"
        items.append(f"len({data})")
        pack_up()
        pieces.append(data)
        fields, items = "", []
    if fields:
        pack_up()
    values = ", ".join([f"v{index}" for index in range(len(kinds))])
    body = "; ".join([*steps, f"return b''.join(({', '.join(pieces)},))"])
    code = f"""
def make(general, columns):
    def encode(params):
        if (params.__class__ is list or params.__class__ is tuple) and len(params) == {len(kinds)}:
            {values}, = params
            if {" and ".join(tests)}:
                try:
                    {body}
                except Exception:
                    pass
        return general(params)
    return encode
"""
    exec(code, scope)  # noqa: S102 - the code contains no input
    made: Callable[..., Encoder] = scope["make"]
    return made
