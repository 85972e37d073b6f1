from collections.abc import Callable
from typing import Any, final

__all__ = ["ParameterEncoder", "RowDecoder", "crc24"]

@final
class RowDecoder:
    def __new__(
        cls,
        names: tuple[str, ...],
        kinds: tuple[str, ...],
        others: tuple[Callable[[bytes], Any] | None, ...],
    ) -> RowDecoder: ...
    def decode(self, body: bytes, start: int, rows: int) -> list[dict[str, Any]]: ...

@final
class ParameterEncoder:
    def __new__(
        cls, kinds: tuple[str, ...], others: tuple[Callable[[Any], bytes], ...]
    ) -> ParameterEncoder: ...
    def encode(self, params: list[Any] | tuple[Any, ...]) -> bytes: ...

def crc24(data: bytes) -> int: ...
