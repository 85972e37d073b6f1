"""The argument ``rows`` of a driver's methods, also for backends without support for row shapes.

Such a backend returns dicts. The methods of its class are wrapped: the wrappers accept ``rows`` and convert
the returned rows, so that the backend keeps the signatures of the contract.
"""

from __future__ import annotations

from contextlib import aclosing, closing, contextmanager
from contextvars import ContextVar
from functools import partial, wraps
from inspect import CO_VARKEYWORDS
from types import FunctionType
from typing import TYPE_CHECKING, Any

from coodie.requests import RequestOptions, check_callback
from coodie.row_shapes import parse_rows
from coodie.rows import as_rows

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator

    from coodie.many_result import ManyResult
    from coodie.row_shapes import RowShape
    from coodie.rows import Rows

__all__ = ["add_rows_argument", "dicts_argument", "rows_argument", "shape_and_options"]

#: Whether a wrapped method is running: the methods that it calls return dicts, which are converted once.
_is_inside: ContextVar[bool] = ContextVar("coodie_rows_inside", default=False)


def rows_argument(rows: Any) -> dict[str, Any]:
    """Return ``rows`` as a keyword argument, or nothing if it is None."""
    return {} if rows is None else {"rows": rows}


def dicts_argument(driver: Any, options: RequestOptions | None = None) -> dict[str, Any]:
    """Return the keyword argument that requests dicts, or nothing if dicts are the default.

    Args:
        driver: The driver.
        options: The request's options.
    """
    is_left_to_it = getattr(driver, "_default_rows", None) is None
    # What isn't a RequestOptions is rejected by the method that gets it.
    has_rows = isinstance(options, RequestOptions) and options.rows is not None
    return {"rows": dict} if has_rows or not is_left_to_it else {}


def shape_and_options(
    rows: Any, options: RequestOptions | None, default: Any
) -> tuple[RowShape | None, RequestOptions | None]:
    """Return a request's row shape, None for dicts, and its options without ``rows``.

    Args:
        rows: The method's argument.
        options: The request's options.
        default: The driver's default.
    """
    if isinstance(options, RequestOptions) and options.rows is not None:
        from dataclasses import replace  # only needed here

        rows = options.rows if rows is None else rows
        options = replace(options, rows=None)
        # Backends that predate options don't accept the argument.
        options = None if options == RequestOptions() else options
    wanted = default if rows is None else rows
    return None if wanted is None else parse_rows(wanted), options


def add_rows_argument(cls: type) -> None:
    """Wrap the methods of a driver's class that don't accept ``rows``."""
    for name, around in _WRAPPERS.items():
        method = getattr(cls, name, None)
        if not isinstance(method, FunctionType) or _is_abstract(method) or _takes_rows(method):
            continue
        passes_keywords = method.__code__.co_flags & CO_VARKEYWORDS
        if not (passes_keywords and _has_shapes(cls.__mro__[1:])):
            setattr(cls, name, around(method))


def _is_abstract(method: Callable[..., Any]) -> bool:
    return getattr(method, "__isabstractmethod__", False)


def _takes_rows(method: FunctionType) -> bool:
    code = method.__code__
    return "rows" in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]


def _has_shapes(bases: tuple[type, ...]) -> bool:
    """Return whether the methods of a base class take ``rows``, without being wrapped."""
    for base in bases:
        execute = vars(base).get("execute")
        if isinstance(execute, FunctionType) and not _is_abstract(execute):
            return _takes_rows(execute) and not hasattr(execute, "__wrapped__")
    return False


@contextmanager
def _inside(driver: Any, *, is_inside: bool = True) -> Iterator[None]:
    """Run a wrapped method, which may call other methods of the driver, or a callback of the caller."""
    if driver._default_rows is None:  # noqa: SLF001 - core's
        yield
        return
    token = _is_inside.set(is_inside)
    try:
        yield
    finally:
        _is_inside.reset(token)


def _taken(driver: Any, kwargs: dict[str, Any], rows: Any) -> RowShape | None:
    """Return a call's row shape, and remove it from the call's options."""
    default = None if _is_inside.get() else driver._default_rows  # noqa: SLF001 - core's
    if rows is None and default is None and kwargs.get("options") is None:
        return None
    shape, options = shape_and_options(rows, kwargs.pop("options", None), default)
    if options is not None:
        kwargs["options"] = options
    return shape


def _params(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Any, ...]:
    """Return the positional arguments, with an empty list if there are no parameters."""
    return (*args, []) if len(args) == 1 and "params" not in kwargs else args


def _execute(method: Callable[..., list[dict[str, Any]]]) -> Callable[..., Rows[Any]]:
    @wraps(method)
    def execute(self: Any, *args: Any, rows: Any = None, **kwargs: Any) -> Rows[Any]:
        shape = _taken(self, kwargs, rows)
        with _inside(self):
            found = as_rows(method(self, *_params(args, kwargs), **kwargs))
        return found if shape is None else shape.of_dicts(found)

    return execute


