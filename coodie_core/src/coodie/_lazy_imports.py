"""Names of a package that are imported when they are first used (PEP 562)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

__all__ = ["lazy_attributes"]


def lazy_attributes(
    namespace: dict[str, Any], homes: Mapping[str, str], modules: Collection[str]
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """Return a package's ``__getattr__`` and ``__dir__``.

    Args:
        namespace: The package's ``globals()``.
        homes: Names that are imported on first use → their modules, relative to the package: ``types``, or
            ``.options.tls`` for one outside it.
        modules: Modules that are imported on first use.
    """
    package = namespace["__name__"]

    def find(name: str) -> object:
        from importlib import import_module

        if name in modules:
            return import_module(f"{package}.{name}")
        if name not in homes:
            message = f"module {package!r} has no attribute {name!r}"
            raise AttributeError(message)
        found = namespace[name] = getattr(import_module(f".{homes[name]}", package), name)
        return found

    return find, lambda: sorted(namespace["__all__"])
