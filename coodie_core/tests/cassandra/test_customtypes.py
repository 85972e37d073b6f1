"""Names of types that the protocol has no code for, as Cassandra writes them."""

from __future__ import annotations

import string
from typing import Any

import pytest
from cassandra import cqltypes
from hypothesis import given
from hypothesis import strategies as st

from coodie.drivers.cassandra._customtypes import custom_type
from coodie.drivers.cassandra.values.types import cql_name

_PACKAGE = "org.apache.cassandra.db.marshal."


def _full(short: str) -> str:
    """Write out ``@`` as Cassandra's package, and ``#name#`` as hex."""
    parts = short.replace("@", _PACKAGE).split("#")
    return "".join(part.encode().hex() if index % 2 else part for index, part in enumerate(parts))


@pytest.mark.parametrize(
    ("name", "cql"),
    [
        ("@VectorType(@FloatType , 3)", "vector<float, 3>"),
        ("@VectorType(@FrozenType(@TupleType(@Int32Type,@UTF8Type)), 2)", "vector<tuple<int, text>, 2>"),
        ("@VectorType(@MapType(@UTF8Type,@SetType(@UUIDType)),1)", "vector<map<text, set<uuid>>, 1>"),
        ("@VectorType(@VectorType(@AsciiType,4),2)", "vector<vector<ascii, 4>, 2>"),
        ("@VectorType(@UserType(ks,#address#,#city#:@UTF8Type),2)", "vector<address, 2>"),
        ("@VectorType(@UserType(12,#zoo#,#z#:@UTF8Type,#a#:@Int32Type),2)", "vector<zoo, 2>"),
        ("@ReversedType(@VectorType(@ShortType,2))", "vector<smallint, 2>"),
        ("@DynamicCompositeType(s=>@UTF8Type,i=>@Int32Type)", None),
        ("@VectorType(@DynamicCompositeType(s=>@UTF8Type,i=>@Int32Type),2)", None),
        ("com.example.Own", None),
    ],
)
def test_what_cassandra_writes(name: str, cql: str | None) -> None:
    """Each is the type that CQL has for it; one that CQL has none for is named as the server does."""
    full = _full(name)
    found = cql_name(custom_type(full, {}))
    assert found == cql if cql is not None else full.removeprefix(_PACKAGE + "VectorType(")[:-3] in found


def test_a_user_type() -> None:
    """Its names are decoded, also those that look like numbers, and a registered class is found."""

    class Address:
        """What a program registered for the type."""

    name = _full("@UserType(12,#address#,#č#:@UTF8Type,#parts#:@ListType(@Int32Type))")
    made = custom_type(name, {"12": {"address": Address}})
    assert (made.keyspace, made.typename, made.fieldnames) == ("12", "address", ("č", "parts"))
    assert [cql_name(part) for part in made.subtypes] == ["text", "list<int>"]
    assert made.mapped_class is Address


def test_a_user_type_called_like_one_of_the_servers() -> None:
    """What the driver has under the same name by then isn't taken for the server's type."""
    cqltypes.UserType.make_udt_class("ks", "DoubleType", ("a",), (cqltypes.Int32Type,))
    try:
        assert custom_type(_full("@VectorType(@DoubleType,1)"), {}).subtype is cqltypes.DoubleType
    finally:
        cqltypes._casstypes["DoubleType"] = cqltypes.DoubleType


@given(st.text(string.ascii_letters + string.digits + "(),:=>. \0é") | st.text())
def test_no_name_is_a_failure(name: str) -> None:
    """Whatever it is: values of a type that nobody knows are bytes, there and back."""
    found: Any = custom_type(name, {})
    if cql_name(found) == f"'{name}'":
        assert found.from_binary(b"\0a", 5) == found.to_binary(b"\0a", 5) == b"\0a"
        assert found.from_binary(b"", 5) == b""
