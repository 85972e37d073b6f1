"""``ArrowShape``: the shape of rows that ``rows="arrow"`` requests."""

from __future__ import annotations

from collections.abc import Mapping
from struct import error as StructError  # noqa: N812 - as the class that it is
from typing import TYPE_CHECKING, Any

import nanoarrow as na

from coodie.columnar import ColumnarShape, FilledColumn, by_column
from coodie.exceptions import ConfigurationError, InvalidQueryError, RequestError, UnsupportedError
from coodie_arrow.batch import export_stream, new_batch
from coodie_arrow.data import UnfitError
from coodie_arrow.filled import filled_data, filled_form
from coodie_arrow.mapping import DecimalType, result_schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from coodie.columnar import ArrowRows
    from coodie.rows import Column
    from coodie_arrow.data import Data
    from coodie_arrow.mapping import ResultSchema

__all__ = ["ArrowShape"]

#: The digits of decimals: the largest precision of all libraries, half of it after the point.
_DECIMALS = DecimalType(38, 18)

#: The largest precision of decimal256.
_MAX_PRECISION = 76

#: What builders raise for values that they don't expect.
_ERRORS = (
    UnfitError,
    ArithmeticError,
    AttributeError,
    LookupError,
    TypeError,
    ValueError,
    StructError,
)

#: The column that the server adds to the result of a conditional write.
_APPLIED = "[applied]"


class ArrowShape(ColumnarShape):
    """Results as Arrow record batches: ``rows=ArrowShape(…)``; ``rows="arrow"`` has the defaults.

    Args:
        decimals: Precision and scale of ``decimal`` columns, and the precision of ``varint`` columns: for all
            columns, or by column name. A precision above 38 makes them decimal256.
        ignore_codecs: Return the server's values of columns with a codec, instead of raising an error.

    Raises:
        ConfigurationError: An argument can't be used.
    """

    def __init__(
        self,
        *,
        decimals: tuple[int, int] | Mapping[str, tuple[int, int]] = _DECIMALS,
        ignore_codecs: bool = False,
    ) -> None:
        super().__init__("arrow")
        if not isinstance(ignore_codecs, bool):
            message = f"ignore_codecs={ignore_codecs!r} can't be used."
            raise ConfigurationError(message, hint="Give True or False.", option="rows")
        self._ignores_codecs = ignore_codecs
        self._by_name: dict[str, DecimalType] = {}
        self._decimals = _DECIMALS
        if isinstance(decimals, Mapping):
            self._by_name = {name: _digits(digits) for name, digits in decimals.items()}
        else:
            self._decimals = _digits(decimals)

    @property
    def refuses_codecs(self) -> bool:
        """Whether columns with a codec raise an error."""
        return not self._ignores_codecs

    # --- results ------------------------------------------------------------------------

    def of_values(
        self,
        columns: tuple[Column, ...],
        types: Sequence[Any] | None,
        values: Sequence[Sequence[Any]],
        count: int,
    ) -> ArrowRows:
        """Return a result of one batch, or of none if there are no rows.

        Args:
            columns: The columns.
            types: Their types, as ``coodie.contract.markers.ValueType``; None to parse those of ``columns``.
            values: The values of each column.
            count: The number of rows.

        Raises:
            RequestError: A type or a value has no exact counterpart in Arrow; names the column and its type.
            InvalidQueryError: Two columns have the same name.
        """
        rows: ArrowRows = self.new_rows()
        rows.columns = columns
        rows.schema = schema = self.schema_of(columns, types)
        if columns and columns[0].name == _APPLIED and count:
            rows.applied = bool(values[0][0])
        if count:
            data = [_built(schema, index, given) for index, given in enumerate(values)]
            rows.append(new_batch(schema.schema, data, count))
        return rows

    def forms(self, columns: tuple[Column, ...], types: Sequence[Any]) -> tuple[Any, ...]:
        """Return how the accelerator fills each column; None for one that is converted from objects."""
        schema = self.schema_of(columns, types)
        digits = [self._digits_of(name) for name in schema.names]
        return tuple([filled_form(typ, one) for typ, one in zip(types, digits, strict=True)])

    def schema_of(self, columns: tuple[Column, ...], types: Sequence[Any] | None) -> ResultSchema:
        """Return the schema of a result, as ``of_values`` has it."""
        names = tuple([column.name for column in columns])
        unknown = sorted(self._by_name.keys() - set(names))
        if unknown:
            message = f"decimals= names {', '.join(map(repr, unknown))}, which the result doesn't have."
            raise InvalidQueryError(message, hint=f"The columns are {', '.join(map(repr, names))}.")
        kinds = tuple([column.type for column in columns]) if types is None else tuple(types)
        return result_schema(names, kinds, tuple(map(self._digits_of, names)))

    def _digits_of(self, name: str) -> DecimalType:
        return self._by_name.get(name, self._decimals)

    def of_tuples(
        self, names: Sequence[str], rows: Iterable[Sequence[Any]], columns: tuple[Column, ...] | None = None
    ) -> Any:
        """Return a result of one batch, given tuples.

        Raises:
            UnsupportedError: The backend doesn't return the types of the columns.
            RequestError: As in ``of_values``.
        """
        by_name = {column.name: column for column in columns or ()}
        if columns is None or not by_name.keys() >= set(names):
            message = "rows='arrow' needs the types of the columns, which this backend doesn't return."
            hint = (
                "Request rows=dict and create the data frame from them; or have the backend set Rows.columns."
            )
            raise UnsupportedError(message, hint=hint, feature="rows='arrow'")
        found = list(rows)
        values = by_column(found, len(names))
        return self.of_values(tuple([by_name[name] for name in names]), None, values, len(found))

    def of_dicts(self, rows: list[dict[str, Any]]) -> Any:
        """Return a result of one batch, given dicts."""
        known: Any = rows
        columns = getattr(known, "columns", None)
        names = tuple(rows[0]) if rows else tuple([column.name for column in columns or ()])
        made: ArrowRows = self.new_rows()
        if names:
            made = self.of_tuples(names, [tuple(row.values()) for row in rows], columns)
        made.columns = columns
        for name in ("paging_state", "warnings", "trace_id", "_is_plain_list"):
            setattr(made, name, getattr(known, name, getattr(made, name)))
        return made

    # --- export -------------------------------------------------------------------------

    def export_schema(self, rows: ArrowRows) -> object:
        """Return a PyCapsule with the schema of a result."""
        return _schema(rows).__arrow_c_schema__()

    def export_stream(self, rows: ArrowRows, requested_schema: object | None) -> object:  # noqa: ARG002 - not applied, see RecordBatch
        """Return a PyCapsule with a stream of a result's batches.

        Raises:
            RequestError: The columns changed between two pages.
        """
        try:
            batches: list[Any] = list(rows)
            return export_stream(_schema(rows), batches)
        except ValueError as exc:
            message = "The columns of the result changed between two pages."
            hint = "The table was altered meanwhile: execute the statement again, or use each batch alone."
            raise RequestError(message, hint=hint, may_have_been_applied=False) from exc


