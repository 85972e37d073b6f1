"""What an examination finds, and how it's told: as text, or as JSON."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Finding", "Report", "plain_text", "words_of"]

_WIDTH = 100


def plain_text(value: object) -> str:
    """Return a value's text as a terminal may have it, whoever wrote it: control characters are escaped.

    Never raises: a ``__str__`` that does is told of instead.
    """
    try:
        text = str(value)
    except Exception as exc:  # noqa: BLE001 - what it is about is more than how it's written
        return f"(its text can't be had: {type(exc).__name__})"
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode()
        for char in text
    )


def words_of(raised: BaseException) -> str:
    """Return an exception's class and text in one line, for a sentence of ours."""
    text = " ".join(plain_text(raised).split())
    return f"{type(raised).__name__}: {text}" if text else type(raised).__name__


@dataclass(frozen=True)
class Finding:
    """One thing that isn't as it should be.

    Args:
        subject: What it is about: a package, a distribution, a backend.
        message: What was found.
        command: What to run about it, or None.
        is_problem: Whether something can't work because of it; else it is a remark.
    """

    subject: str
    message: str
    command: str | None = None
    is_problem: bool = True


@dataclass
class Report:
    """All that an examination found.

    Args:
        environment: What this is: the interpreter, the packages… by name.
        findings: What isn't as it should be.
        backends: The backends, as ``coodie drivers --json`` has them; None where they can't be looked at.
        connection: How connecting went; None where that wasn't asked for.
    """

    environment: dict[str, str]
    findings: list[Finding] = field(default_factory=list)
    backends: list[dict[str, Any]] | None = None
    connection: dict[str, Any] | None = None

    @property
    def ok(self) -> bool:
        """Whether all is well."""
        return not any(finding.is_problem for finding in self.findings)

    def as_json(self) -> str:
        """Return it for programs."""
        import json  # this module is imported by whoever imports coodie

        return json.dumps({"ok": self.ok, **asdict(self)}, indent=2)

    def as_text(self) -> str:
        """Return it for people; each command stands alone on its line."""
        return "\n".join(map(plain_text, self._lines()))

    def _lines(self) -> Iterator[str]:
        import textwrap  # as above

        yield "Environment"
        yield from _pairs(self.environment)
        yield ""
        yield "Backends"
        if self.backends is None:
            yield "  not looked at: see the problems below"
        for backend in self.backends or []:
            name = f"{backend['distribution'] or 'the application'} {backend['version'] or ''}".strip()
            yield f"  {backend['driver_type'] or '?':12}  {backend['state']:13}  {name}"
            yield from _pairs(backend["facts"], indent=16)
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
                    # At the line's start, so that it can be copied as it stands.
                    yield finding.command
        yield ""
        yield "All is well." if self.ok else "Not all is well."


def _pairs(pairs: dict[str, Any], indent: int = 2) -> Iterator[str]:
    width = max(map(len, pairs), default=0)
    for name, value in pairs.items():
        yield f"{' ' * indent}{name.replace('_', ' '):{width}}  {value}"
