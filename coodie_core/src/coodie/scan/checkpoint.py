"""Checkpoints: the unread part of a scan, as a JSON value.

For a range that was started, a checkpoint contains the paging state of the page that was being delivered, and
digests of the keys of the delivered rows. A resumed scan requests that page again and skips these rows.
Unlike a row count, this is correct if rows are inserted or deleted in the meantime, and with another page
size. The digests are one text, to which each row adds one, so that a checkpoint after each row is cheap.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from hashlib import blake2b
from typing import Any

from coodie.exceptions import ConfigurationError
from coodie.scan.ring import WHOLE_RING, TokenRange

__all__ = ["Begun", "Checkpoint", "digest_of", "digest_of_values", "digests_in"]

_VERSION = 1

#: The size of a digest in bytes, a multiple of three, and its length in Base64, without padding.
_DIGEST_SIZE, _DIGEST_LENGTH = 9, 12


class Begun:
    """A range that was started, and its position.

    Args:
        tokens: The range.
        state: The paging state of the first page that wasn't delivered completely; None for the first page.
        delivered: Digests of the keys of the delivered rows from that page on, as one text.
        rows: The number of delivered rows of the range.
    """

    __slots__ = ("delivered", "rows", "state", "tokens")

    def __init__(
        self,
        tokens: TokenRange,
        state: bytes | None = None,
        delivered: str = "",
        rows: int = 0,
    ) -> None:
        self.tokens = tokens
        self.state = state
        self.delivered = delivered
        self.rows = rows

    def as_json(self) -> dict[str, Any]:
        """Return a JSON value."""
        return {
            "range": f"{self.tokens.first}:{self.tokens.last}",
            "page": None if self.state is None else b64encode(self.state).decode("ascii"),
            "delivered": self.delivered,
            "rows": self.rows,
        }

    @classmethod
    def from_json(cls, value: Any) -> Begun:
        """Create it from the result of ``as_json``."""
        state, delivered = value["page"], value["delivered"]
        digests_in(delivered)
        return cls(
            _range(value["range"]),
            None if state is None else b64decode(state, validate=True),
            delivered,
            int(value["rows"]),
        )


class Checkpoint:
    """The unread part of a scan.

    Args:
        statement: The scan's statement and a digest of its values, which a resumed scan must have, too.
        rows: The number of delivered rows.
        tokens: The number of tokens in the ranges that were read completely.
        left: The ranges that weren't started.
        begun: The ranges that were started.
    """

    __slots__ = ("begun", "left", "rows", "statement", "tokens")

    def __init__(
        self, statement: str, rows: int, tokens: int, left: Sequence[TokenRange], begun: Sequence[Begun]
    ) -> None:
        self.statement = statement
        self.rows = rows
        self.tokens = tokens
        self.left = left
        self.begun = begun

    def as_json(self) -> dict[str, Any]:
        """Return a JSON value; tokens are text, since not all JSON parsers keep 64 bits."""
        return {
            "coodie_scan": _VERSION,
            "statement": self.statement,
            "rows": self.rows,
            "tokens": str(self.tokens),
            "left": [f"{first}:{last}" for first, last in self.left],
            "begun": [each.as_json() for each in self.begun],
        }

    @classmethod
    def from_json(cls, value: Any) -> Checkpoint:
        """Create a checkpoint from the result of ``as_json``.

        Raises:
            ConfigurationError: The value isn't a checkpoint.
        """
        try:
            if value["coodie_scan"] != _VERSION:
                raise ValueError(value["coodie_scan"])  # noqa: TRY301 - one message for all causes
            begun = [Begun.from_json(each) for each in value["begun"]]
            left = [_range(each) for each in value["left"]]
            return cls(str(value["statement"]), int(value["rows"]), int(value["tokens"]), left, begun)
        except (LookupError, TypeError, ValueError, AttributeError) as exc:
            message = "checkpoint= isn't a result of Scan.checkpoint()."
            raise ConfigurationError(
                message, hint="Pass the result of Scan.checkpoint() unchanged.", option="checkpoint"
            ) from exc


def _range(text: str) -> TokenRange:
    found = TokenRange(*map(int, text.split(":")))
    if not WHOLE_RING.first <= found.first <= found.last <= WHOLE_RING.last:
        raise ValueError(text)
    return found


def digest_of(key: Any) -> str:
    """Return a digest of a row's key, as 12 characters; the same in every process."""
    digest = blake2b(_canonical(key).encode("utf-8", "surrogatepass"), digest_size=_DIGEST_SIZE).digest()
    return b64encode(digest).decode("ascii")


def digests_in(text: str) -> set[str]:
    """Return the digests of a text that consists of them.

    Raises:
        ValueError: The text's length isn't that of complete digests.
    """
    if len(text) % _DIGEST_LENGTH:
        raise ValueError(text)
    return {text[at : at + _DIGEST_LENGTH] for at in range(0, len(text), _DIGEST_LENGTH)}


def digest_of_values(values: Any) -> str:
    """Return a digest of a statement's values, so that a checkpoint contains no values."""
    return digest_of(values) if values else ""


def _canonical(value: Any) -> str:
    """Return a value as text, which is equal for equal values: sets and dicts are sorted."""
    if isinstance(value, Mapping):
        pairs = sorted(f"{_canonical(key)}: {_canonical(item)}" for key, item in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, AbstractSet):
        return f"{{{', '.join(sorted(map(_canonical, value)))}}}"
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        return f"[{', '.join(map(_canonical, value))}]"
    default: Any = object.__repr__
    if type(value).__repr__ is default:  # contains an address in memory
        message = (
            f"A checkpoint identifies keys and parameters by their repr, and {type(value).__name__} has none."
        )
        hint = "Define __repr__, the same for equal values, or scan without the codec."
        raise ConfigurationError(message, hint=hint, option="codecs")
    return repr(value)
