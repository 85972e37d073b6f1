"""The distributions that a backend needs: compared with what is installed, without importing them."""

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
from coodie_doctor.findings import words_of
from coodie_doctor.ownership import pip_command

if TYPE_CHECKING:
    from coodie.exceptions import DriverLoadError
    from coodie.plugins.discovery import DriverEntryPoint

__all__ = ["check_needs", "dependency_error", "plain_requirement", "requirement_of", "unmet_requirements"]


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
    for need in needs:
        error = _objection(need, entry)
        if error is not None and find_installed("coodie-core") is not None:
            raise error


def unmet_requirements(distribution: str) -> list[Requirement]:
    """Return what a distribution's metadata asks for, without its extras, and isn't there."""
    return [wanted for wanted in _requirements(find_installed(distribution)) if not _is_met(wanted)]


def requirement_of(distribution: str, name: str) -> Requirement | None:
    """Return what a distribution's metadata asks for of another distribution, or None."""
    return _named(_requirements(find_installed(distribution)), name)


def dependency_error(wanted: Requirement, entry: DriverEntryPoint) -> DriverDependencyError:
    """Return the error for a requirement that isn't met."""
    found = find_installed(wanted.name)
    plain = plain_requirement(wanted)
    what = "which isn't installed" if found is None else f"and {_version(found)} is installed"
    return DriverDependencyError(
        f"{entry.owner} needs {plain}, {what}.",
        command=f"pip install {shlex.quote(plain)}",
        driver_type=entry.driver_type,
        distribution=entry.distribution,
        missing=wanted.name,
        requirement=plain,
        found=None if found is None else _version(found),
    )


def plain_requirement(wanted: Requirement) -> str:
    """Return a requirement as pip takes it, without its marker."""
    extras = f"[{','.join(sorted(wanted.extras))}]" if wanted.extras else ""
    return (
        f"{wanted.name}{extras} @ {wanted.url}" if wanted.url else f"{wanted.name}{extras}{wanted.specifier}"
    )


def _objection(need: str, entry: DriverEntryPoint) -> DriverLoadError | None:
    """Return what is wrong with a need, or None."""
    try:
        wanted = Requirement(need)
    except InvalidRequirement as exc:
        error = NotADriverError(
            f"{entry.owner} says that it needs {need!r}, which is no requirement: {words_of(exc)}.",
            hint="Report it to its authors, or see whether they've corrected it:",
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
    """Return the version in METADATA; "unknown" where it has none."""
    try:
        return str(distribution.version or "unknown")
    except KeyError:
        return "unknown"


def _holds_here(wanted: Requirement) -> bool:
    """Tell whether a requirement's marker, without any extra, holds on this interpreter."""
    return wanted.marker is None or wanted.marker.evaluate({"extra": ""})


def _named(requirements: list[Requirement], name: str) -> Requirement | None:
    canonical = canonicalize_name(name)
    return next((one for one in requirements if canonicalize_name(one.name) == canonical), None)


def _requirements(distribution: Any) -> list[Requirement]:
    """Parse the Requires-Dist that hold on this interpreter, without any extra, of a distribution or None.

    Those that are no requirements are left out: they are pip's to complain of, and hide no other.
    """
    texts = None if distribution is None else distribution.requires
    found = []
    for text in texts or ():
        with suppress(InvalidRequirement, UndefinedComparison, UndefinedEnvironmentName):
            wanted = Requirement(text)
            if _holds_here(wanted):
                found.append(wanted)
    return found
