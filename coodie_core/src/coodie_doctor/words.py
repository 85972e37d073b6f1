"""The text of values and exceptions in messages."""

from __future__ import annotations

__all__ = ["plain_text", "words_of"]


def plain_text(value: object) -> str:
    """Return a value's text with escaped control characters, for a terminal.

    Never raises: an exception of ``__str__`` is reported instead.
    """
    try:
        text = str(value)
    except Exception as exc:  # noqa: BLE001 - what it is about is more than how it's written
        return f"(no text:  {type(exc).__name__})"
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode()
        for char in text
    )


def words_of(raised: BaseException) -> str:
    """Return an exception's class and text on one line."""
    text = " ".join(plain_text(raised).split())
    return f"{type(raised).__name__}: {text}" if text else type(raised).__name__