def _execute_async(
    method: Callable[..., Awaitable[list[dict[str, Any]]]],
) -> Callable[..., Awaitable[Rows[Any]]]:
    @wraps(method)
    async def execute_async(self: Any, *args: Any, rows: Any = None, **kwargs: Any) -> Rows[Any]:
        shape = _taken(self, kwargs, rows)
        with _inside(self):
            found = as_rows(await method(self, *_params(args, kwargs), **kwargs))
        return found if shape is None else shape.of_dicts(found)

    return execute_async


def _stream(
    method: Callable[..., Generator[Any, None, None]],
) -> Callable[..., Generator[Any, None, None]]:
    def shaped(
        driver: Any, shape: RowShape | None, found: Generator[Any, None, None]
    ) -> Generator[Any, None, None]:
        with closing(found):
            while True:
                with _inside(driver):
                    row = next(found, None)
                if row is None:
                    return
                yield row if shape is None else shape.of_dicts([row])[0]

    @wraps(method)
    def stream(self: Any, *args: Any, rows: Any = None, **kwargs: Any) -> Generator[Any, None, None]:
        shape = _taken(self, kwargs, rows)
        if shape is not None and shape.is_columnar:
            pages: Generator[Any, None, None] = _by_page("stream", self)(*args, rows=shape, **kwargs)
            return pages
        found = method(self, *args, **kwargs)
        is_plain = shape is None and self._default_rows is None
        return found if is_plain else shaped(self, shape, found)

    return stream


def _stream_async(
    method: Callable[..., AsyncGenerator[Any, None]],
) -> Callable[..., AsyncGenerator[Any, None]]:
    async def shaped(
        driver: Any, shape: RowShape | None, found: AsyncGenerator[Any, None]
    ) -> AsyncGenerator[Any, None]:
        async with aclosing(found):
            while True:
                with _inside(driver):
                    row = await anext(found, None)
                if row is None:
                    return
                yield row if shape is None else shape.of_dicts([row])[0]

    @wraps(method)
    def stream_async(self: Any, *args: Any, rows: Any = None, **kwargs: Any) -> AsyncGenerator[Any, None]:
        shape = _taken(self, kwargs, rows)
        if shape is not None and shape.is_columnar:
            pages: AsyncGenerator[Any, None] = _by_page("stream_async", self)(*args, rows=shape, **kwargs)
            return pages
        found = method(self, *args, **kwargs)
        is_plain = shape is None and self._default_rows is None
        return found if is_plain else shaped(self, shape, found)

    return stream_async


def _by_page(name: str, driver: Any) -> Callable[..., Any]:
    """Return the contract's own ``stream``, which executes a request per page: a batch has a page's rows."""
    classes = reversed(type(driver).__mro__)
    method = next(vars(one)[name] for one in classes if name in vars(one))
    return partial(method, driver)


def _many_arguments(driver: Any, shape: RowShape | None, kwargs: dict[str, Any]) -> None:
    """Convert the rows that the callback of an ``execute_many`` call gets."""
    on_result = kwargs.get("on_result")
    check_callback(on_result, "on_result")
    if on_result is not None:

        def converted(index: int, outcome: Any) -> None:
            if shape is not None and not isinstance(outcome, Exception):
                outcome = shape.of_dicts(outcome)
            with _inside(driver, is_inside=False):
                on_result(index, outcome)

        kwargs["on_result"] = converted


def _execute_many(method: Callable[..., ManyResult]) -> Callable[..., ManyResult]:
    @wraps(method)
    def execute_many(self: Any, *args: Any, rows: Any = None, **kwargs: Any) -> ManyResult:
        shape = _taken(self, kwargs, rows)
        _many_arguments(self, shape, kwargs)
        with _inside(self):
            result = method(self, *args, **kwargs)
        return result if shape is None else result.converted(shape.of_dicts)

    return execute_many


def _execute_many_async(
    method: Callable[..., Awaitable[ManyResult]],
) -> Callable[..., Awaitable[ManyResult]]:
    @wraps(method)
    async def execute_many_async(self: Any, *args: Any, rows: Any = None, **kwargs: Any) -> ManyResult:
        shape = _taken(self, kwargs, rows)
        _many_arguments(self, shape, kwargs)
        with _inside(self):
            result = await method(self, *args, **kwargs)
        return result if shape is None else result.converted(shape.of_dicts)

    return execute_many_async


_WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "execute": _execute,
    "execute_async": _execute_async,
    "stream": _stream,
    "stream_async": _stream_async,
    "execute_many": _execute_many,
    "execute_many_async": _execute_many_async,
}
