"""``stream``, ``execute_many`` and ``scan`` with types for programs; continues ``typed_driver``."""

# ruff: noqa: D102 - the docstrings are AbstractDriver's

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from coodie.contract.driver import AbstractDriver

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Callable, Generator, Iterable

    from coodie._arrow import ArrowTable
    from coodie.requests import Params, RequestOptions
    from coodie.rows import ManyResult, Rows
    from coodie.scan.options import ScanOptions
    from coodie.scan.query import Condition
    from coodie.scan.scan import AsyncScan, Scan

    T = TypeVar("T")

__all__ = ["TypedStreams"]


class TypedStreams(AbstractDriver):
    """The part of ``Driver`` for more than one result."""

    if TYPE_CHECKING:

        @overload
        def stream(
            self,
            stmt: str,
            params: Params = (),
            *,
            fetch_size: int = 1000,
            consistency: str | None = None,
            timeout: float | None = None,
            options: RequestOptions | None = None,
            rows: Literal["dict"] | None = None,
        ) -> Generator[dict[str, Any], None, None]: ...

        @overload
        def stream(
            self,
            stmt: str,
            params: Params = (),
            *,
            fetch_size: int = 1000,
            consistency: str | None = None,
            timeout: float | None = None,
            options: RequestOptions | None = None,
            rows: type[T],
        ) -> Generator[T, None, None]: ...

        @overload
        def stream(
            self,
            stmt: str,
            params: Params = (),
            *,
            fetch_size: int = 1000,
            consistency: str | None = None,
            timeout: float | None = None,
            options: RequestOptions | None = None,
            rows: Callable[..., T],
        ) -> Generator[T, None, None]: ...

        @overload
        def stream(
            self,
            stmt: str,
            params: Params = (),
            *,
            fetch_size: int = 1000,
            consistency: str | None = None,
            timeout: float | None = None,
            options: RequestOptions | None = None,
            rows: Literal["tuple", "scalar", "arrow"],
        ) -> Generator[Any, None, None]: ...

        def stream(
            self,
            stmt: str,
            params: Params = (),
            *,
            fetch_size: int = 1000,
            consistency: str | None = None,
            timeout: float | None = None,
            options: RequestOptions | None = None,
            rows: Any = None,
        ) -> Generator[Any, None, None]: ...

        @overload
        def stream_async(
            self,
            stmt: str,
            params: Params = (),
            *,
            fetch_size: int = 1000,
            consistency: str | None = None,
            timeout: float | None = None,
            options: RequestOptions | None = None,
            rows: Literal["dict"] | None = None,
        ) -> AsyncGenerator[dict[str, Any], None]: ...

        @overload
        def stream_async(
            self,
            stmt: str,
            params: Params = (),
            *,
            fetch_size: int = 1000,
            consistency: str | None = None,
            timeout: float | None = None,
            options: RequestOptions | None = None,
            rows: type[T],
        ) -> AsyncGenerator[T, None]: ...

        @overload
        def stream_async(
            self,
            stmt: str,
            params: Params = (),
            *,
            fetch_size: int = 1000,
            consistency: str | None = None,
            timeout: float | None = None,
            options: RequestOptions | None = None,
            rows: Callable[..., T],
        ) -> AsyncGenerator[T, None]: ...

        @overload
        def stream_async(
            self,
            stmt: str,
            params: Params = (),
            *,
            fetch_size: int = 1000,
            consistency: str | None = None,
            timeout: float | None = None,
            options: RequestOptions | None = None,
            rows: Literal["tuple", "scalar", "arrow"],
        ) -> AsyncGenerator[Any, None]: ...

        def stream_async(
            self,
            stmt: str,
            params: Params = (),
            *,
            fetch_size: int = 1000,
            consistency: str | None = None,
            timeout: float | None = None,
            options: RequestOptions | None = None,
            rows: Any = None,
        ) -> AsyncGenerator[Any, None]: ...

        @overload
        def execute_many(
            self,
            stmt: str,
            rows_of_params: Iterable[Params] | ArrowTable,
            *,
            concurrency: int = 64,
            consistency: str | None = None,
            timeout: float | None = None,
            raise_on_error: bool = True,
            on_result: Callable[[int, Rows | Exception], None] | None = None,
            on_progress: Callable[[int], None] | None = None,
            options: RequestOptions | None = None,
            rows: Literal["dict"] | None = None,
        ) -> ManyResult: ...

        @overload
        def execute_many(
            self,
            stmt: str,
            rows_of_params: Iterable[Params] | ArrowTable,
            *,
            concurrency: int = 64,
            consistency: str | None = None,
            timeout: float | None = None,
            raise_on_error: bool = True,
            on_result: Callable[[int, Rows[T] | Exception], None] | None = None,
            on_progress: Callable[[int], None] | None = None,
            options: RequestOptions | None = None,
            rows: type[T],
        ) -> ManyResult[T]: ...

        @overload
        def execute_many(
            self,
            stmt: str,
            rows_of_params: Iterable[Params] | ArrowTable,
            *,
            concurrency: int = 64,
            consistency: str | None = None,
            timeout: float | None = None,
            raise_on_error: bool = True,
            on_result: Callable[[int, Rows[T] | Exception], None] | None = None,
            on_progress: Callable[[int], None] | None = None,
            options: RequestOptions | None = None,
            rows: Callable[..., T],
        ) -> ManyResult[T]: ...

        @overload
        def execute_many(
            self,
            stmt: str,
            rows_of_params: Iterable[Params] | ArrowTable,
            *,
            concurrency: int = 64,
            consistency: str | None = None,
            timeout: float | None = None,
            raise_on_error: bool = True,
            on_result: Callable[[int, Rows[Any] | Exception], None] | None = None,
            on_progress: Callable[[int], None] | None = None,
            options: RequestOptions | None = None,
            rows: Literal["tuple", "scalar", "arrow"],
        ) -> ManyResult[Any]: ...

        def execute_many(
            self,
            stmt: str,
            rows_of_params: Iterable[Params] | ArrowTable,
            *,
            concurrency: int = 64,
            consistency: str | None = None,
            timeout: float | None = None,
            raise_on_error: bool = True,
            on_result: Callable[[int, Rows[Any] | Exception], None] | None = None,
            on_progress: Callable[[int], None] | None = None,
            options: RequestOptions | None = None,
            rows: Any = None,
        ) -> ManyResult[Any]: ...

        @overload
        async def execute_many_async(
            self,
            stmt: str,
            rows_of_params: Iterable[Params] | AsyncIterable[Params] | ArrowTable,
            *,
            concurrency: int = 64,
            consistency: str | None = None,
            timeout: float | None = None,
            raise_on_error: bool = True,
            on_result: Callable[[int, Rows | Exception], None] | None = None,
            on_progress: Callable[[int], None] | None = None,
            options: RequestOptions | None = None,
            rows: Literal["dict"] | None = None,
        ) -> ManyResult: ...

        @overload
        async def execute_many_async(
            self,
            stmt: str,
            rows_of_params: Iterable[Params] | AsyncIterable[Params] | ArrowTable,
            *,
            concurrency: int = 64,
            consistency: str | None = None,
            timeout: float | None = None,
            raise_on_error: bool = True,
            on_result: Callable[[int, Rows[T] | Exception], None] | None = None,
            on_progress: Callable[[int], None] | None = None,
            options: RequestOptions | None = None,
            rows: type[T],
        ) -> ManyResult[T]: ...

        @overload
        async def execute_many_async(
            self,
            stmt: str,
            rows_of_params: Iterable[Params] | AsyncIterable[Params] | ArrowTable,
            *,
            concurrency: int = 64,
            consistency: str | None = None,
            timeout: float | None = None,
            raise_on_error: bool = True,
            on_result: Callable[[int, Rows[T] | Exception], None] | None = None,
            on_progress: Callable[[int], None] | None = None,
            options: RequestOptions | None = None,
            rows: Callable[..., T],
        ) -> ManyResult[T]: ...

        @overload
        async def execute_many_async(
            self,
            stmt: str,
            rows_of_params: Iterable[Params] | AsyncIterable[Params] | ArrowTable,
            *,
            concurrency: int = 64,
            consistency: str | None = None,
            timeout: float | None = None,
            raise_on_error: bool = True,
            on_result: Callable[[int, Rows[Any] | Exception], None] | None = None,
            on_progress: Callable[[int], None] | None = None,
            options: RequestOptions | None = None,
            rows: Literal["tuple", "scalar", "arrow"],
        ) -> ManyResult[Any]: ...

        async def execute_many_async(
            self,
            stmt: str,
            rows_of_params: Iterable[Params] | AsyncIterable[Params] | ArrowTable,
            *,
            concurrency: int = 64,
            consistency: str | None = None,
            timeout: float | None = None,
            raise_on_error: bool = True,
            on_result: Callable[[int, Rows[Any] | Exception], None] | None = None,
            on_progress: Callable[[int], None] | None = None,
            options: RequestOptions | None = None,
            rows: Any = None,
        ) -> ManyResult[Any]: ...

        @overload
        def scan(
            self,
            table: str,
            *,
            columns: Iterable[str] | None = None,
            where: Condition | None = None,
            concurrency: int = 8,
            checkpoint: Any = None,
            options: ScanOptions | None = None,
            rows: Literal["dict"] | None = None,
        ) -> Scan: ...

        @overload
        def scan(
            self,
            table: str,
            *,
            columns: Iterable[str] | None = None,
            where: Condition | None = None,
            concurrency: int = 8,
            checkpoint: Any = None,
            options: ScanOptions | None = None,
            rows: type[T],
        ) -> Scan[T]: ...

        @overload
        def scan(
            self,
            table: str,
            *,
            columns: Iterable[str] | None = None,
            where: Condition | None = None,
            concurrency: int = 8,
            checkpoint: Any = None,
            options: ScanOptions | None = None,
            rows: Callable[..., T],
        ) -> Scan[T]: ...

        @overload
        def scan(
            self,
            table: str,
            *,
            columns: Iterable[str] | None = None,
            where: Condition | None = None,
            concurrency: int = 8,
            checkpoint: Any = None,
            options: ScanOptions | None = None,
            rows: Literal["tuple", "scalar"],
        ) -> Scan[Any]: ...

        def scan(
            self,
            table: str,
            *,
            columns: Iterable[str] | None = None,
            where: Condition | None = None,
            concurrency: int = 8,
            checkpoint: Any = None,
            options: ScanOptions | None = None,
            rows: Any = None,
        ) -> Scan[Any]: ...

        @overload
        def scan_async(
            self,
            table: str,
            *,
            columns: Iterable[str] | None = None,
            where: Condition | None = None,
            concurrency: int = 8,
            checkpoint: Any = None,
            options: ScanOptions | None = None,
            rows: Literal["dict"] | None = None,
        ) -> AsyncScan: ...

        @overload
        def scan_async(
            self,
            table: str,
            *,
            columns: Iterable[str] | None = None,
            where: Condition | None = None,
            concurrency: int = 8,
            checkpoint: Any = None,
            options: ScanOptions | None = None,
            rows: type[T],
        ) -> AsyncScan[T]: ...

        @overload
        def scan_async(
            self,
            table: str,
            *,
            columns: Iterable[str] | None = None,
            where: Condition | None = None,
            concurrency: int = 8,
            checkpoint: Any = None,
            options: ScanOptions | None = None,
            rows: Callable[..., T],
        ) -> AsyncScan[T]: ...

        @overload
        def scan_async(
            self,
            table: str,
            *,
            columns: Iterable[str] | None = None,
            where: Condition | None = None,
            concurrency: int = 8,
            checkpoint: Any = None,
            options: ScanOptions | None = None,
            rows: Literal["tuple", "scalar"],
        ) -> AsyncScan[Any]: ...

        def scan_async(
            self,
            table: str,
            *,
            columns: Iterable[str] | None = None,
            where: Condition | None = None,
            concurrency: int = 8,
            checkpoint: Any = None,
            options: ScanOptions | None = None,
            rows: Any = None,
        ) -> AsyncScan[Any]: ...
