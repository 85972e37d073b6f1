"""The names that a new driver's package has, all made of one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from coodie.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DriverNames", "driver_names"]

#: What is a name for a driver_type, a distribution (PEP 508) and a module, in one spelling for each.
_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")

_PREFIX = "coodie-"

#: Name → whose it is: parts of this project that aren't backends, and classes of core's drivers.
_RESERVED = {
    "core": "coodie-core",
    "accel": "coodie-accel",
    "testing": "coodie-testing",
    "abstract": "coodie-core's AbstractDriver",
    "client": "coodie-core's ClientDriver",
    "lazy": "coodie-core's LazyDriver",
}

#: Longer names don't fit into the template's lines.
_MAX_LENGTH = 30


@dataclass(frozen=True, slots=True)
class DriverNames:
    """The names of one driver.

    Args:
        driver_type: What users give to ``init_coodie``: ``my-db``.
    """

    driver_type: str

    @property
    def distribution(self) -> str:
        """What pip calls it: ``coodie-my-db``."""
        return f"{_PREFIX}{self.driver_type}"

    @property
    def package(self) -> str:
        """What Python imports: ``coodie_my_db``."""
        return self.distribution.replace("-", "_")

    @property
    def stem(self) -> str:
        """What its classes' names start with: ``MyDb``."""
        return "".join(part.capitalize() for part in self.driver_type.split("-"))


def driver_names(name: str, taken: Mapping[str, str]) -> DriverNames:
    """Check a name and return all that are made of it.

    Args:
        name: The driver_type.
        taken: driver_type → distribution of the backends that are known or installed.

    Raises:
        ConfigurationError: It can't be a name, or somebody has it; the hint has one that can be used, where
            one is near.
    """
    if not _NAME.fullmatch(name) or len(name) > _MAX_LENGTH or name.startswith(_PREFIX):
        near = _nearest(name)
        message = f"{name!r} can't be the name of a driver."
        rule = f"Use lower-case letters, digits and single hyphens, a letter first, {_MAX_LENGTH} at most"
        hint = f"{rule}; the distribution becomes {_PREFIX}NAME."
        if near is not None:
            hint = f"{rule}: coodie new-driver {near}"
        raise ConfigurationError(message, hint=hint, option="name")
    owner = taken.get(name, _RESERVED.get(name))
    if owner is not None:
        message = f"The name {name!r} is taken: it belongs to {owner}."
        hint = f"Choose another, such as: coodie new-driver my-{name}"
        raise ConfigurationError(message, hint=hint, option="name")
    return DriverNames(name)


def _nearest(name: str) -> str | None:
    """Return the name that was probably meant."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower().removeprefix("coodie")
    near = re.sub(r"[^a-z0-9]+", "-", words).strip("-")[:_MAX_LENGTH].rstrip("-")
    return near if name.isascii() and _NAME.fullmatch(near) else None
