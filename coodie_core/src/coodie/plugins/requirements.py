"""Check that a backend's dependencies are installed, without importing them."""

from __future__ import annotations

import shlex
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion

from coodie.exceptions import DriverDependencyError, NotADriverError
from coodie.plugins.discovery import find_installed
from coodie_doctor.pip_commands import pip_command
from coodie_doctor.words import words_of

if TYPE_CHECKING:
    from coodie.exceptions import DriverLoadError
    from coodie.plugins.discovery import DriverEntryPoint

__all__ = ["check_needs", "dependency_error", "plain_requirement", "requirement_of", "unmet_requirements"]


def check_needs(needs: tuple[str, ...], entry: DriverEntryPoint) -> None:
    """Check a backend's dependencies.

    A program without metadata, such as a frozen one, passes.

    Args:
        needs: Requirements as in pyproject.toml. A name without a version has the versions in the backend's
            own metadata.
        entry: The backend's entry point.

    Raises:
        DriverDependencyError: A dependency isn't installed, or in another version.
        NotADriverError: An element of ``needs`` isn't a valid requirement.
    """
    for need in needs:
        error = _objection(need, entry)
        if error is not None and find_installed("coodie-core") is not None:
            raise error


def unmet_requirements(distribution: str) -> list[Requirement]:
    """Return a distribution's requirements, without extras, that aren't installed."""
    return [wanted for wanted in _requirements(find_installed(distribution)) if not _is_met(wanted)]


def requirement_of(distribution: str, name: str) -> Requirement | None:
    """Return a distribution's requirement for another distribution, or None."""
    return _named(_requirements(find_installed(distribution)), name)


def dependency_error(wanted: Requirement, entry: DriverEntryPoint) -> DriverDependencyError:
    """Return the error for a requirement that isn't met."""
    found = find_installed(wanted.name)
    plain = plain_requirement(wanted)
    what = "which isn't installed" if found is None else f"and {_version(found)} is installed"
    return DriverDependencyError(
        f"{entry.owner} needs {plain}, {what}.",
        command=f"pip install {shlex.quote(plain)}",
        **entry.plugin_name.details,
        distribution=entry.distribution,
        missing=wanted.name,
        requirement=plain,
        found=None if found is None else _version(found),
    )


def plain_requirement(wanted: Requirement) -> str:
    """Return a requirement as an argument for pip, without its marker."""
    extras = f"[{','.join(sorted(wanted.extras))}]" if wanted.extras else ""
    return (
        f"{wanted.name}{extras} @ {wanted.url}" if wanted.url else f"{wanted.name}{extras}{wanted.specifier}"
    )


def _objection(need: str, entry: DriverEntryPoint) -> DriverLoadError | None:
    """Return the error for an unmet or invalid requirement, or None."""
    try:
        wanted = Requirement(need)
    except InvalidRequirement as exc:
        error = NotADriverError(
            f"{entry.owner} declares the dependency {need!r}, which is invalid: {words_of(exc)}.",
            hint="Report it to its authors, or try a new version:",
            command=pip_command("install --upgrade", entry.distribution),
            driver_type=entry.driver_type,
            distribution=entry.distribution,
        )
        error.__cause__ = exc
        return error
    if not _holds_here(wanted):
        return None
    if not (wanted.specifier or wanted.url) and entry.distribution:
        own = entry.installed or find_installed(entry.distribution)
        wanted = _named(_requirements(own), wanted.name) or wanted
    return None if _is_met(wanted) else dependency_error(wanted, entry)


def _is_met(wanted: Requirement) -> bool:
    found = find_installed(wanted.name)
    try:
        return found is not None and wanted.specifier.contains(_version(found), prereleases=True)
    except InvalidVersion:
        return False


def _version(distribution: Any) -> str:
    """Return the version in METADATA, or "unknown"."""
    try:
        return str(distribution.version or "unknown")
    except KeyError:
        return "unknown"


def _holds_here(wanted: Requirement) -> bool:
    """Return whether a requirement's marker, without extras, applies to this interpreter."""
    return wanted.marker is None or wanted.marker.evaluate({"extra": ""})


def _named(requirements: list[Requirement], name: str) -> Requirement | None:
    canonical = canonicalize_name(name)
    return next((one for one in requirements if canonicalize_name(one.name) == canonical), None)


def _requirements(distribution: Any) -> list[Requirement]:
    """Parse a distribution's Requires-Dist that apply to this interpreter, without extras.

    Invalid ones are ignored.
    """
    texts = None if distribution is None else distribution.requires
    found = []
    for text in texts or ():
        with suppress(InvalidRequirement, UndefinedComparison, UndefinedEnvironmentName):
            wanted = Requirement(text)
            if _holds_here(wanted):
                found.append(wanted)
    return found
