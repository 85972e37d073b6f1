"""The findings of the checks, as text and as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from coodie_doctor.words import plain_text

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Finding", "Report"]

_WIDTH = 100


@dataclass(frozen=True)
class Finding:
    """A problem or a remark.

    Args:
        subject: Its subject: a package, a distribution or a backend.
        message: The message.
        command: The command that fixes it, or None.
        is_problem: False for a remark.
    """

    subject: str
    message: str
    command: str | None = None
    is_problem: bool = True


@dataclass
class Report:
    """The report of all checks.

    Args:
        environment: Facts about the environment by name, such as the interpreter and packages.
        findings: The problems and remarks.
        backends: The backends, as in ``coodie drivers --json``; None if they can't be checked.
        connection: The result of connecting; None if that wasn't requested.
        credentials: The installed credentials providers.
    """

    environment: dict[str, str]
    findings: list[Finding] = field(default_factory=list)
    backends: list[dict[str, Any]] | None = None
    connection: dict[str, Any] | None = None
    credentials: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether there are no problems."""
        return not any(finding.is_problem for finding in self.findings)

    def as_json(self) -> str:
        """Return the report as JSON."""
        import json  # keeps it out of the import of coodie

        return json.dumps({"ok": self.ok, **asdict(self)}, indent=2)

    def as_text(self) -> str:
        """Return the report as text; each command has its own line."""
        return "\n".join(map(plain_text, self._lines()))

    def _lines(self) -> Iterator[str]:
        import textwrap  # as above

        yield "Environment"
        yield from _pairs(self.environment)
        yield ""
        yield "Backends"
        if self.backends is None:
            yield "  not checked: see the problems below"
        for backend in self.backends or []:
            yield _state(backend["driver_type"], backend)
            yield from _pairs(backend["facts"], indent=16)
        if self.credentials:
            yield ""
            yield "Credentials providers"
            yield from (_state(provider["name"], provider) for provider in self.credentials)
        if self.connection is not None:
            yield ""
            yield "Connection"
            shown = {name: value for name, value in self.connection.items() if name not in ("facts", "error")}
            yield from _pairs(shown | dict(self.connection.get("facts", {})))
            if "error" in self.connection:
                yield "  failed: see the problems below"
        for title, problems in (("Problems", True), ("Remarks", False)):
            found = [finding for finding in self.findings if finding.is_problem is problems]
            if found:
                yield ""
                yield title
            for finding in found:
                yield from textwrap.wrap(
                    f"{finding.subject}: {finding.message}",
                    _WIDTH,
                    initial_indent="- ",
                    subsequent_indent="  ",
                    break_long_words=False,
                    break_on_hyphens=False,
                )
                if finding.command:
                    # Without indentation, so that it can be copied.
                    yield finding.command
        yield ""
        count = sum(finding.is_problem for finding in self.findings)
        yield f"{count or 'No'} problem{'' if count == 1 else 's'} found."


def _state(name: str, plugin: dict[str, Any]) -> str:
    owner = f"{plugin['distribution'] or 'the application'} {plugin['version'] or ''}".strip()
    return f"  {name or '?':12}  {plugin['state']:13}  {owner}"


def _pairs(pairs: dict[str, Any], indent: int = 2) -> Iterator[str]:
    width = max(map(len, pairs), default=0)
    for name, value in pairs.items():
        yield f"{' ' * indent}{name.replace('_', ' '):{width}}  {value}"
