"""The errors of selecting a plug-in, before anything of it is imported."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

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
from coodie.plugins.kinds import BACKENDS
from coodie_doctor.pip_commands import CORE, DOCTOR, pip_command, to_run
from coodie_doctor.words import words_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from coodie.plugins.discovery import DriverEntryPoint
    from coodie.plugins.kinds import PluginName

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
def reading_metadata(wanted: PluginName | None = None) -> Iterator[None]:
    """Translate an OSError of reading metadata of distributions within the block.

    Args:
        wanted: The requested plug-in.

    Raises:
        DriverLoadError: Reading failed, for example for lack of file descriptors.
    """
    try:
        yield
    except OSError as exc:
        if isinstance(exc, CoodieError):
            raise
        what = "The installed backends" if wanted is None else str(wanted)
        message = f"{what} can't be looked up: reading distributions' metadata raised {words_of(exc)}."
        hint = "The next call tries again. For the installed backends, run:"
        details = {} if wanted is None else wanted.details
        raise DriverLoadError(message, hint=hint, command=DOCTOR, **details) from exc


def not_found(
    wanted: PluginName, *, installed: tuple[str, ...], broken: tuple[str, ...], blocked: tuple[str, ...]
) -> DriverNotFoundError:
    """Return the error for a name that no installed distribution provides.

    Args:
        wanted: The name.
        installed: The installed, usable names.
        broken: The names that failed to load.
        blocked: The names of blocked distributions.
    """
    noun, known = wanted.kind.noun, wanted.kind.known
    parts = [f"No {noun} for {wanted} is installed."]
    for title, names in (("Installed", installed), ("Broken", broken), ("Blocked", blocked)):
        if names:
            parts.append(f"{title}: {', '.join(names)}.")
    if not (installed or broken or blocked):
        parts.append(f"No {noun} is installed.")
    guess = None
    if wanted.known is not None:
        command = wanted.known.install
        hint = f"To install it, {to_run(command)}"
    else:
        from difflib import get_close_matches  # for the error alone

        close = get_close_matches(wanted.name, [*installed, *known, *broken, *blocked], n=1)
        guess = close[0] if close else None
        if guess is not None and guess in known and guess not in (*installed, *broken, *blocked):
            command = known[guess].install
            hint = f"Did you mean {guess!r}? To install it, {to_run(command)}"
        elif guess is not None:
            hint, command = f"Did you mean {guess!r}? For details, run:", DOCTOR
        else:
            ours = ", ".join(one.distribution for one in known.values())
            named = f"; coodie's are {ours}" if ours else ""
            hint = f"Install its distribution{named}. {_installed(wanted)}"
            command = DOCTOR
    return DriverNotFoundError(
        " ".join(parts),
        hint=hint,
        command=command,
        installed=installed,
        broken=broken,
        blocked=blocked,
        suggestion=guess,
        **wanted.details,
    )


def no_metadata(wanted: PluginName) -> DriverNotFoundError:
    """Return the error for a program without metadata of any distribution, not even of coodie-core."""
    message = (
        f"{wanted} can't be looked up: this program has no metadata of distributions, which is usual for a "
        "frozen program."
    )
    if wanted.kind is not BACKENDS:
        hint = f"Freeze the metadata, too, or give {wanted.kind.option}= a function. {_installed(wanted)}"
        return DriverNotFoundError(message, hint=hint, command=DOCTOR, **wanted.details)
    example = wanted.known
    module = f"{example.distribution.replace('-', '_')}.plugin" if example else "its_package.plugin"
    hint = (
        f"Import the plug-in and call coodie.plugins.register_plugin({wanted.name!r}, {module}), or freeze "
        "the metadata, too. For its documentation, run:"
    )
    command = 'python -c "import coodie.plugins; help(coodie.plugins.register_plugin)"'
    return DriverNotFoundError(message, hint=hint, command=command, **wanted.details)


def not_installed(wanted: PluginName, distribution: str, others: Sequence[str]) -> DriverNotFoundError:
    """Return the error for a pinned distribution that isn't installed."""
    message = f"The distribution {distribution!r}, pinned by {wanted}, isn't installed."
    if others:
        message += f" {wanted.name!r} is provided by {' and '.join(others)}."
    known = wanted.known
    if known is not None and canonical_name(distribution) == known.distribution:
        command = known.install
    else:
        command = pip_command("install", distribution)
    return DriverNotFoundError(
        message,
        hint=f"It can't be a distribution's name. {_installed(wanted)}"
        if command == DOCTOR
        else f"To install it, {to_run(command)}",
        command=command,
        distribution=distribution,
        **wanted.details,
    )