def _schema(rows: ArrowRows) -> Any:
    """Return the schema of nanoarrow; that of no columns for a statement without a result."""
    return na.c_schema(na.struct({}, nullable=False)) if rows.schema is None else rows.schema.schema


def _built(schema: ResultSchema, index: int, values: Sequence[Any]) -> Data:
    """Return the buffers of a column."""
    if isinstance(values, FilledColumn):
        return filled_data(values)
    try:
        return schema.columns[index].build(values)
    except _ERRORS as exc:
        name, typ = schema.names[index], schema.types[index]
        problem, hint = f"{type(exc).__name__} during the conversion", None
        if isinstance(exc, UnfitError):
            problem, hint = exc.problem, exc.hint
        if "digits" in problem:
            shape = f"coodie_arrow.ArrowShape(decimals={{{name!r}: (precision, scale)}})"
            hint = f"Give rows={shape}, with up to {_MAX_PRECISION} digits; or select CAST({name} AS text)."
        hint = hint or f"Leave the column out, or select it in another form, such as CAST({name} AS text)."
        message = f"A value of {name!r} ({typ.text}) has no exact counterpart in Arrow: {problem}."
        raise RequestError(message, hint=hint, may_have_been_applied=False) from exc


def _digits(value: Any) -> DecimalType:
    """Return a precision and scale.

    Raises:
        ConfigurationError: They aren't whole numbers, or out of range.
    """
    if isinstance(value, tuple) and len(value) == 2 and all(type(one) is int for one in value):  # noqa: PLR2004 - precision and scale
        precision, scale = value
        if 1 <= precision <= _MAX_PRECISION and 0 <= scale <= precision:
            return DecimalType(precision, scale)
    message = f"decimals: {value!r} isn't a precision and a scale."
    hint = f"Give a pair such as (38, 9), of at most {_MAX_PRECISION} digits; or a dict of these by column."
    raise ConfigurationError(message, hint=hint, option="rows")
