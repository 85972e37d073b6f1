"""The errors of selecting a backend, before anything of it is imported."""

from __future__ import annotations

import os
from contextlib import contextmanager
from difflib import get_close_matches
from typing import TYPE_CHECKING

from coodie.capabilities import KNOWN
from coodie.exceptions import (
    CoodieError,
    DriverApiVersionError,
    DriverBlockedError,
    DriverLoadError,
    DriverNotFoundError,
    DuplicateDriverError,
    NotADriverError,
)
from coodie.plugins.allowlist import ALLOW_VARIABLE, BLOCK_VARIABLE, from_environment
from coodie.plugins.discovery import DRIVER_API_VERSION, canonical_name
from coodie_doctor.findings import words_of
from coodie_doctor.ownership import DOCTOR, pip_command

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from coodie.plugins.discovery import DriverEntryPoint

__all__ = [
    "blocked",
    "duplicate",
    "no_metadata",
    "not_announced",
    "not_found",
    "not_installed",
    "reading_metadata",
    "unreadable",
    "unusable_name",
    "wrong_version",
]


@contextmanager
def reading_metadata(driver_type: str | None = None) -> Iterator[None]:
    """Translate an OSError of reading metadata of distributions within the block.

    Args:
        driver_type: The requested backend.

    Raises:
        DriverLoadError: Reading failed, for example for lack of file descriptors.
    """
    try:
        yield
    except OSError as exc:
        if isinstance(exc, CoodieError):
            raise
        what = "The installed backends" if driver_type is None else f"driver_type={driver_type!r}"
        message = f"{what} can't be looked up: reading distributions' metadata raised {words_of(exc)}."
        hint = "The next call tries again. For the installed backends, run:"
        raise DriverLoadError(message, hint=hint, command=DOCTOR, driver_type=driver_type) from exc


def not_found(
    driver_type: str, *, installed: tuple[str, ...], broken: tuple[str, ...], blocked: tuple[str, ...]
) -> DriverNotFoundError:
    """Return the error for a driver_type that no installed distribution provides.

    Args:
        driver_type: The driver_type.
        installed: The installed, usable driver_types.
        broken: The installed driver_types that failed to load.
        blocked: The driver_types of blocked distributions.
    """
    parts = [f"No backend for driver_type={driver_type!r} is installed."]
    for title, names in (("Installed", installed), ("Broken", broken), ("Blocked", blocked)):
        if names:
            parts.append(f"{title}: {', '.join(names)}.")
    if not (installed or broken or blocked):
        parts.append("No backend is installed.")
    guess = None
    if driver_type in KNOWN:
        hint, command = "To install it, run:", KNOWN[driver_type].install
    else:
        close = get_close_matches(driver_type, [*installed, *KNOWN, *broken, *blocked], n=1)
        guess = close[0] if close else None
        if guess in KNOWN and guess not in (*installed, *broken, *blocked):
            hint, command = f"Did you mean {guess!r}? To install it, run:", KNOWN[guess].install
        elif guess is not None:
            hint, command = f"Did you mean {guess!r}? For details, run:", DOCTOR
        else:
            ours = ", ".join(backend.distribution for backend in KNOWN.values())
            hint = f"Install its distribution; coodie's are {ours}. For the installed backends, run:"
            command = DOCTOR
    return DriverNotFoundError(
        " ".join(parts),
        hint=hint,
        command=command,
        driver_type=driver_type,
        installed=installed,
        broken=broken,
        blocked=blocked,
        suggestion=guess,
    )


def no_metadata(driver_type: str) -> DriverNotFoundError:
    """Return the error for a program without metadata of any distribution, not even of coodie-core."""
    message = (
        f"driver_type={driver_type!r} can't be looked up: this program has no metadata of "
        "distributions, which is usual for a frozen program."
    )
    example = KNOWN.get(driver_type)
    module = f"{example.distribution.replace('-', '_')}.plugin" if example else "its_package.plugin"
    hint = (
        f"Import the plug-in and call coodie.plugins.register_plugin({driver_type!r}, {module}), or freeze "
        "the metadata, too. For its documentation, run:"
    )
    command = 'python -c "import coodie.plugins; help(coodie.plugins.register_plugin)"'
    return DriverNotFoundError(message, hint=hint, command=command, driver_type=driver_type)


def not_installed(driver_type: str, distribution: str, others: Sequence[str]) -> DriverNotFoundError:
    """Return the error for a pinned distribution that isn't installed."""
    message = f"The distribution {distribution!r}, pinned by driver_type={driver_type!r}, isn't installed."
    if others:
        message += f" {driver_type!r} is provided by {' and '.join(others)}."
    known = KNOWN.get(driver_type)
    if known is not None and canonical_name(distribution) == known.distribution:
        command = known.install
    else:
        command = pip_command("install", distribution)
    return DriverNotFoundError(
        message,
        hint="It can't be a distribution's name. For the installed backends, run:"
        if command == DOCTOR
        else "To install it, run:",
        command=command,
        driver_type=driver_type,
        distribution=distribution,
    )


