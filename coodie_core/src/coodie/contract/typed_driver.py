"""``Driver``: the contract as programs use it, with the types that the opening functions promise.

``AbstractDriver`` has the signatures that a backend implements, which stay as they were published. The
methods here are the same ones, for type checkers alone: any sequence or mapping is taken as parameters, and
the result is ``Rows``, of dicts or of the shape that ``rows=`` requests.
"""

# ruff: noqa: D102 - the docstrings are AbstractDriver's

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from coodie.contract.typed_streams import TypedStreams

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from coodie.batch import BatchItem
    from coodie.columnar import ArrowRows, ColumnarShape
    from coodie.requests import BatchType, Params, RequestOptions
    from coodie.rows import Rows
    from coodie.schema.syncoptions import SyncOptions

    T = TypeVar("T")

__all__ = ["Driver"]


class Driver(TypedStreams):
    """A driver, as ``init_coodie``, ``connect``, ``get_driver`` and their async forms return it.

    Use it in annotations; to write a driver of your own, subclass ``AbstractDriver`` or ``ClientDriver``.
    """

    if TYPE_CHECKING:
        # Object mappers read these two; a third party's driver may lack them.
        _default_keyspace: str | None

        @property
        def _last_paging_state(self) -> bytes | None: ...

        @overload
        def execute(
            self,
            stmt: str,
            params: Params = (),
            consistency: str | None = None,
            timeout: float | None = None,
            fetch_size: int | None = None,
            paging_state: bytes | str | None = None,
            *,
            options: RequestOptions | None = None,
            rows: Literal["dict"] | None = None,
        ) -> Rows: ...

        @overload
        def execute(
            self,
            stmt: str,
            params: Params = (),
            consistency: str | None = None,
            timeout: float | None = None,
            fetch_size: int | None = None,
            paging_state: bytes | str | None = None,
            *,
            options: RequestOptions | None = None,
            rows: type[T],
        ) -> Rows[T]: ...

        @overload
        def execute(
            self,
            stmt: str,
            params: Params = (),
            consistency: str | None = None,
            timeout: float | None = None,
            fetch_size: int | None = None,
            paging_state: bytes | str | None = None,
            *,
            options: RequestOptions | None = None,
            rows: Callable[..., T],
        ) -> Rows[T]: ...

        @overload
        def execute(
            self,
            stmt: str,
            params: Params = (),
            consistency: str | None = None,
            timeout: float | None = None,
            fetch_size: int | None = None,
            paging_state: bytes | str | None = None,
            *,
            options: RequestOptions | None = None,
            rows: Literal["tuple", "scalar"],
        ) -> Rows[Any]: ...

        @overload
        def execute(
            self,
            stmt: str,
            params: Params = (),
            consistency: str | None = None,
            timeout: float | None = None,
            fetch_size: int | None = None,
            paging_state: bytes | str | None = None,
            *,
            options: RequestOptions | None = None,
            rows: Literal["arrow"] | ColumnarShape,
        ) -> ArrowRows: ...

        def execute(
            self,
            stmt: str,
            params: Params = (),
            consistency: str | None = None,
            timeout: float | None = None,
            fetch_size: int | None = None,
            paging_state: bytes | str | None = None,
            *,
            options: RequestOptions | None = None,
            rows: Any = None,
        ) -> Any: ...

        @overload
        async def execute_async(
            self,
            stmt: str,
            params: Params = (),
            consistency: str | None = None,
            timeout: float | None = None,
            fetch_size: int | None = None,
            paging_state: bytes | str | None = None,
            *,
            options: RequestOptions | None = None,
            rows: Literal["dict"] | None = None,
        ) -> Rows: ...

        @overload
        async def execute_async(
            self,
            stmt: str,
            params: Params = (),
            consistency: str | None = None,
            timeout: float | None = None,
            fetch_size: int | None = None,
            paging_state: bytes | str | None = None,
            *,
            options: RequestOptions | None = None,
            rows: type[T],
        ) -> Rows[T]: ...

        @overload
        async def execute_async(
            self,
            stmt: str,
            params: Params = (),
            consistency: str | None = None,
            timeout: float | None = None,
            fetch_size: int | None = None,
            paging_state: bytes | str | None = None,
            *,
            options: RequestOptions | None = None,
            rows: Callable[..., T],
        ) -> Rows[T]: ...

        @overload
        async def execute_async(
            self,
            stmt: str,
            params: Params = (),
            consistency: str | None = None,
            timeout: float | None = None,
            fetch_size: int | None = None,
            paging_state: bytes | str | None = None,
            *,
            options: RequestOptions | None = None,
            rows: Literal["tuple", "scalar"],
        ) -> Rows[Any]: ...

        @overload
        async def execute_async(
            self,
            stmt: str,
            params: Params = (),
            consistency: str | None = None,
            timeout: float | None = None,
            fetch_size: int | None = None,
            paging_state: bytes | str | None = None,
            *,
            options: RequestOptions | None = None,
            rows: Literal["arrow"] | ColumnarShape,
        ) -> ArrowRows: ...

        async def execute_async(
            self,
            stmt: str,
            params: Params = (),
            consistency: str | None = None,
            timeout: float | None = None,
            fetch_size: int | None = None,
            paging_state: bytes | str | None = None,
            *,
            options: RequestOptions | None = None,
            rows: Any = None,
        ) -> Any: ...

        def execute_one(
            self,
            stmt: str,
            params: Params = (),
            consistency: str | None = None,
            timeout: float | None = None,
            *,
            options: RequestOptions | None = None,
        ) -> Any: ...

        async def execute_one_async(
            self,
            stmt: str,
            params: Params = (),
            consistency: str | None = None,
            timeout: float | None = None,
            *,
            options: RequestOptions | None = None,
        ) -> Any: ...

        def execute_batch(
            self,
            statements: Iterable[BatchItem],
            batch_type: BatchType | str = "LOGGED",
            *,
            consistency: str | None = None,
            timeout: float | None = None,
            options: RequestOptions | None = None,
        ) -> Rows: ...

        async def execute_batch_async(
            self,
            statements: Iterable[BatchItem],
            batch_type: BatchType | str = "LOGGED",
            *,
            consistency: str | None = None,
            timeout: float | None = None,
            options: RequestOptions | None = None,
        ) -> Rows: ...

        def sync_table(
            self,
            table: str,
            keyspace: str,
            cols: Sequence[Any],
            table_options: Mapping[str, Any] | None = None,
            dry_run: bool = False,  # noqa: FBT001, FBT002 - the published signature
            drop_removed_indexes: bool = False,  # noqa: FBT001, FBT002 - the published signature
            *,
            options: SyncOptions | None = None,
        ) -> list[str]: ...

        async def sync_table_async(
            self,
            table: str,
            keyspace: str,
            cols: Sequence[Any],
            table_options: Mapping[str, Any] | None = None,
            dry_run: bool = False,  # noqa: FBT001, FBT002 - the published signature
            drop_removed_indexes: bool = False,  # noqa: FBT001, FBT002 - the published signature
            *,
            options: SyncOptions | None = None,
        ) -> list[str]: ...

        def close(self, *, drain: float | None = None) -> None: ...

        async def close_async(self, *, drain: float | None = None) -> None: ...
