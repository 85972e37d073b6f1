"""CQL types as values, in a normal form, so that two spellings of a type are equal.

The normal form is that of ``system_schema`` in Cassandra 5.0: lower case, ``text`` for ``varchar``, tuples
frozen, and all types inside a frozen one frozen. Only the grammar is validated here; the server validates the
rest.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from coodie.schema.identifiers import quote, quote_literal

__all__ = ["CqlType", "parse_shown_type", "parse_type"]

_NATIVE = frozenset(
    "ascii bigint blob boolean counter date decimal double duration float inet int smallint text time "  # noqa: SIM905 - twenty lines otherwise
    "timestamp timeuuid tinyint uuid varint".split()
)
#: Generic types, with the number of their type parameters; None for one or more.
_GENERIC: dict[str, int | None] = {"list": 1, "set": 1, "map": 2, "tuple": None, "frozen": 1, "vector": 1}
#: Names that a user-defined type must have in quotes (CQL3Type.java, Cql.g non_type_ident).
_TYPE_WORDS = (
    _NATIVE
    | set(_GENERIC)
    | {"varchar", "empty", "byte", "bitstring", "complex", "enum", "interval", "macaddr"}
)

#: The size of the cache of parsed types.
_PARSED = 512

#: The Java package of Cassandra's type classes, and of class names without a package.
_MARSHAL = "org.apache.cassandra.db.marshal."
_BARE_CLASS = re.compile(r"(?<![\w.])[A-Z]\w*Type\b")
#: Classes of native types; the server shows the native type instead.
_CLASSES = {
    "AsciiType": "ascii",
    "BooleanType": "boolean",
    "ByteType": "tinyint",
    "BytesType": "blob",
    "CounterColumnType": "counter",
    "DecimalType": "decimal",
    "DoubleType": "double",
    "DurationType": "duration",
    "FloatType": "float",
    "InetAddressType": "inet",
    "Int32Type": "int",
    "IntegerType": "varint",
    "LegacyTimeUUIDType": "timeuuid",
    "LongType": "bigint",
    "ShortType": "smallint",
    "SimpleDateType": "date",
    "TimeType": "time",
    "TimestampType": "timestamp",
    "TimeUUIDType": "timeuuid",
    "UTF8Type": "text",
    "UUIDType": "uuid",
}

_TOKEN = re.compile(
    r"""\s*(?:"(?P<quoted>(?:[^"]|"")+)"|'(?P<custom>(?:[^']|'')*)'
    |(?P<word>[A-Za-z][A-Za-z0-9_]*)|(?P<number>\d+)|(?P<symbol>[<>,.]))\s*""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class CqlType:
    """A type in its normal form.

    ``str()`` returns CQL; ``shown`` is the server's form, which may differ.
    """

    #: The plain name; the Java class for a custom type.
    name: str
    #: The type parameters, in order.
    arguments: tuple[CqlType, ...] = ()
    #: Whether it is frozen.
    frozen: bool = False
    #: A vector's number of elements.
    dimension: int | None = None
    #: Whether it is a user-defined type of the table's keyspace.
    user_defined: bool = False
    #: Whether it is a custom type, a class of the server.
    custom: bool = False

    def __str__(self) -> str:
        """Return the type as CQL."""
        return _write(self, quote_type_words=True)

    @property
    def shown(self) -> str:
        """The type as in ``system_schema``, which doesn't quote a user-defined type named "int"."""
        return _write(self, quote_type_words=False)

    @property
    def is_collection(self) -> bool:
        """Whether it is a list, set or map, frozen or not."""
        return self.name in ("list", "set", "map") and bool(self.arguments)

    @property
    def is_counter(self) -> bool:
        """Whether it is a counter."""
        return self.name == "counter" and not self.user_defined

    @property
    def is_vector(self) -> bool:
        """Whether it is a vector."""
        return self.dimension is not None

    @property
    def has_vector(self) -> bool:
        """Whether it contains a vector."""
        return self.is_vector or any(argument.has_vector for argument in self.arguments)


def _write(cql_type: CqlType, *, quote_type_words: bool) -> str:
    if cql_type.custom:
        text = quote_literal(cql_type.name)
    elif cql_type.user_defined:
        must = quote_type_words and cql_type.name in _TYPE_WORDS
        text = f'"{cql_type.name}"' if must else quote(cql_type.name)
    else:
        text = cql_type.name
    if cql_type.arguments:
        parts = [_write(argument, quote_type_words=quote_type_words) for argument in cql_type.arguments]
        if cql_type.dimension is not None:
            parts.append(str(cql_type.dimension))
        text += f"<{', '.join(parts)}>"
    return f"frozen<{text}>" if cql_type.frozen else text


@lru_cache(_PARSED)
def parse_type(text: str, keyspace: str) -> CqlType:
    """Parse a type of a definition.

    Args:
        text: A CQL type.
        keyspace: The table's keyspace; a user-defined type may be qualified with it.

    Raises:
        ValueError: The text isn't a CQL type, or is a user-defined type of another keyspace.
    """
    return _Parser(text, keyspace, strict=True).parse()


