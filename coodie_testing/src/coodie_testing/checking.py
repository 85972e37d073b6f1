"""Checks: a guarantee, the capabilities that it requires, and how a suite leaves it out, with a reason."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from coodie.capabilities import Capability

__all__ = ["Check", "check", "check_of", "checks_of", "override_of", "overrides_check", "problems_of"]

_F = TypeVar("_F", bound="Callable[..., Any]")

#: The attributes of functions with a check, and with the reason for an override.
_CHECK = "__coodie_check__"
_OVERRIDE = "__coodie_override__"

#: The fixtures that can run a coroutine.
_RUNNERS = ("api", "sync_api", "async_api", "loop")


@dataclass(frozen=True, slots=True)
class Check:
    """A guarantee of the contract, and the capabilities that a driver needs for its test."""

    #: The test's name.
    name: str
    #: Its topic: the name of its module.
    theme: str
    #: The guarantee, in one line.
    promise: str
    #: The required capabilities.
    needs: tuple[Capability, ...] = ()


def check(*needs: Capability) -> Callable[[_F], _F]:
    """Mark a test of the kit.

    A coroutine with the fixture ``api`` runs twice: without an event loop, with the driver's sync methods,
    and on an event loop, with its async methods. With ``sync_api`` or ``async_api``, it runs once.

    Args:
        needs: The required capabilities; without them, the check is skipped.
    """

    def decorate(function: _F) -> _F:
        parameters = inspect.signature(function).parameters
        asynchronous = inspect.iscoroutinefunction(function)
        runner = next((name for name in _RUNNERS if name in parameters), "loop")

        @wraps(function)
        def run(self: Any, **fixtures: Any) -> None:
            if not asynchronous:
                function(self, **fixtures)
                return
            driven_by = fixtures[runner]
            wanted = {name: value for name, value in fixtures.items() if name in parameters}
            driven_by.run(function(self, **wanted))

        signature = inspect.signature(function)
        if asynchronous and runner not in parameters:
            extra = inspect.Parameter(runner, inspect.Parameter.KEYWORD_ONLY)
            signature = signature.replace(parameters=[*parameters.values(), extra])
        # What pytest reads to know the fixtures; not the wrapped coroutine, which other plug-ins would run.
        run.__signature__ = signature  # type: ignore[attr-defined]  # functions take any attribute
        promise = (inspect.getdoc(function) or "").partition("\n")[0]
        theme = function.__module__.rpartition(".")[2]
        setattr(run, _CHECK, Check(function.__name__, theme, promise, needs))
        return run  # type: ignore[return-value]  # pytest calls it by its signature, which is the same

    return decorate


def overrides_check(reason: str) -> Callable[[_F], _F]:
    """Mark a test that replaces a check of the kit; the report shows the reason.

    Args:
        reason: The reason why the kit's check doesn't apply to this driver.

    Raises:
        ValueError: The reason is empty.
    """
    if not isinstance(reason, str) or not reason.strip():
        raise ValueError("overrides_check() needs a reason. Say why the kit's check doesn't apply.")

    def decorate(function: _F) -> _F:
        setattr(function, _OVERRIDE, reason.strip())
        return function

    return decorate


def check_of(function: object) -> Check | None:
    """Return the check of a test function, or None."""
    return getattr(function, _CHECK, None)


def override_of(function: object) -> str | None:
    """Return the reason why a test replaces a check, or None."""
    return getattr(function, _OVERRIDE, None)


def checks_of(suite: type) -> dict[str, Check]:
    """Return the checks of a class by name, in the order of their topics."""
    found: dict[str, Check] = {}
    for owner in suite.__mro__:
        for name, member in vars(owner).items():
            described = check_of(member)
            if described is not None:
                found.setdefault(name, described)
    return found


def problems_of(suite: type, kit: type, waived: Mapping[str, str]) -> list[str]:
    """List the checks that a suite leaves out without a reason.

    Args:
        suite: The suite's class.
        kit: The class with all checks.
        waived: Check → reason.

    Returns:
        A sentence for each problem.
    """
    problems = []
    checks = checks_of(kit)
    for name, reason in waived.items():
        if name not in checks:
            problems.append(f"waived names {name!r}, which isn't a check of the kit.")
        elif not isinstance(reason, str) or not reason.strip():
            problems.append(f"waived gives no reason for {name!r}.")
    for name in checks:
        found = getattr(suite, name, None)
        if name in waived or found is getattr(kit, name) or override_of(found) is not None:
            continue
        done = "was deleted" if not callable(found) else "was overridden without a reason"
        problems.append(
            f"{name} {done}. Give the reason: waived = {{{name!r}: '…'}}, or @overrides_check('…') on yours."
        )
    return problems