def not_announced(driver_type: str, distribution: str, announced: Sequence[str]) -> DriverNotFoundError:
    """Return the error for a pinned distribution that doesn't provide the backend."""
    what = f"provides {', '.join(map(repr, announced))}" if announced else "provides no backend"
    return DriverNotFoundError(
        f"The distribution {distribution!r}, pinned by driver_type={driver_type!r}, {what}.",
        hint="For the installed backends, run:",
        command=DOCTOR,
        driver_type=driver_type,
        distribution=distribution,
    )


def unreadable(driver_type: str, distribution: str) -> DriverLoadError:
    """Return the error for metadata that can't be read."""
    return DriverLoadError(
        f"The metadata of the installed distribution {distribution!r} can't be read.",
        hint="To fix it, run:",
        command=pip_command("install --force-reinstall --no-deps", distribution),
        driver_type=driver_type,
        distribution=distribution,
    )


def unusable_name(entry: DriverEntryPoint) -> NotADriverError:
    """Return the error for an entry point with an "@" in its name, which is reserved for pins."""
    return NotADriverError(
        f"{entry.owner} provides a backend named {entry.driver_type!r}, which can't be a driver_type.",
        hint=f"Report it to the authors of {entry.distribution}, or try a new version:",
        command=pip_command("install --upgrade", entry.distribution),
        driver_type=entry.driver_type,
        distribution=entry.distribution,
    )


def duplicate(entries: Sequence[DriverEntryPoint]) -> DuplicateDriverError:
    """Return the error for a driver_type that several distributions provide, or one more than once."""
    first, last = entries[0], entries[-1]
    owners = tuple(dict.fromkeys(entry.owner for entry in entries))
    if len(owners) == 1:
        values = " and ".join(repr(entry.entry_point.value) for entry in entries)
        return DuplicateDriverError(
            f"{first.owner} provides driver_type={first.driver_type!r} more than once, as {values}.",
            hint=f"Report it to the authors of {first.distribution}, or try a new version:",
            command=pip_command("install --upgrade", first.distribution),
            driver_type=first.driver_type,
            distributions=owners,
        )
    message = f"driver_type={first.driver_type!r} is provided by {' and '.join(owners)}."
    pin = f"{first.driver_type}@{first.distribution}"
    return DuplicateDriverError(
        message,
        hint=f"Pin one, such as driver_type={pin!r}, or uninstall the others:",
        command=pip_command("uninstall --yes", last.distribution),
        driver_type=first.driver_type,
        distributions=owners,
    )


def wrong_version(entry: DriverEntryPoint) -> DriverApiVersionError:
    """Return the error for a backend that declares other versions of the contract, or none."""
    declared = ", ".join(map(str, entry.api_versions)) or "none"
    message = (
        f"{entry.owner} declares version {declared} of the driver API; "
        f"this coodie-core supports {DRIVER_API_VERSION}."
    )
    return DriverApiVersionError(
        message,
        hint="To update both, run:",
        command=pip_command("install --upgrade coodie-core", entry.distribution),
        driver_type=entry.driver_type,
        distribution=entry.distribution,
        declared=entry.api_versions,
        supported=DRIVER_API_VERSION,
    )


def blocked(entry: DriverEntryPoint, blocked_by: str) -> DriverBlockedError:
    """Return the error for a backend whose distribution is blocked."""
    message = f"{entry.owner}, which provides driver_type={entry.driver_type!r}, is blocked"
    name = canonical_name(entry.distribution)
    if blocked_by == BLOCK_VARIABLE:
        message += f" by the environment: {BLOCK_VARIABLE}={os.environ[BLOCK_VARIABLE]}."
        command = _setting(
            BLOCK_VARIABLE, [other for other in from_environment(BLOCK_VARIABLE) if other != name]
        )
        hint = "To allow it, run:"
    elif blocked_by == ALLOW_VARIABLE:
        message += f" by the environment: it isn't in {ALLOW_VARIABLE}={os.environ[ALLOW_VARIABLE]}."
        command = _setting(ALLOW_VARIABLE, [*from_environment(ALLOW_VARIABLE), name])
        hint = "To allow it, run:"
    else:
        message += f" by the application, which called coodie.plugins.{blocked_by}()."
        command, hint = DOCTOR, "Use another backend; for the installed ones, run:"
    return DriverBlockedError(
        message,
        hint=hint,
        command=command,
        driver_type=entry.driver_type,
        distribution=entry.distribution,
        blocked_by=blocked_by,
    )


def _setting(variable: str, names: list[str]) -> str:
    value = ",".join(names)
    if os.name == "nt":
        return f"set {variable}={value}"
    return f"export {variable}={value}" if value else f"unset {variable}"