def not_announced(wanted: PluginName, distribution: str, announced: Sequence[str]) -> DriverNotFoundError:
    """Return the error for a pinned distribution that doesn't provide the plug-in."""
    what = ", ".join(map(repr, announced)) or f"no {wanted.kind.noun}"
    return DriverNotFoundError(
        f"The distribution {distribution!r}, pinned by {wanted}, provides {what}.",
        hint=_installed(wanted),
        command=DOCTOR,
        distribution=distribution,
        **wanted.details,
    )


def unreadable(wanted: PluginName, distribution: str) -> DriverLoadError:
    """Return the error for metadata that can't be read."""
    command = pip_command("install --force-reinstall --no-deps", distribution)
    return DriverLoadError(
        f"The metadata of the installed distribution {distribution!r} can't be read.",
        hint=f"To fix it, {to_run(command)}",
        command=command,
        distribution=distribution,
        **wanted.details,
    )


def unusable_name(entry: DriverEntryPoint) -> NotADriverError:
    """Return the error for an entry point with an "@" in its name, which is reserved for pins."""
    return NotADriverError(
        f"{entry.owner} provides a {entry.kind.noun} named {entry.driver_type!r}, which can't be a "
        f"{entry.kind.option}.",
        hint=f"Report it to the authors of {entry.distribution}, or try a new version:",
        command=pip_command("install --upgrade", entry.distribution),
        distribution=entry.distribution,
        **entry.plugin_name.details,
    )


def duplicate(entries: Sequence[DriverEntryPoint]) -> DuplicateDriverError:
    """Return the error for a name that several distributions provide, or one more than once."""
    first, last = entries[0], entries[-1]
    owners = tuple(dict.fromkeys(entry.owner for entry in entries))
    if len(owners) == 1:
        values = " and ".join(repr(entry.entry_point.value) for entry in entries)
        return DuplicateDriverError(
            f"{first.owner} provides {first.plugin_name} more than once, as {values}.",
            hint=f"Report it to the authors of {first.distribution}, or try a new version:",
            command=pip_command("install --upgrade", first.distribution),
            distributions=owners,
            **first.plugin_name.details,
        )
    message = f"{first.plugin_name} is provided by {' and '.join(owners)}."
    pin = f"{first.driver_type}@{first.distribution}"
    return DuplicateDriverError(
        message,
        hint=f"Pin one, such as {first.kind.option}={pin!r}, or uninstall the others:",
        command=pip_command("uninstall --yes", last.distribution),
        distributions=owners,
        **first.plugin_name.details,
    )


def wrong_version(entry: DriverEntryPoint) -> DriverApiVersionError:
    """Return the error for a plug-in that declares other versions of the contract, or none."""
    declared = ", ".join(map(str, entry.api_versions)) or "none"
    message = (
        f"{entry.owner} declares version {declared} of the {entry.kind.contract}; "
        f"this coodie-core supports {DRIVER_API_VERSION}."
    )
    command = pip_command("install --upgrade", CORE, entry.distribution)
    return DriverApiVersionError(
        message,
        hint=f"To update both, {to_run(command)}",
        command=command,
        distribution=entry.distribution,
        **entry.plugin_name.details,
        declared=entry.api_versions,
        supported=DRIVER_API_VERSION,
    )


def blocked(entry: DriverEntryPoint, blocked_by: str) -> DriverBlockedError:
    """Return the error for a plug-in whose distribution is blocked."""
    message = f"{entry.owner}, which provides {entry.plugin_name}, is blocked"
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
        command, hint = DOCTOR, f"Use another {entry.kind.noun}; for the installed ones, run:"
    return DriverBlockedError(
        message,
        hint=hint,
        command=command,
        distribution=entry.distribution,
        **entry.plugin_name.details,
        blocked_by=blocked_by,
    )


def _installed(wanted: PluginName) -> str:
    return f"For the installed {wanted.kind.noun}s, run:"


def _setting(variable: str, names: list[str]) -> str:
    value = ",".join(names)
    if os.name == "nt":
        return f"set {variable}={value}"
    return f"export {variable}={value}" if value else f"unset {variable}"