@lru_cache(_PARSED)
def parse_shown_type(text: str, keyspace: str) -> CqlType:
    """Parse a type of a row of ``system_schema``.

    The server doesn't quote user-defined types with the name of a CQL type, so ``frozen<int>`` and
    ``frozen<list>`` are valid here; a text that can't be parsed becomes a custom type.
    """
    try:
        return _Parser(text, keyspace, strict=False).parse()
    except ValueError:
        return CqlType(text, custom=True)


class _Parser:
    """A recursive-descent parser of comparatorType in Cassandra's Parser.g."""

    def __init__(self, text: str, keyspace: str, *, strict: bool) -> None:
        self._text = text
        self._keyspace = keyspace
        self._strict = strict
        self._tokens: list[tuple[str, str]] = []
        position = 0
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise ValueError(f"{text!r} isn't a CQL type: unexpected {text[position]!r}")
            kind = match.lastgroup or ""
            self._tokens.append((kind, match[kind]))
            position = match.end()
        self._at = 0

    def parse(self) -> CqlType:
        result = self._type()
        if self._at < len(self._tokens):
            raise self._error(f"{self._tokens[self._at][1]!r} after its end")
        return result

    def _error(self, what: str) -> ValueError:
        return ValueError(f"{self._text!r} isn't a CQL type: {what}")

    def _peek(self, symbol: str) -> bool:
        return self._at < len(self._tokens) and self._tokens[self._at] == ("symbol", symbol)

    def _take(self) -> tuple[str, str]:
        if self._at == len(self._tokens):
            raise self._error("unexpected end")
        token = self._tokens[self._at]
        self._at += 1
        return token

    def _expect(self, symbol: str) -> None:
        kind, text = self._take()
        if (kind, text) != ("symbol", symbol):
            raise self._error(f"expected {symbol!r}, got {text!r}")

    def _type(self) -> CqlType:
        kind, text = self._take()
        if kind == "custom":
            return _custom(text.replace("''", "'"))
        if kind not in ("word", "quoted"):
            raise self._error(f"expected a type, got {text!r}")
        name = _plain(kind, text)
        if self._peek("."):
            return self._qualified(name)
        if kind == "word" and self._peek("<") and name in _GENERIC:
            return self._generic(name)
        if kind == "word" and name == "varchar" and self._strict:  # the server never shows this alias
            return CqlType("text")
        if kind == "word" and name in _NATIVE:
            return CqlType(name)
        if kind == "word" and name in _GENERIC and self._strict:
            raise self._error(f"{name} needs type parameters in angle brackets")
        return CqlType(name, user_defined=True)

    def _qualified(self, keyspace: str) -> CqlType:
        self._expect(".")
        kind, text = self._take()
        if kind not in ("word", "quoted"):
            raise self._error(f"expected a type name, got {text!r}")
        if keyspace != self._keyspace:
            raise self._error(
                f"a user-defined type must be in the table's keyspace, {self._keyspace!r}, not {keyspace!r}"
            )
        return CqlType(_plain(kind, text), user_defined=True)

    def _generic(self, name: str) -> CqlType:
        self._expect("<")
        arguments = [self._type()]
        dimension = None
        while self._peek(","):
            self._expect(",")
            if name == "vector":
                dimension = self._dimension()
                break
            arguments.append(self._type())
        self._expect(">")
        desired = _GENERIC[name]
        if desired is not None and len(arguments) != desired:
            raise self._error(f"{name} takes {desired}, not {len(arguments)}")
        if name == "frozen":
            return self._frozen(arguments[0])
        if name == "vector":
            if dimension is None:
                raise self._error("a vector needs its number of elements, as in vector<float, 3>")
            return CqlType(name, tuple(_freeze(a) for a in arguments), dimension=dimension)
        if name == "tuple":
            return _freeze(CqlType(name, tuple(arguments)))
        return CqlType(name, tuple(arguments))

    def _dimension(self) -> int:
        kind, text = self._take()
        if kind != "number" or int(text) < 1:
            raise self._error(f"a vector's number of elements must be a positive integer, not {text!r}")
        return int(text)

    def _frozen(self, inner: CqlType) -> CqlType:
        if inner.arguments or inner.user_defined or inner.custom:
            return _freeze(inner)
        if self._strict:
            raise self._error(f"only a collection, a tuple or a user-defined type can be frozen, not {inner}")
        return CqlType(inner.name, frozen=True, user_defined=True)


def _custom(name: str) -> CqlType:
    """Return the native type of a class, or else the class with its full name (TypeParser.java)."""
    if (short := name.removeprefix(_MARSHAL)) in _CLASSES:
        return CqlType(_CLASSES[short])
    return CqlType(_BARE_CLASS.sub(_MARSHAL + r"\g<0>", re.sub(r"\s", "", name)), custom=True)


def _plain(kind: str, text: str) -> str:
    return text.lower() if kind == "word" else text.replace('""', '"')


def _freeze(inner: CqlType) -> CqlType:
    if inner.custom or not (inner.arguments or inner.user_defined):
        return inner
    arguments = tuple(_freeze(argument) for argument in inner.arguments)
    return replace(inner, arguments=arguments, frozen=not inner.is_vector)
