from asyncio import AbstractEventLoop
from collections.abc import Callable, Generator, Iterator
from contextvars import Context
from typing import Any, Generic, TypeAlias, TypeVar, final

__all__ = [
    "BoundTemplate",
    "ColumnDecoder",
    "ExecuteTemplate",
    "Gate",
    "ParameterEncoder",
    "RowDecoder",
    "Streams",
    "Waiter",
    "crc24",
    "cut_answers",
    "deliver",
    "open_segments",
    "pack_numbers",
    "seal_segment",
]

_T = TypeVar("_T")

# A type's name, or what a type made of others is made of; RowDecoder tells how.
_Kind: TypeAlias = str | tuple[str, tuple[Any, ...], Any]

@final
class RowDecoder:
    def __new__(
        cls,
        names: tuple[str, ...],
        kinds: tuple[_Kind, ...],
        others: tuple[Callable[[bytes], Any] | None, ...],
        make: Callable[[], list[Any]] = ...,
        as_tuples: bool = ...,
        slots: tuple[type, tuple[Any, ...]] | None = ...,
    ) -> RowDecoder: ...
    def decode(self, body: bytes, start: int, rows: int) -> list[Any]: ...
    def only_page(self, body: bytes, beginning: bytes, most: int, columns: Any) -> list[Any] | None: ...

# How a column is filled: a type's name, or a tuple, as described there; or None.
_Form: TypeAlias = str | tuple[Any, ...] | None

# A filled column: its length, its nulls, its buffers, and the columns that it is made of.
_Filled: TypeAlias = tuple[int, int, tuple[bytes | None, ...], tuple[_Filled, ...]]

@final
class ColumnDecoder:
    def __new__(
        cls,
        names: tuple[str, ...],
        kinds: tuple[_Kind, ...],
        others: tuple[Callable[[bytes], Any] | None, ...],
        forms: tuple[_Form, ...],
    ) -> ColumnDecoder: ...
    def decode(self, body: bytes, start: int, rows: int) -> list[_Filled | list[Any]]: ...

@final
class ParameterEncoder:
    def __new__(
        cls,
        kinds: tuple[str, ...],
        others: tuple[Callable[[Any], bytes], ...],
        keys: tuple[int, ...] = ...,
        otherwise: Callable[[Any], bytes] | None = ...,
    ) -> ParameterEncoder: ...
    def encode(self, params: list[Any] | tuple[Any, ...]) -> bytes: ...

@final
class ExecuteTemplate:
    def __new__(
        cls,
        encoder: ParameterEncoder,
        before: bytes,
        after: bytes,
        timestamps: Callable[[], int] | None = ...,
        results: Any = ...,
    ) -> ExecuteTemplate: ...

@final
class Waiter:
    _asyncio_future_blocking: bool
    def __init__(self, loop: AbstractEventLoop) -> None: ...
    def get_loop(self) -> AbstractEventLoop: ...
    def done(self) -> bool: ...
    def cancelled(self) -> bool: ...
    def result(self) -> Any: ...
    def exception(self) -> None: ...
    def cancel(self, msg: Any = ...) -> bool: ...
    def set_result(self, result: Any) -> None: ...
    def add_done_callback(
        self, callback: Callable[[Any], object], *, context: Context | None = ...
    ) -> None: ...
    def remove_done_callback(self, callback: Callable[[Any], object]) -> int: ...
    def __await__(self) -> Generator[Any, None, Any]: ...
    def __iter__(self) -> Iterator[Any]: ...
    def __next__(self) -> Any: ...

@final
class BoundTemplate:
    def __new__(
        cls,
        template: ExecuteTemplate,
        connection: Any,
        loop: AbstractEventLoop,
        clock: Callable[[], float],
        sent: tuple[Any, Any, float],
    ) -> BoundTemplate: ...
    def send(self, params: Any) -> Waiter | None: ...

@final
class Gate:
    def __new__(cls, path: Any, loops: dict[Any, Any], registry: Any, last_page: Any) -> Gate: ...
    def send(
        self,
        stmt: Any,
        params: Any,
        consistency: Any,
        timeout: Any,
        fetch_size: Any,
        paging_state: Any,
        options: Any,
        rows: Any,
    ) -> Waiter | None: ...

def deliver(ended: list[Any], at_once: bool) -> None: ...

class Streams(Generic[_T]):
    out: list[bytes]
    usable_until: float
    next_deadline: float
    def __init__(self, frames: Any, limit: int) -> None: ...
    def send(self, opcode: int, body: bytes, token: _T, timeout: float, now: float) -> int: ...
    def execute(
        self, template: ExecuteTemplate, params: Any, token: _T, timeout: float, now: float
    ) -> bytes | None: ...
    def assign(self, token: _T, deadline: float, opcode: int, body: bytes, now: float) -> None: ...
    def send_orphan(self, opcode: int, body: bytes) -> None: ...
    @property
    def has_free_stream(self) -> bool: ...
    def match(self, data: bytes, now: float) -> list[tuple[_T, Any]]: ...
    @property
    def latencies(self) -> list[float]: ...
    def requests(self) -> list[tuple[_T, float]]: ...
    def orphan_overdue(self, now: float) -> list[tuple[_T, float]]: ...
    def clear(self) -> None: ...
    @property
    def assigned(self) -> int: ...
    @property
    def orphaned(self) -> int: ...

def cut_answers(
    data: bytes, version: int, unusual: Callable[[int, int, bytes], _T]
) -> tuple[list[tuple[int, bytes | _T]], int]: ...
def crc24(data: bytes) -> int: ...
def seal_segment(payload: bytes, alone: bool) -> bytes: ...
def open_segments(data: bytes) -> tuple[bytes, int]: ...
def pack_numbers(values: Any, letter: str, count: int) -> bytes | None: ...
