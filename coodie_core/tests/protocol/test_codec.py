"""Notations: the driver reads what we write, we read what it writes, and missing bytes are noticed."""

from __future__ import annotations

from io import BytesIO
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import cassandra
import pytest
from cassandra import protocol
from coodie_core.tests.cassandra.fastpath.arbitrary import quickly
from hypothesis import given
from hypothesis import strategies as st

from coodie.protocol import codec
from coodie.protocol.codec import Consistency, Reader
from coodie.protocol.errors import BrokenMessageError

if TYPE_CHECKING:
    from collections.abc import Callable

_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
_BYTES = st.binary(max_size=20)
_MAPS = st.dictionaries(_TEXTS, _TEXTS, max_size=3)
_LISTS = st.lists(_TEXTS, max_size=3)

#: Of each notation: values, what we write and read it with, and what the driver does.
_NOTATIONS: dict[str, tuple[st.SearchStrategy[Any], Any, Any, str]] = {
    "string": (_TEXTS, codec.encode_string, Reader.read_string, "string"),
    "long string": (_TEXTS, codec.encode_long_string, Reader.read_long_string, "longstring"),
    "string list": (_LISTS, codec.encode_string_list, Reader.read_string_list, "stringlist"),
    "string map": (_MAPS, codec.encode_string_map, Reader.read_string_map, "stringmap"),
    "string multimap": (
        st.dictionaries(_TEXTS, _LISTS, max_size=3),
        codec.encode_string_multimap,
        Reader.read_string_multimap,
        "stringmultimap",
    ),
    "bytes map": (
        st.dictionaries(_TEXTS, _BYTES, max_size=3),
        codec.encode_bytes_map,
        Reader.read_bytes_map,
        "bytesmap",
    ),
    "bytes": (_BYTES, codec.encode_bytes, Reader.read_bytes, "value"),
    "int": (st.integers(-(2**31), 2**31 - 1), codec.INT.pack, Reader.read_int, "int"),
    "short": (st.integers(0, 2**16 - 1), codec.SHORT.pack, Reader.read_short, "short"),
}


def _written(name: str, value: Any) -> bytes:
    out = BytesIO()
    getattr(protocol, f"write_{name}")(out, value)
    return out.getvalue()


@pytest.mark.parametrize(("values", "write", "read", "name"), _NOTATIONS.values(), ids=_NOTATIONS)
@quickly
@given(data=st.data())
def test_the_driver_writes_and_reads_the_same(
    values: st.SearchStrategy[Any],
    write: Callable[[Any], bytes],
    read: Callable[[Reader], Any],
    name: str,
    data: st.DataObject,
) -> None:
    """Byte for byte; and what is cut off anywhere raises one kind of error."""
    value = data.draw(values)
    written = write(value)
    assert written == _written(name, value)
    assert getattr(protocol, f"read_{name}")(BytesIO(written)) == value
    reader = Reader(written + b"rest")
    assert read(reader) == value
    assert (reader.is_at_end, reader.rest(), reader.is_at_end) == (False, b"rest", True)
    with pytest.raises(BrokenMessageError, match="more bytes, got"):
        read(Reader(written[: data.draw(st.integers(0, len(written) - 1))]))


@quickly
@given(_BYTES)
def test_short_bytes(data: bytes) -> None:
    """The ids of statements."""
    written = codec.encode_short_bytes(data)
    assert protocol.read_binary_string(BytesIO(written)) == data
    assert Reader(written).read_short_bytes() == data


def test_null() -> None:
    """A negative length is a null, without bytes."""
    assert Reader(_written("value", None)).read_bytes() is None


@quickly
@given(st.ip_addresses(), st.integers(0, 65_535))
def test_addresses(address: Any, port: int) -> None:
    """Of both families; the driver writes them with a port."""
    with_port = _written("inet", (str(address), port))
    assert Reader(with_port).read_inet_address() == address
    assert codec.encode_inet_address(address) == with_port[:-4]
    # An IPv4 address within IPv6 has two spellings.
    assert ip_address(protocol.read_inet_addr_only(BytesIO(with_port))) == address


def test_an_address_of_another_size() -> None:
    """It's no address, whatever follows."""
    with pytest.raises(BrokenMessageError, match="16 bytes, got 5"):
        Reader(b"\5" + bytes(20)).read_inet_address()
    assert Reader(b"\4\x7f\0\0\1").read_inet_address() == ip_address("127.0.0.1")


def test_text_that_isn_t_utf_8() -> None:
    """It's a broken message, not a UnicodeDecodeError."""
    with pytest.raises(BrokenMessageError, match="UTF-8"):
        Reader(b"\0\1\xff").read_string()


def test_a_text_of_a_negative_length() -> None:
    """A [long string] is never null."""
    with pytest.raises(BrokenMessageError, match="Expected -1 more bytes"):
        Reader(b"\xff\xff\xff\xff").read_long_string()


def test_levels_are_the_drivers() -> None:
    """Each has the driver's code, and none is missing."""
    assert {level.name: level.value for level in Consistency} == cassandra.ConsistencyLevel.name_to_value
