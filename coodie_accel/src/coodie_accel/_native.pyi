from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar, final

__all__ = ["ParameterEncoder", "RowDecoder", "crc24", "cut_answers"]

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
        make: Callable[[], list[dict[str, Any]]] = ...,
    ) -> RowDecoder: ...
    def decode(self, body: bytes, start: int, rows: int) -> list[dict[str, Any]]: ...

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

def cut_answers(
    data: bytes, version: int, unusual: Callable[[int, int, bytes], _T]
) -> tuple[list[tuple[int, bytes | _T]], int]: ...
def crc24(data: bytes) -> int: ...
