"""Recognise requirements that are met, without packaging.

Nearly every requirement is a name with comparisons of release numbers, and is met. To see that, packaging
isn't needed, whose import takes longer than connecting. All else is for ``coodie.plugins.requirements``:
other versions, extras, markers, URLs, invalid requirements, and those that aren't met.
"""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any

from coodie.plugins.discovery import canonical_name, find_installed, headers_of, installed_version

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from coodie.plugins.discovery import DriverEntryPoint

__all__ = ["is_plainly_met"]

#: A name and comparisons with versions: "scylla-driver>=3.29.2,<3.30".
_REQUIREMENT = re.compile(
    r"([\w.-]+)\s*((?:[<>]=?|[=!]=)[\d.\s]+(?:,\s*(?:[<>]=?|[=!]=)[\d.\s]+)*)?", re.ASCII
)

_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
}


def is_plainly_met(need: str, entry: DriverEntryPoint) -> bool:
    """Return True if a requirement is met; False if that isn't plain, or it isn't met.

    Args:
        need: The requirement; a name without a version has the versions in the backend's own metadata.
        entry: The backend's entry point.

    Raises:
        OSError: Metadata can't be read now.
    """
    match = _REQUIREMENT.fullmatch(need)
    if match is None:
        return False
    name, wanted = match[1], match[2]
    if not wanted and entry.distribution:
        own = entry.installed or find_installed(entry.distribution)
        match = _own_requirement(own, canonical_name(name))
        if match is None:
            return False
        wanted = match[2]
    found = find_installed(name)
    try:
        return found is not None and _is_in(_release(installed_version(found)), wanted or "")
    except (KeyError, ValueError):
        return False


def _own_requirement(distribution: Any, canonical: str) -> re.Match[str] | None:
    """Return a distribution's requirement for another one; None if there is none, or it isn't plain."""
    for line in headers_of(distribution).splitlines() if distribution is not None else ():
        header, _, text = line.partition(":")
        if header.lower() == "requires-dist" and canonical_name(text.strip()).startswith(canonical):
            match = _REQUIREMENT.fullmatch(text.strip())
            if match is None:
                return None  # perhaps the one, with a marker
            if canonical_name(match[1]) == canonical:
                return match
    return None


def _is_in(version: tuple[int, ...], wanted: str) -> bool:
    """Return whether a version satisfies all comparisons.

    Raises:
        ValueError: A version isn't a release number.
    """
    for comparison in filter(None, wanted.split(",")):
        sign = comparison[:2] if comparison[1:2] == "=" else comparison[:1]
        if not _COMPARISONS[sign](version, _release(comparison.removeprefix(sign))):
            return False
    return True


def _release(text: str) -> tuple[int, ...]:
    """Return a release number without trailing zeros, which make no difference (PEP 440).

    Raises:
        ValueError: The version isn't a release number.
    """
    if not (text.isascii() and text.replace(".", "").strip().isdecimal()):
        raise ValueError(text)
    parts = [int(part) for part in text.strip().split(".")]
    while parts and not parts[-1]:
        parts.pop()
    return tuple(parts)
