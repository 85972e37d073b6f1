"""Problems of a configuration, which are collected and reported together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from coodie.config.environment import PREFIX, as_in_variables
from coodie.exceptions import ConfigFileError
from coodie.options.similar_names import similar_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

__all__ = ["Problem", "did_you_mean", "raise_problems"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One problem.

    Args:
        where: ``coodie.toml:12``, the name of an environment variable, or the file.
        key: The dotted path of the key; "" for the whole file.
        message: The problem and its fix.
    """

    where: str
    key: str
    message: str

    def is_about(self, connection: str) -> bool:
        """Return whether the problem is about a connection."""
        variable = f"{PREFIX}{as_in_variables(connection)}__".upper()
        return f"{self.key}.".startswith(f"connections.{connection}.") or self.where.upper().startswith(
            variable
        )

    @property
    def line(self) -> int:
        """The line in the file, by which problems are sorted; 0 if there is none."""
        number = self.where.rpartition(":")[2]
        return int(number) if number.isdecimal() else 0

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.key, self.message) if part)


def raise_problems(source: str, problems: Sequence[Problem]) -> NoReturn:
    """Raise one error with all problems.

    Raises:
        ConfigFileError: Always.
    """
    count = "a mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
    mistakes = tuple(str(problem) for problem in sorted(problems, key=lambda problem: problem.line))
    lines = "".join(f"\n  {problem}" for problem in mistakes)
    raise ConfigFileError(f"{source} has {count}:{lines}", mistakes=mistakes)


def did_you_mean(name: object, known: Iterable[str]) -> str:
    """Return "Did you mean …?", or the list of known names."""
    names = list(known)
    close = similar_name(name, names)
    if close:
        return f"Did you mean {close!r}?"
    return f"There are {', '.join(names)}." if names else "There are none."
