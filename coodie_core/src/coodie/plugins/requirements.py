"""The distributions that a backend needs: compared with what is installed, without importing them."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from packaging.requirements import InvalidRequirement, Requirement

from coodie.exceptions import DriverDependencyError, NotADriverError
from coodie.plugins.discovery import canonical_name, find_installed

if TYPE_CHECKING:
    from coodie.plugins.discovery import DriverEntryPoint

__all__ = ["check_needs", "dependency_error", "requirement_of", "unmet_requirements"]


def check_needs(needs: tuple[str, ...], entry: DriverEntryPoint) -> None:
    """Refuse a backend while a distribution that it needs isn't there, or in another version.

    A program without any metadata, as a frozen one may be, can't be told, and is let through.

    Args:
        needs: Requirements as in a pyproject.toml. A bare name has the versions that the backend's own
            metadata asks for.
        entry: The backend's.

    Raises:
        DriverDependencyError: It names the requirement, and what is installed.
        NotADriverError: A need isn't a requirement.
    """
    if not needs or find_installed("coodie-core") is None:
        return
    for need in needs:
        wanted = _parsed(need, entry)
        if not _is_met(wanted):
            raise dependency_error(wanted, entry)


def unmet_requirements(distribution: str) -> list[Requirement]:
    """Return what a distribution's metadata asks for, without its extras, and isn't there."""
    return [wanted for wanted in _requirements(distribution) if not _is_met(wanted)]


def requirement_of(distribution: str, name: str) -> Requirement | None:
    """Return what a distribution's metadata asks for of another distribution, or None."""
    wanted = (
        entry for entry in _requirements(distribution) if canonical_name(entry.name) == canonical_name(name)
    )
    return next(wanted, None)


def dependency_error(wanted: Requirement, entry: DriverEntryPoint) -> DriverDependencyError:
    """Return the error for a requirement that isn't met."""
    installed = find_installed(wanted.name)
    plain = f"{wanted.name}{wanted.specifier}"
    what = "which isn't installed" if installed is None else f"and {installed.version} is installed"
    return DriverDependencyError(
        f"{entry.owner} needs {plain}, {what}.",
        command=f"pip install {shlex.quote(plain)}",
        driver_type=entry.driver_type,
        distribution=entry.distribution,
        missing=wanted.name,
        requirement=plain,
        found=None if installed is None else installed.version,
    )


def _parsed(need: str, entry: DriverEntryPoint) -> Requirement:
    try:
        wanted = Requirement(need)
    except InvalidRequirement as exc:
        raise NotADriverError(
            f"{entry.owner} says that it needs {need!r}, which is no requirement: {exc}.",
            command=f"pip install --upgrade {entry.distribution}",
            driver_type=entry.driver_type,
            distribution=entry.distribution,
        ) from exc
    if wanted.specifier or not entry.distribution:
        return wanted
    return requirement_of(entry.distribution, wanted.name) or wanted


def _is_met(wanted: Requirement) -> bool:
    installed = find_installed(wanted.name)
    return installed is not None and wanted.specifier.contains(installed.version, prereleases=True)


def _requirements(distribution: str) -> list[Requirement]:
    """Parse the Requires-Dist that hold on this interpreter, without any extra."""
    installed: Any = find_installed(distribution)
    parsed = [Requirement(text) for text in (installed.requires if installed is not None else None) or ()]
    return [wanted for wanted in parsed if wanted.marker is None or wanted.marker.evaluate({"extra": ""})]
